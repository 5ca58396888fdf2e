"""The triggers that the flows in force declare, and the commands that make them known.

Every scheduler listens to all flows, and speaks for those triggers only whose partition it owns.
What was missed while nobody owned a partition is made up when somebody takes it (`TriggerStepper`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock

import msgspec

from domain.flow.model import Flow
from domain.flow.triggers import FlowTrigger, Trigger
from domain.ids import derived, flow_key
from domain.ports.log import LogWriter
from domain.record.codec import encode
from domain.record.envelope import Outgoing, Position
from domain.record.topics import TRIGGER_COMMANDS, partition_of
from domain.record.values import FlowRevision
from domain.trigger.commands import RegisterTrigger, TriggerCommand, UnregisterTrigger
from domain.trigger.creation import key_of
from domain.trigger.schedules import fingerprint_of, is_scheduled
from domain.trigger.state import Trigger as TriggerState
from domain.trigger.state import TriggerKey
from streams.scheduler.ports import FlowSource

ISSUER = "scheduler"
_MARKS = ("Schedule", ".Flow")
"""A source without any of these declares nothing that fires by the clock: it is not even parsed."""


class Declaration(msgspec.Struct, frozen=True):
    """A trigger in the latest revision of its flow."""

    key: TriggerKey
    flow_revision: int
    fingerprint: str
    defaults: int = 0
    """Number of the set of plugin defaults that the flow was read with."""


class _Flow(msgspec.Struct, frozen=True):
    revision: int
    triggers: dict[str, Declaration]
    """By record key."""
    defaults: int = 0


_NO_FLOW = _Flow(0, {})


class TriggerCommands:
    """Sends commands to triggers, on behalf of the scheduler itself. Thread-safe."""

    def __init__(self, writer: LogWriter, fatal: Callable[[BaseException], None]) -> None:
        self._writer = writer
        self._fatal = fatal

    def send(self, command: TriggerCommand, timestamp_ms: int | None = None) -> None:
        """Send one; a command that cannot be written ends the process."""
        self._writer.send(outgoing(command, timestamp_ms), self._delivered)

    def partition_of(self, text: str) -> int:
        """Return the partition of a trigger by its record key."""
        return partition_of(text, self._writer.partitions(TRIGGER_COMMANDS))

    def _delivered(self, position: Position | None, error: Exception | None) -> None:
        del position
        if error is not None:
            self._fatal(error)


class DeclaredTriggers:
    """What flows declare now. Thread-safe."""

    def __init__(self, flows: FlowSource, commands: TriggerCommands) -> None:
        self._flows = flows
        self._commands = commands
        self._known: dict[str, _Flow] = {}
        self._owned: set[int] = set()
        self._lock = Lock()

    def start(self) -> None:
        """Learn what is in force, then follow the flows."""
        self._flows.listen(self._changed)

    def own(self, partition: int) -> None:
        """Speak for the triggers of a partition from now on."""
        with self._lock:
            self._owned.add(partition)

    def disown(self, partition: int) -> None:
        """Say nothing more about a partition."""
        with self._lock:
            self._owned.discard(partition)

    def in_partition(self, partition: int) -> Iterator[Declaration]:
        """Yield the declarations of a partition."""
        with self._lock:
            known = list(self._known.values())
        for flow in known:
            for text, declaration in flow.triggers.items():
                if self._commands.partition_of(text) == partition:
                    yield declaration

    def missing(self, key: TriggerKey, state: TriggerState | None) -> TriggerCommand | None:
        """Return the command that brings a trigger's state to what its flow declares, if any."""
        with self._lock:
            flow = self._known.get(flow_key(key.tenant, key.namespace, key.flow_id), _NO_FLOW)
        declaration = flow.triggers.get(key.text)
        registered = state is not None and state.registered
        if declaration is None:
            # a flow that is not known here may be so in a revision that has not arrived yet
            outdated = state is not None and flow.revision > state.flow_revision
            return _unregister(key, flow.revision) if registered and outdated else None
        if state is not None and registered:
            mine = (state.flow_revision, state.defaults)
            if mine >= (declaration.flow_revision, declaration.defaults):
                return None
        return _register(declaration)

    def _changed(self, revision: FlowRevision) -> None:
        name = flow_key(revision.tenant, revision.namespace, revision.id)
        fresh = self._read(revision)
        with self._lock:
            before = self._known.get(name, _NO_FLOW)
            if (before.revision, before.defaults) >= (fresh.revision, fresh.defaults):
                return
            self._known[name] = fresh
            owned = frozenset(self._owned)
        commands: list[TriggerCommand] = [_register(found) for found in fresh.triggers.values()]
        commands += [
            _unregister(gone.key, revision.revision)
            for text, gone in before.triggers.items()
            if text not in fresh.triggers
        ]
        for command in commands:
            if self._commands.partition_of(command.key.text) in owned:
                self._commands.send(command)

    def _read(self, revision: FlowRevision) -> _Flow:
        nothing = _Flow(revision.revision, {}, self._flows.defaults)
        if revision.deleted or not any(mark in revision.source for mark in _MARKS):
            return nothing
        flow = self._flows.get(revision.tenant, revision.namespace, revision.id, revision.revision)
        if flow is None:
            return nothing
        return _Flow(revision.revision, _declared(flow, revision.revision), flow.defaults)


def _declared(flow: Flow, revision: int) -> dict[str, Declaration]:
    found = {}
    flow = flow.effective
    for trigger in flow.triggers:
        if is_scheduled(trigger) or watches_deadline(trigger):
            key = key_of(flow, trigger.id)
            fingerprint = fingerprint_of(flow, trigger)
            found[key.text] = Declaration(key, revision, fingerprint, flow.defaults)
    return found


def watches_deadline(trigger: Trigger) -> bool:
    """Tell whether something is to happen when a flow trigger's deadline passes unmet."""
    return (
        isinstance(trigger, FlowTrigger)
        and trigger.on_miss is not None
        and trigger.window is not None
        and trigger.window.deadline is not None
    )


def outgoing(command: TriggerCommand, timestamp_ms: int | None = None) -> Outgoing:
    """Return the record of a command."""
    return Outgoing(TRIGGER_COMMANDS, command.key.text, encode(command), timestamp_ms=timestamp_ms)


def _register(declaration: Declaration) -> RegisterTrigger:
    key, revision, defaults = declaration.key, declaration.flow_revision, declaration.defaults
    return RegisterTrigger(
        key=key,
        command_id=derived("register", key.text, revision, *([defaults] if defaults else ())),
        issuer=ISSUER,
        flow_revision=revision,
        fingerprint=declaration.fingerprint,
        defaults=defaults,
    )


def _unregister(key: TriggerKey, revision: int) -> UnregisterTrigger:
    return UnregisterTrigger(
        key=key,
        command_id=derived("unregister", key.text, revision),
        issuer=ISSUER,
        flow_revision=revision,
    )
