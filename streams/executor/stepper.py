"""The executor's aggregate: executions, stepped by the machine, kept in memory and snapshots."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from time import perf_counter, time
from typing import Protocol

import msgspec

from domain.errors import BrokenInvariant, LogUnavailable, UnreadableRecord
from domain.execution.commands import RESTARTS, Command, CreateExecution, ExecutionCommand
from domain.execution.context import (
    DEFAULT_SETTINGS,
    Answer,
    Context,
    Encrypt,
    Settings,
)
from domain.execution.fold import (
    RECORDS,
    PartitionFold,
    continues,
    encode_state,
    fold_record,
    is_settled,
)
from domain.execution.machine import Step, give_up, step
from domain.execution.react import react
from domain.execution.state import Execution
from domain.flow.model import Flow
from domain.ports.log import Log
from domain.ports.metrics import Metrics
from domain.ports.stores import Blobs, Snapshots
from domain.record.codec import Codec, encode
from domain.record.envelope import Outgoing, Record, instant_of
from domain.record.topics import EXECUTION_COMMANDS, EXECUTION_EVENTS
from streams.answers import Answers
from streams.executor.outbox import Outbox
from streams.options import ExecutorOptions
from streams.steps import Stepped
from streams.timers import TimerClock

COMMANDS: Codec[ExecutionCommand] = Codec(ExecutionCommand)
"""Reads values of `execution.commands`."""
_NOT_OURS = (LogUnavailable, UnreadableRecord, OSError)
"""Errors of a step that say nothing about its execution."""
_log = logging.getLogger(__name__)
_MOST_ROUNDS = 10_000
"""Rounds of questions and answers within one step; a Loop asks one for each file that it stores."""


class FlowSource(Protocol):
    """Finds flows; looks at the end of the log before it says None."""

    def require(
        self,
        tenant: str,
        namespace: str,
        flow_id: str,
        revision: int | None = None,
        defaults: int | None = None,
    ) -> Flow | None:
        """Return a flow, read with a set of plugin defaults (None: the last one)."""
        ...


class _Partition:
    __slots__ = ("begun_at", "changed", "ended", "fold", "owes", "since_snapshot")

    def __init__(self, fold: PartitionFold, begun_at: int | None) -> None:
        self.fold = fold
        self.begun_at = begun_at
        """Event offset at which folding began."""
        self.ended: OrderedDict[str, None] = OrderedDict()
        self.changed: set[str] = set()
        """Executions that differ from the snapshot."""
        self.since_snapshot = 0
        self.owes = False
        """Catching up, something was folded whose effects may still have to be sent."""


class ExecutionStepper:
    """Stepper of executions."""

    topic = EXECUTION_COMMANDS
    event_topic = EXECUTION_EVENTS

    def __init__(
        self,
        log: Log,
        flows: FlowSource,
        answers: Answers,
        timers: TimerClock,
        snapshots: Snapshots,
        options: ExecutorOptions,
        metrics: Metrics,
        settings: Settings = DEFAULT_SETTINGS,
        encrypt: Encrypt | None = None,
        blobs: Blobs | None = None,
    ) -> None:
        self._log = log
        self._flows = flows
        self._answers = answers
        self._timers = timers
        self._snapshots = snapshots
        self._options = options
        self._metrics = metrics
        self._settings = settings
        self._encrypt = encrypt
        self._outbox = Outbox(timers, options.command_limit_bytes, log, blobs)
        self._partitions: dict[int, _Partition] = {}
        self.knows: Callable[[int, int], bool] = lambda partition, end: True  # noqa: ARG005
        metrics.gauge("executor_executions_live", self._live)
        metrics.gauge("executor_timers", lambda: len(timers))

    def load(self, partition: int) -> int | None:
        """Take up the snapshot of a partition; returns the next event offset to fold."""
        offset = self._snapshots.offset(partition)
        fold = PartitionFold(
            partition,
            load=lambda execution_id: self._snapshots.load(partition, execution_id),
            next_offset=offset or 0,
        )
        if offset is not None:
            for execution_id, _ in self._snapshots.live(partition):
                fold.get(execution_id)
        self._partitions[partition] = _Partition(fold, offset)
        return offset

    def fold(self, record: Record, *, owed: bool) -> bool:
        """Fold one event record and return True, or ignore it by the shared rule."""
        known = self._partitions[record.partition]
        known.owes = known.owes or owed
        applied = known.fold.apply(record)
        if known.begun_at is None:
            known.begun_at = record.offset
        if applied is not None and applied.state is not None:
            self._touched(known, applied.state)
            if not known.owes:
                self._tidy(record.partition, known, known.begun_at)
        return applied is not None

    def ready(self, partition: int) -> None:
        """Everything is folded: set the clock."""
        self._partitions[partition].owes = False
        self._timers.forget(partition)
        for state in self._partitions[partition].fold.states.values():
            for timer in state.timers.values():
                self._timers.schedule(partition, state.id, timer)

    def step(self, command: Record) -> Stepped:
        """Step one command and fold its events."""
        begun = perf_counter()
        self._metrics.observe(
            "executor_queued_seconds", max(0.0, time() - command.timestamp_ms / 1000)
        )
        decoded = COMMANDS.decode(command)
        if decoded.execution_id != command.key:
            raise UnreadableRecord(
                f"the command's key {command.key!r} is not its execution {decoded.execution_id!r}"
            )
        known = self._partitions[command.partition]
        # before the step: a snapshot must not hold what has not been sent
        self._tidy(command.partition, known)
        state = known.fold.get(decoded.execution_id)
        if state is None and not isinstance(decoded, CreateExecution):
            state = self._recall(known, decoded.execution_id)
        context = Context(
            now=command.timestamp,
            command_offset=command.offset,
            settings=self._settings,
            find_flow=self._flows.require,
            encrypt=self._encrypt,
        )
        is_new = state is None
        try:
            result = self._ask_and_step(decoded, state, context)
        except _NOT_OURS:
            raise
        except Exception as error:  # noqa: BLE001 - logged, and the execution fails with it
            # whatever a flow makes us stumble over fails that execution, which else would hang
            _log.exception("command %s could not be stepped", command.offset)
            reason = f"the step failed: {type(error).__name__}: {error}"
            result = self._give_up(known, decoded, context, is_new=is_new, reason=reason)
        if not result.events:
            return Stepped()
        record = result.record(decoded, context)
        value = encode(record)
        if len(value) > self._options.command_limit_bytes:
            reason = (
                f"a step would write {len(value)} bytes,"
                f" {self._options.command_limit_bytes} are allowed: hand large values over as files"
            )
            result = self._give_up(known, decoded, context, is_new=is_new, reason=reason)
            record = result.record(decoded, context)
            value = encode(record)
        if result.state is not None and result.sequence > 0:
            known.fold.stepped(result.state, record)
            self._touched(known, result.state)
        stepped = Stepped(
            Outgoing(EXECUTION_EVENTS, decoded.execution_id, value),
            self._outbox.records(command.partition, result.effects),
        )
        self._metrics.count("executor_commands", 1, record.command)
        self._metrics.count("executor_events", len(record.events))
        self._metrics.observe("executor_step_seconds", perf_counter() - begun)
        return stepped

    def effects_of(self, recorded: Record) -> Sequence[Outgoing]:
        """Derive the effects of a recorded step again."""
        record = RECORDS.decode(recorded)
        state = self._partitions[recorded.partition].fold.get(record.execution_id)
        if state is None:
            return ()
        flow = self._flow(state, None)
        if flow is None:
            return ()
        effects = react(
            flow,
            state,
            record.events,
            sequence=record.sequence,
            now=instant_of(record.timestamp_ms),
            settings=self._settings,
        )
        return self._outbox.records(recorded.partition, effects)

    def partition(self, number: int) -> PartitionFold:
        """The fold of an owned partition. Read only."""
        return self._partitions[number].fold

    def forget(self, partition: int) -> None:
        """Drop everything of a partition; the snapshot stays."""
        self._partitions.pop(partition, None)
        self._timers.forget(partition)

    def snapshot(self, partition: int, end: int | None = None) -> bool:
        """Store what changed, so that the next start folds a tail.

        Args:
            partition: which.
            end: the next event offset to fold; None while stepping: waits until all is durable,
                so that no snapshot is ahead of the log.

        Returns:
            False: nothing was stored, another writer has written what is not folded here.
        """
        known = self._partitions.get(partition)
        if known is None:
            return False
        if end is None:
            self._log.writer.flush()
            _, end = self._log.reader.bounds(EXECUTION_EVENTS, partition)
            if not self.knows(partition, end):
                return False
        states = (known.fold.states.get(execution_id) for execution_id in known.changed)
        self._snapshots.save(
            partition,
            end,
            ((state.id, encode_state(state), is_settled(state)) for state in states if state),
        )
        known.changed.clear()
        known.since_snapshot = 0
        return True

    def close(self) -> None:
        """Store all partitions."""
        for partition in list(self._partitions):
            self.snapshot(partition)

    def _ask_and_step(
        self, decoded: ExecutionCommand, state: Execution | None, context: Context
    ) -> Step:
        """Step, and fetch what the step asks for, until it is through."""
        flow = self._flow(state, decoded)
        answers: dict[str, Answer] = {}
        for _ in range(_MOST_ROUNDS):
            result = step(flow, state, decoded, context)
            if isinstance(result, Step):
                return result
            for question in result.questions:
                answers[question.key] = self._answers.answer(question)
            context = msgspec.structs.replace(context, answers=answers)
        raise BrokenInvariant(f"a step asked {_MOST_ROUNDS} rounds of questions")

    def _give_up(
        self,
        known: _Partition,
        command: ExecutionCommand,
        context: Context,
        *,
        is_new: bool,
        reason: str,
    ) -> Step:
        """Fail an execution whose step cannot be made or written, from what the log has of it."""
        state: Execution | None = None
        if not is_new:
            known.fold.drop(command.execution_id)
            self._log.writer.flush()
            state = self._recall(known, command.execution_id)
        return give_up(self._flow(state, command), state, command, context, reason)

    def _recall(self, known: _Partition, execution_id: str) -> Execution | None:
        """Fold an execution that the snapshots have lost from its own stream."""
        state: Execution | None = None
        for record in self._log.reader.by_key(EXECUTION_EVENTS, execution_id):
            decoded = RECORDS.decode(record)
            if decoded.sequence > 0 and continues(state, decoded):
                state = fold_record(state, decoded)
        if state is not None:
            known.fold.states[execution_id] = state
            self._touched(known, state)
        return state

    def _flow(self, state: Execution | None, command: Command | None) -> Flow | None:
        if state is not None:
            # an execution keeps its plugin defaults until somebody restarts it
            return self._flows.require(
                state.tenant,
                state.namespace,
                state.flow_id,
                state.flow_revision,
                None if isinstance(command, RESTARTS) else state.defaults,
            )
        if isinstance(command, CreateExecution):
            return self._flows.require(
                command.tenant, command.namespace, command.flow_id, command.flow_revision
            )
        return None

    def _touched(self, known: _Partition, state: Execution) -> None:
        known.changed.add(state.id)
        known.since_snapshot += 1
        if is_settled(state):
            known.ended[state.id] = None
            known.ended.move_to_end(state.id)
        else:
            known.ended.pop(state.id, None)

    def _tidy(self, partition: int, known: _Partition, end: int | None = None) -> None:
        """Snapshot now and then; ended executions leave memory only after they are stored."""
        if (
            known.since_snapshot < self._options.snapshot_every
            and len(known.ended) < 2 * self._options.ended_in_memory
        ):
            return
        if not self.snapshot(partition, end):
            return
        while len(known.ended) > self._options.ended_in_memory:
            execution_id, _ = known.ended.popitem(last=False)
            known.fold.drop(execution_id)

    def _live(self) -> float:
        return float(sum(len(p.fold.states) - len(p.ended) for p in self._partitions.values()))
