"""Watches executions: each change of state may fire flow triggers or free a schedule's lock.

What follows from a record is a function of the record, of the fold up to it and of the flows in
force: commands with derived ids, sent before the record's offset is committed. A record that comes
again is looked at again, and its commands are known to their receivers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from domain.errors import BrokenInvariant, UnreadableRecord
from domain.execution.commands import CreateExecution, ExecutionCommand
from domain.execution.context import DEFAULT_SETTINGS, Answer, Context, Settings
from domain.execution.events import (
    CommandRejected,
    ExecutionCreated,
    ExecutionDeleted,
    ExecutionEnded,
    ExecutionPaused,
    ExecutionRestarted,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionStateForced,
)
from domain.execution.fold import (
    RECORDS,
    is_settled,
)
from domain.execution.lifecycle import StateType
from domain.execution.lookups import LookupNeeded
from domain.execution.record import EventRecord
from domain.execution.state import Execution, ExecutionTrigger
from domain.flow.triggers import TRIGGER_PACKAGE
from domain.ids import derived
from domain.ports.clock import Clock
from domain.ports.log import Log
from domain.ports.metrics import Metrics
from domain.ports.stores import Snapshots
from domain.record.codec import Codec, encode
from domain.record.deadletter import dead_letter
from domain.record.envelope import Outgoing, Record, instant_of, milliseconds_of
from domain.record.topics import EXECUTION_COMMANDS, EXECUTION_EVENTS
from domain.sealed import Encrypt
from domain.trigger.commands import RecordTriggerEnd, RecordUpstream
from domain.trigger.creation import Surroundings
from domain.trigger.definition import InvalidTrigger
from domain.trigger.flows import Change, triggered
from domain.trigger.state import TriggerKey
from streams.answers import Answers
from streams.options import SchedulerOptions
from streams.pending import Pending
from streams.scheduler.declared import outgoing
from streams.scheduler.ports import FlowSource
from streams.triggers.listening import FlowTriggers, Listening
from streams.triggers.watched import Watched, recovered, refolded, store

GROUP = "flow-triggers"
"""Name of the watchers' consumer group."""

_COMMANDS: Codec[ExecutionCommand] = Codec(ExecutionCommand)
_SCHEDULED = frozenset({TRIGGER_PACKAGE + "Schedule", TRIGGER_PACKAGE + "ScheduleOnDates"})
_MOVES = (
    ExecutionStarted,
    ExecutionEnded,
    ExecutionPaused,
    ExecutionResumed,
    ExecutionRestarted,
    ExecutionStateForced,
)
"""Events that can move an execution which had left memory, because it had ended."""
_AHEAD_MS: Final = 50
"""How far start times may run ahead of the clock, so that a batch keeps its order."""
_MOST_ROUNDS = 1_000
_log = logging.getLogger(__name__)


class ExecutionWatcher:
    """CommandHandler for `execution.events`, of which it only reads."""

    topic = EXECUTION_EVENTS

    def __init__(
        self,
        log: Log,
        flows: FlowSource,
        answers: Answers,
        clock: Clock,
        snapshots: Snapshots,
        options: SchedulerOptions,
        metrics: Metrics,
        fatal: Callable[[BaseException], None],
        *,
        settings: Settings = DEFAULT_SETTINGS,
        encrypt: Encrypt | None = None,
    ) -> None:
        """Hold what is needed; nothing runs yet.

        Args:
            log: where to read and write.
            flows: the flows in force; to be started before the watcher.
            answers: answers the functions of triggers' expressions.
            clock: tells how fresh the flows are.
            snapshots: local cache of the executions that have not ended.
            options: time zone, time between snapshots.
            metrics: where to count.
            fatal: told once of what forbids to go on.
            settings: what the configuration says to every expression.
            encrypt: seals SECRET inputs.
        """
        self._log = log
        self._flows = flows
        self._listening = FlowTriggers(flows)
        self._answers = answers
        self._clock = clock
        self._snapshots = snapshots
        self._options = options
        self._metrics = metrics
        self._fatal = fatal
        self._settings = settings
        self._encrypt = encrypt
        self._last_ms = 0
        self._partitions: dict[int, Watched] = {}
        self._fresh_until = -1
        """Flows saved before this time, in ms, are known."""

    def start(self) -> None:
        """Follow the flows."""
        self._listening.start()

    def close(self) -> None:
        """Store what was folded."""
        for number in list(self._partitions):
            self._snapshot(number)

    def assigned(self, partitions: Sequence[int]) -> None:
        """These are folded anew at their first record."""
        for number in partitions:
            self._partitions.pop(number, None)

    def revoked(self, partitions: Sequence[int]) -> None:
        """Store and drop these."""
        for number in partitions:
            self._snapshot(number)
            self._partitions.pop(number, None)

    def process(self, record: Record, done: Callable[[], None]) -> None:
        """Look at one record; `done` is called when all that it leads to is durable."""
        try:
            known = self._partitions.get(record.partition)
            if known is None:
                known = self._partitions[record.partition] = recovered(
                    self._log, self._snapshots, record
                )
            if record.offset < known.fold.next_offset:
                done()  # the snapshot was taken after everything of it was durable
                return
            pending = Pending(done, self._fatal)
            try:
                found = list(self._consequences(record, known))
            except UnreadableRecord as error:
                _log.warning("flow triggers: dead letter: %s", error)
                found = [dead_letter(record, str(error), GROUP)]
            for effect in found:
                self._log.writer.send(effect, pending.expect())
            pending.close()
            known.since_snapshot += 1
            if known.since_snapshot >= self._options.snapshot_every:
                self._snapshot(record.partition)
        except Exception as error:  # noqa: BLE001 - an engine would take an escape for an ending
            self._fatal(error)

    def _consequences(self, record: Record, known: Watched) -> Iterator[Outgoing]:
        fold = known.fold
        fold.next_offset = record.offset + 1
        decoded = RECORDS.decode(record)
        if decoded.sequence == 0:
            yield from self._refused(record, decoded)
            return
        execution_id = decoded.execution_id
        state = fold.states.get(execution_id)
        if state is None and decoded.sequence > 1:
            if not any(isinstance(event, _MOVES) for event in decoded.events):
                return
            state = refolded(self._log, execution_id, record)
            if state is None:
                return
            fold.states[execution_id] = state
        first = _inherited(decoded) if state is None else len(state.state.histories)
        applied = fold.apply_decoded(decoded, record.offset)
        if applied is None or applied.state is None:
            return
        state = applied.state
        if is_settled(state) or state.deleted:
            fold.drop(execution_id)
        known.changed.add(execution_id)
        # what is deleted while it runs ends for its parent, and starts nothing
        last = first if state.deleted else len(state.state.histories)
        for index in range(first, last):
            if not _is_passing(state, index):
                change = Change(state, index, record.partition, record.offset)
                yield from self._changed(change, record, decoded)
        yield from _ends(state, first, decoded)

    def _changed(self, change: Change, record: Record, decoded: EventRecord) -> Iterator[Outgoing]:
        execution = change.execution
        self._freshen(record.timestamp_ms)
        for listening in self._listening.about(execution.namespace, execution.flow_id):
            try:
                command = self._evaluated(listening, change, record, decoded)
            except InvalidTrigger as error:
                _log.warning(
                    "trigger %s of flow %s.%s was not evaluated for execution %s: %s",
                    listening.trigger.id, listening.flow.namespace, listening.flow.id,
                    execution.id, error,
                )  # fmt: skip
                continue
            except BrokenInvariant:
                raise
            except Exception as error:  # noqa: BLE001 - logged and put aside: the others go on
                _log.exception("trigger %s of flow %s", listening.trigger.id, listening.flow.id)
                yield dead_letter(record, f"{type(error).__name__}: {error}", GROUP)
                continue
            if isinstance(command, CreateExecution):
                self._metrics.count("scheduler_firings")
                yield Outgoing(
                    EXECUTION_COMMANDS,
                    command.execution_id,
                    encode(command),
                    timestamp_ms=self._moment(),
                )
            elif command is not None:
                yield outgoing(command)

    def _moment(self) -> int:
        """Return when an execution is started: later than the one before, whatever the batch."""
        now = milliseconds_of(self._clock.now())
        self._last_ms = max(now, min(self._last_ms + 1, now + _AHEAD_MS))
        return self._last_ms

    def _evaluated(
        self, listening: Listening, change: Change, record: Record, decoded: EventRecord
    ) -> CreateExecution | RecordUpstream | None:
        answers: dict[str, Answer] = {}
        for _ in range(_MOST_ROUNDS):
            surroundings = Surroundings(
                context=Context(
                    now=instant_of(decoded.timestamp_ms),
                    command_offset=record.offset,
                    answers=answers,
                    settings=self._settings,
                ),
                zone=self._options.time_zone,
                encrypt=self._encrypt,
            )
            try:
                return triggered(listening.flow, listening.trigger, change, surroundings)
            except LookupNeeded as needed:
                question = needed.question
                answers[question.key] = self._answers.answer(question)
        raise BrokenInvariant(f"a flow trigger asked {_MOST_ROUNDS} questions")

    def _freshen(self, timestamp_ms: int) -> None:
        """Know every flow that was saved before a record was written."""
        if timestamp_ms <= self._fresh_until:
            return
        begun = milliseconds_of(self._clock.now())
        self._flows.catch_up()
        self._fresh_until = max(begun, self._fresh_until)

    def _refused(self, record: Record, decoded: EventRecord) -> Iterator[Outgoing]:
        """An execution that was refused never ends: what waits for it is told so."""
        if not any(isinstance(event, CommandRejected) for event in decoded.events):
            return
        offset = decoded.command_offset
        found = self._log.reader.read(EXECUTION_COMMANDS, record.partition, offset, offset + 1)
        for command in found:
            creation = _COMMANDS.decode(command)
            if isinstance(creation, CreateExecution):
                yield from _end(
                    creation.tenant,
                    creation.namespace,
                    creation.flow_id,
                    creation.execution_id,
                    creation.trigger,
                    StateType.FAILED,
                )

    def _snapshot(self, number: int) -> None:
        known = self._partitions.get(number)
        if known is not None:
            store(self._log, self._snapshots, known)


def _is_passing(state: Execution, index: int) -> bool:
    """Tell whether a state is a failure that the very next entry takes back: a retry follows."""
    histories = state.state.histories
    following = histories[index + 1].state if index + 1 < len(histories) else None
    return histories[index].state is StateType.FAILED and following in (
        StateType.RETRYING,
        StateType.RETRIED,
    )


def _inherited(record: EventRecord) -> int:
    """How many states of a new execution are those of the one it goes on from."""
    counts = [len(one.histories) for one in record.events if isinstance(one, ExecutionCreated)]
    return sum(counts)


def _ends(state: Execution, first: int, record: EventRecord) -> Iterator[Outgoing]:
    """Tell the trigger that an execution has ended, or is gone."""
    ends = [one.state for one in state.state.histories[first:] if one.state.is_terminal]
    if not ends and any(isinstance(event, ExecutionDeleted) for event in record.events):
        ends = [state.state.current]
    if ends:
        yield from _end(
            state.tenant, state.namespace, state.flow_id, state.id, state.trigger, ends[-1]
        )


def _end(
    tenant: str,
    namespace: str,
    flow_id: str,
    execution_id: str,
    trigger: ExecutionTrigger | None,
    state: StateType,
) -> Iterator[Outgoing]:
    if trigger is not None and trigger.type in _SCHEDULED:
        yield outgoing(
            RecordTriggerEnd(
                key=TriggerKey(tenant, namespace, flow_id, trigger.id),
                command_id=derived("trigger-end", execution_id, state.value),
                issuer=GROUP,
                execution_id=execution_id,
                state=state,
            )
        )
