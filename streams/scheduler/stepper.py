"""The scheduler's aggregate: triggers, stepped by `domain.trigger`, kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import msgspec

from domain.errors import BrokenInvariant, UnreadableRecord
from domain.execution.commands import CreateExecution
from domain.execution.context import DEFAULT_SETTINGS, Answer, Context, Settings
from domain.execution.lookups import LookupNeeded
from domain.execution.state import Timer
from domain.flow.model import Flow
from domain.ids import derived
from domain.ports.clock import Clock
from domain.ports.log import Log
from domain.ports.metrics import Metrics
from domain.ports.stores import Snapshots
from domain.record.codec import Codec, encode, tag_of
from domain.record.envelope import Outgoing, Record, milliseconds_of
from domain.record.topics import EXECUTION_COMMANDS, TRIGGER_COMMANDS, TRIGGER_EVENTS
from domain.sealed import Encrypt
from domain.trigger.commands import FireTrigger, RecoverTrigger, TriggerCommand
from domain.trigger.creation import Surroundings
from domain.trigger.decide import Events
from domain.trigger.events import (
    TriggerCommandRejected,
    TriggerDeleted,
    TriggerEventRecord,
    TriggerRegistered,
)
from domain.trigger.evolve import RECORDS, evolve, fold, note_command
from domain.trigger.state import Trigger, TriggerKey
from domain.trigger.step import react, revision_for, step
from streams.answers import Answers
from streams.options import SchedulerOptions
from streams.scheduler.declared import ISSUER, DeclaredTriggers, TriggerCommands, outgoing
from streams.scheduler.ports import FlowSource, Timers
from streams.steps import Stepped

_STATES: msgspec.json.Decoder[Trigger] = msgspec.json.Decoder(Trigger)
COMMANDS: Codec[TriggerCommand] = Codec(TriggerCommand)
"""Reads values of `trigger.commands`."""
_MOST_ROUNDS = 1_000
"""Questions and answers within one step."""


class TriggerStepper:
    """Stepper of triggers."""

    topic = TRIGGER_COMMANDS
    event_topic = TRIGGER_EVENTS

    def __init__(
        self,
        log: Log,
        flows: FlowSource,
        declared: DeclaredTriggers,
        commands: TriggerCommands,
        answers: Answers,
        timers: Timers,
        clock: Clock,
        options: SchedulerOptions,
        metrics: Metrics,
        *,
        settings: Settings = DEFAULT_SETTINGS,
        encrypt: Encrypt | None = None,
        snapshots: Snapshots | None = None,
    ) -> None:
        self._log = log
        self._commands = commands
        self._flows = flows
        self._declared = declared
        self._answers = answers
        self._timers = timers
        self._clock = clock
        self._options = options
        self._metrics = metrics
        self._settings = settings
        self._encrypt = encrypt
        self._snapshots = snapshots
        self._partitions: dict[int, dict[str, Trigger]] = {}
        self._changed: dict[int, set[str]] = {}
        """Triggers that differ from the snapshot."""
        self._since_snapshot: dict[int, int] = {}
        self._owing: set[int] = set()
        """Partitions in whose catch-up something was folded whose effects may be unsent."""
        self.knows: Callable[[int, int], bool] = lambda partition, end: True  # noqa: ARG005
        self._armed: dict[str, str] = {}
        """Timer by record key: its id is the date."""

    def load(self, partition: int) -> int | None:
        """Take up the snapshot of a partition; returns the next event offset to fold."""
        states = self._partitions[partition] = {}
        self._changed[partition] = set()
        self._since_snapshot[partition] = 0
        if self._snapshots is None:
            return None
        offset = self._snapshots.offset(partition)
        if offset is not None:
            try:
                for text, stored in self._snapshots.live(partition):
                    states[text] = _STATES.decode(stored)
            except msgspec.MsgspecError:
                # of another version: the log has it all
                states.clear()
                self._snapshots.forget(partition)
                return None
        return offset

    def fold(self, record: Record, *, owed: bool) -> bool:
        """Fold one event record and return True, or ignore it by the shared rule."""
        if owed:
            self._owing.add(record.partition)
        decoded = RECORDS.decode(record)
        states = self._partitions[record.partition]
        state = fold(states.get(decoded.key.text), decoded)
        if state is not None:
            states[decoded.key.text] = state
            self._touched(record.partition, state)
            if record.partition not in self._owing:
                self._tidy(record.partition, record.offset + 1)
        return state is not None

    def snapshot(self, partition: int, end: int | None = None) -> None:
        """Store what changed, so that the next start folds a tail.

        Args:
            partition: which.
            end: the next event offset to fold; None while stepping: waits until all is durable,
                so that no snapshot is ahead of the log.
        """
        states = self._partitions.get(partition)
        if self._snapshots is None or states is None:
            return
        if end is None:
            self._log.writer.flush()
            _, end = self._log.reader.bounds(TRIGGER_EVENTS, partition)
            if not self.knows(partition, end):
                return  # another writer has written what is not folded here
        changed = self._changed[partition]
        self._snapshots.save(
            partition, end, ((text, encode(states[text]), False) for text in changed)
        )
        changed.clear()
        self._since_snapshot[partition] = 0

    def close(self) -> None:
        """Store all partitions."""
        for partition in list(self._partitions):
            self.snapshot(partition)

    def ready(self, partition: int) -> None:
        """Everything is folded: make up for what was missed, and set the clock."""
        self._owing.discard(partition)
        states = self._partitions[partition]
        self._declared.own(partition)
        keys = {declaration.key.text: declaration.key
                for declaration in self._declared.in_partition(partition)}  # fmt: skip
        keys.update((text, state.key) for text, state in states.items() if state.registered)
        for text, key in keys.items():
            command = self._declared.missing(key, states.get(text))
            if command is not None:
                self._commands.send(command)
        self._timers.forget(partition)
        now = self._clock.now()
        for text, state in states.items():
            self._armed.pop(text, None)
            if state.next_date is not None and state.next_date < now:
                # stands before whatever the timer sends
                self._commands.send(_recover(state, now))
            self._arm(partition, state)

    def step(self, command: Record) -> Stepped:
        """Step one command and fold its events."""
        decoded = COMMANDS.decode(command)
        text = decoded.key.text
        if text != command.key:
            raise UnreadableRecord(f"the command's key {command.key!r} is not its trigger {text!r}")
        self._tidy(command.partition)
        states = self._partitions[command.partition]
        state = states.get(text)
        if state is not None and command.offset <= state.command_offset:
            return Stepped()  # stepped before the snapshot, after all of it was durable
        events = self._decide(command, decoded, state)
        if isinstance(decoded, FireTrigger):
            self._armed.pop(text, None)  # that timer is gone, whatever it has led to
        if not events:
            if state is not None:
                self._arm(command.partition, state)
            return Stepped()
        refused = all(isinstance(event, TriggerCommandRejected) for event in events)
        is_new = state is None
        if state is None:
            state = Trigger(key=decoded.key)
        record = TriggerEventRecord(
            key=decoded.key,
            sequence=0 if is_new and refused else state.sequence + 1,
            command_id=decoded.command_id,
            command_offset=command.offset,
            timestamp_ms=command.timestamp_ms,
            events=list(events),
            command=tag_of(decoded),
            issuer=decoded.issuer,
        )
        if is_new and refused:
            return Stepped(Outgoing(TRIGGER_EVENTS, text, encode(record)))
        for happened in events:
            evolve(state, happened, command.timestamp)
        note_command(state, command.timestamp, command.offset)
        record.state = state
        event = Outgoing(TRIGGER_EVENTS, text, encode(record))
        states[text] = state
        self._touched(command.partition, state)
        self._arm(command.partition, state)
        creations = react(events)
        if creations:
            self._metrics.count("scheduler_firings", len(creations))
        effects = [*_started(creations), *self._followers(events, state)]
        return Stepped(event, effects)

    def effects_of(self, recorded: Record) -> Sequence[Outgoing]:
        """Derive the effects of a recorded step again."""
        return _started(react(RECORDS.decode(recorded).events))

    def forget(self, partition: int) -> None:
        """Drop everything of a partition."""
        self._declared.disown(partition)
        self._timers.forget(partition)
        self._changed.pop(partition, None)
        for text in self._partitions.pop(partition, {}):
            self._armed.pop(text, None)

    def state(self, key: TriggerKey) -> Trigger | None:
        """Return a trigger of an owned partition, not a copy; for tests and diagnosis."""
        for states in self._partitions.values():
            if key.text in states:
                return states[key.text]
        return None

    def schedulable(self) -> list[Trigger]:
        """Return the triggers of owned partitions that have a next date, by key; not copies."""
        found = {
            text: state
            for states in list(self._partitions.values())
            for text, state in list(states.items())
            if state.due_date is not None
        }
        return [found[text] for text in sorted(found)]

    def due(self, partition: int, text: str, timer_id: str) -> None:
        """Send the command that fires a trigger; called by the timers, on their thread."""
        del partition
        date = datetime.fromisoformat(timer_id)
        tenant, namespace, flow_id, trigger_id = text.split("/", 3)
        now = self._clock.now()
        self._metrics.observe("scheduler_delay_seconds", max(0.0, (now - date).total_seconds()))
        command = FireTrigger(
            key=TriggerKey(tenant, namespace, flow_id, trigger_id),
            command_id=derived("fire", text, timer_id),
            issuer=ISSUER,
            date=date,
        )
        # never before the date, however the log's clock stands to ours
        self._commands.send(command, milliseconds_of(max(now, date)))

    def _decide(self, record: Record, command: TriggerCommand, state: Trigger | None) -> Events:
        flow = self._flow(command, state)
        answers: dict[str, Answer] = {}
        for _ in range(_MOST_ROUNDS):
            surroundings = Surroundings(
                context=Context(
                    now=record.timestamp,
                    command_offset=record.offset,
                    answers=answers,
                    settings=self._settings,
                ),
                zone=self._options.time_zone,
                recover=self._options.recover_missed_schedules,
                encrypt=self._encrypt,
            )
            try:
                return step(flow, state, command, surroundings)
            except LookupNeeded as needed:
                question = needed.question
                answers[question.key] = self._answers.answer(question)
        raise BrokenInvariant(f"a step of a trigger asked {_MOST_ROUNDS} questions")

    def _flow(self, command: TriggerCommand, state: Trigger | None) -> Flow | None:
        wanted = revision_for(state, command)
        if wanted is None:
            return None
        key = command.key
        return self._flows.require(key.tenant, key.namespace, key.flow_id, *wanted)

    def _followers(self, events: Events, state: Trigger) -> Iterable[Outgoing]:
        """Commands for what the flow says by now, where a step is behind it."""
        if any(isinstance(event, TriggerRegistered | TriggerDeleted) for event in events):
            command = self._declared.missing(state.key, state)
            if command is not None:
                yield outgoing(command)

    def _touched(self, partition: int, state: Trigger) -> None:
        self._changed[partition].add(state.key.text)
        self._since_snapshot[partition] += 1

    def _tidy(self, partition: int, end: int | None = None) -> None:
        """Snapshot now and then; never between a step and its record's way to the log."""
        if self._since_snapshot[partition] >= self._options.snapshot_every:
            self.snapshot(partition, end)

    def _arm(self, partition: int, state: Trigger) -> None:
        text = state.key.text
        date = state.due_date
        wanted = None if date is None else date.isoformat()
        current = self._armed.get(text)
        if wanted == current:
            return
        if current is not None:
            self._timers.cancel(text, current)
            del self._armed[text]
        if date is not None and wanted is not None:
            self._armed[text] = wanted
            self._timers.schedule(partition, text, Timer(wanted, date, "trigger"))


def _recover(state: Trigger, now: datetime) -> RecoverTrigger:
    text = state.key.text
    return RecoverTrigger(
        key=state.key,
        command_id=derived("recover", text, state.sequence, now.isoformat()),
        issuer=ISSUER,
    )


def _started(creations: Iterable[CreateExecution]) -> list[Outgoing]:
    return [
        Outgoing(EXECUTION_COMMANDS, creation.execution_id, encode(creation))
        for creation in creations
    ]
