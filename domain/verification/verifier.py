"""Replay verification: recorded commands are stepped again, and the bytes of the events compared.

The step is a function of flow, state, command and recorded answers. So whoever has a log can prove
that its events are what its commands lead to: on any machine, with any later version of the
program. What cannot be proved is said: answers that were withheld, commands that are gone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from domain.errors import UnreadableRecord
from domain.execution import events as e
from domain.execution.commands import ExecutionCommand
from domain.execution.context import (
    DEFAULT_SETTINGS,
    Answer,
    Context,
    Settings,
)
from domain.execution.fold import RECORDS, continues, fold_record, is_settled
from domain.execution.index import drop_index
from domain.execution.machine import Needs, Step, give_up, step
from domain.execution.record import EventRecord
from domain.execution.state import Execution
from domain.ports.stores import FlowHistory
from domain.record.codec import Codec, encode, tag_of
from domain.record.envelope import Record
from domain.verification.divergence import Divergence, Tally, reason_of
from domain.verification.flows import RecordedFlows
from domain.verification.recorded import (
    Look,
    answers_of,
    error_of,
    reason_to_give_up,
    sealer,
)

COMMANDS: Final[Codec[ExecutionCommand]] = Codec(ExecutionCommand)
"""Reads values of `execution.commands`."""

_KEPT: Final = 2_000
"""Executions to which nothing more happens by itself that are kept in memory."""

Recall = Callable[[str, int], Execution | None]
"""Returns the fold of an execution up to (without) an offset of the partition of its events."""


class Verifier:
    """Verifies the executions of one partition, or one execution alone.

    Attributes:
        tally: the numbers so far.
    """

    def __init__(
        self,
        flows: FlowHistory,
        *,
        settings: Settings = DEFAULT_SETTINGS,
        recall: Recall | None = None,
        look: Look | None = None,
    ) -> None:
        """Begin with nothing.

        Args:
            flows: every revision, as recorded.
            settings: what the executors' configuration said to expressions.
            recall: gives back executions that left memory; None: all are kept.
            look: answers what was not recorded, where that can still be known.
        """
        self._flows = RecordedFlows(flows)
        self._settings = settings
        self._recall = recall
        self._look = look
        self._states: dict[str, Execution] = {}
        self._settled: dict[str, None] = {}
        self._known: set[str] = set()
        self._spoilt: dict[str, int] = {}
        """Executions that are not compared any more, and their last sequence number."""
        self._refused: set[int] = set()
        """Offsets of commands whose refusal outside of any stream was compared."""
        self._ahead: dict[str, tuple[Record, EventRecord]] = {}
        """Records that left a gap behind the stream as it was, the furthest by execution."""
        self._waiting: dict[str, dict[int, Record]] = {}
        """Commands passed without a record, by execution and offset."""
        self.tally = Tally()

    def run(self, commands: Iterable[Record], events: Iterable[Record]) -> Iterator[Divergence]:
        """Yield every execution's first divergence.

        Args:
            commands: of `execution.commands`, in order: of one partition, or one execution.
            events: of `execution.events`, of the same partition or execution.
        """
        ahead = iter(commands)
        passed = -1
        for record in events:
            try:
                recorded = RECORDS.decode(record)
            except UnreadableRecord:
                self.tally.unreadable += 1
                continue
            while passed < recorded.command_offset:
                command = next(ahead, None)
                if command is None:
                    break
                passed = command.offset
                self._waiting.setdefault(command.key, {})[command.offset] = command
            found = self._verify(record, recorded)
            if found is not None:
                yield found
        for command in ahead:
            self._waiting.setdefault(command.key, {})[command.offset] = command
        for execution_id, (record, recorded) in self._ahead.items():
            found = self._gap(execution_id, record, recorded)
            if found is not None:
                yield found
        for execution_id in list(self._waiting):
            self._pass_rest(execution_id)

    # --- one record

    def _verify(self, record: Record, recorded: EventRecord) -> Divergence | None:
        execution_id = recorded.execution_id
        if execution_id in self._spoilt:
            self._waiting.pop(execution_id, None)
            return None
        if recorded.sequence == 0:
            return self._verify_refusal(record, recorded)
        state = self._state(execution_id, record.offset)
        if not continues(state, recorded):
            self.tally.ignored += 1
            last = 0 if state is None else state.sequence
            if recorded.sequence > last:
                self._ahead[execution_id] = record, recorded
            return None
        if execution_id not in self._known:
            self._known.add(execution_id)
            self.tally.executions += 1
        if isinstance(recorded.events[0], e.ExecutionForgotten):
            self.tally.unreadable += 1
            self._spoil(execution_id, recorded.last_sequence)
            return None
        waiting = self._waiting.pop(execution_id, {})
        for offset in sorted(waiting):
            if offset < recorded.command_offset:
                found = self._verify_nothing(waiting.pop(offset), state, record.partition)
                if found is not None or execution_id in self._spoilt:
                    return found
        command = waiting.pop(recorded.command_offset, None)
        if waiting:
            self._waiting[execution_id] = waiting
        if command is None:
            self.tally.uncommanded += 1
            self._fold(state, recorded)
            return None
        return self._compare(command, state, record, recorded)

    def _gap(self, execution_id: str, record: Record, recorded: EventRecord) -> Divergence | None:
        """Tell of events that are missing: what stands behind them counts for nobody."""
        state = self._state(execution_id, sys.maxsize)
        last = 0 if state is None else state.sequence
        if execution_id in self._spoilt or recorded.sequence <= last + 1:
            return None
        reason = f"the events {last + 1} to {recorded.sequence - 1} are missing before it"
        return self._diverged(record, recorded, reason)

    def _verify_refusal(self, record: Record, recorded: EventRecord) -> Divergence | None:
        """Compare what was refused because there was no such execution."""
        offset = recorded.command_offset
        if offset in self._refused:
            self.tally.ignored += 1
            return None
        self._refused.add(offset)
        command = self._waiting.get(recorded.execution_id, {}).pop(offset, None)
        if command is None:
            self.tally.uncommanded += 1
            return None
        return self._compare(command, None, record, recorded)

    def _compare(
        self, command: Record, state: Execution | None, record: Record, recorded: EventRecord
    ) -> Divergence | None:
        made: bytes | None = None
        try:
            decoded = COMMANDS.decode(command)
            answers = answers_of(recorded, state or decoded, self._look)
            if answers is None:
                self.tally.withheld += 1
                self._fold(state, recorded)
                return None
            result, made = self._stepped(decoded, command, state, recorded, answers)
        except Exception as error:  # noqa: BLE001 - whatever a step raises is what was looked for
            return self._diverged(record, recorded, f"it raises {type(error).__name__}: {error}")
        if isinstance(result, Needs):
            reason = f"it asks {result.questions[0].key}, which was not asked"
            return self._diverged(record, recorded, reason)
        if made != record.value:
            return self._diverged(record, recorded, reason_of(made, record.value), made)
        self.tally.steps += 1
        if result.state is not None and recorded.sequence > 0:
            self._keep(result.state)
        return None

    def _stepped(
        self,
        decoded: ExecutionCommand,
        command: Record,
        state: Execution | None,
        recorded: EventRecord,
        answers: dict[str, Answer],
    ) -> tuple[Step | Needs, bytes | None]:
        """Step a command with what its record says; returns what it makes."""
        flow = self._flows.of(decoded, state, recorded)
        context = Context(
            now=command.timestamp,
            command_offset=command.offset,
            answers=answers,
            settings=self._settings,
            find_flow=self._flows.finder(recorded),
            encrypt=sealer(recorded),
        )

        def bytes_of(result: Step | Needs) -> bytes | None:
            if isinstance(result, Needs) or not result.events:
                return None
            return encode(result.record(decoded, context, recorded.writer))

        reason = reason_to_give_up(recorded)
        if reason is not None and state is not None:
            given_up = give_up(flow, state, decoded, context, reason)
            return given_up, bytes_of(given_up)
        failed = error_of(recorded)
        try:
            result = step(flow, state, decoded, context)
        except Exception:
            if state is not None or failed is None:
                raise
            # it raised then, too: the execution was given up at its beginning
            given_up = give_up(flow, None, decoded, context, failed)
            return given_up, bytes_of(given_up)
        made = bytes_of(result)
        if state is None and failed is not None and made != encode(recorded):
            given_up = give_up(flow, None, decoded, context, failed)
            if bytes_of(given_up) == encode(recorded):
                return given_up, bytes_of(given_up)
        return result, made

    def _verify_nothing(
        self, command: Record, state: Execution | None, partition: int
    ) -> Divergence | None:
        """Step a command that led to nothing: it must lead to nothing again."""
        reason = self._why_not_nothing(command, state)
        if reason is None:
            return None
        self._spoil(command.key, 0 if state is None else state.sequence)
        return Divergence(
            execution_id=command.key,
            partition=partition,
            sequence=0 if state is None else state.sequence + 1,
            command_offset=command.offset,
            command=tag_of(COMMANDS.decode(command)),
            reason=reason,
        )

    def _why_not_nothing(self, command: Record, state: Execution | None) -> str | None:
        """Step a command without a record; returns what it leads to now, None: nothing."""
        try:
            decoded = COMMANDS.decode(command)
        except UnreadableRecord:
            self.tally.unreadable += 1
            return None
        if decoded.execution_id != command.key:
            self.tally.unreadable += 1
            return None
        context = Context(
            now=command.timestamp,
            command_offset=command.offset,
            settings=self._settings,
            find_flow=self._flows.find,
        )
        try:
            result = step(self._flows.of(decoded, state, None), state, decoded, context)
        except Exception:  # noqa: BLE001 - it raised then, too: it is in the dead letter
            self.tally.unreadable += 1
            self._spoil(command.key, 0 if state is None else state.sequence)
            return None
        if isinstance(result, Needs):
            return f"it asks {result.questions[0].key}; then it led to nothing"
        if result.events:
            names = ", ".join(tag_of(event) for event in result.events[:5])
            return f"it leads to {names}; then it led to nothing"
        self.tally.quiet += 1
        return None

    def _pass_rest(self, execution_id: str) -> None:
        """Count the commands behind the last record: quiet ones, or ones that wait for a step."""
        commands = self._waiting.pop(execution_id)
        state = self._state(execution_id, sys.maxsize)
        for offset in sorted(commands):
            if execution_id in self._spoilt:
                return
            if self._why_not_nothing(commands[offset], state) is not None:
                self.tally.waiting += 1
                return

    # --- states

    def _state(self, execution_id: str, offset: int) -> Execution | None:
        state = self._states.get(execution_id)
        if state is None and execution_id in self._known and self._recall is not None:
            state = self._recall(execution_id, offset)
            if state is not None:
                self._states[execution_id] = state
        return state

    def _keep(self, state: Execution) -> None:
        self._states[state.id] = state
        if self._recall is None:
            return
        self._settled.pop(state.id, None)
        if is_settled(state):
            self._settled[state.id] = None
            if len(self._settled) > _KEPT:
                gone = next(iter(self._settled))
                del self._settled[gone], self._states[gone]

    def _fold(self, state: Execution | None, recorded: EventRecord) -> None:
        """Go on without a comparison."""
        folded = fold_record(state, recorded)
        if folded is not None:
            drop_index(folded)
            self._keep(folded)

    def _spoil(self, execution_id: str, sequence: int) -> None:
        self._spoilt[execution_id] = sequence
        self._states.pop(execution_id, None)
        self._settled.pop(execution_id, None)
        self._waiting.pop(execution_id, None)
        self.tally.spoilt += 1

    def _diverged(
        self, record: Record, recorded: EventRecord, reason: str, stepped: bytes | None = None
    ) -> Divergence:
        self._spoil(recorded.execution_id, recorded.last_sequence)
        return Divergence(
            execution_id=recorded.execution_id,
            partition=record.partition,
            sequence=recorded.sequence,
            command_offset=recorded.command_offset,
            command=recorded.command,
            reason=reason,
            recorded=record.value,
            stepped=stepped,
        )


__all__ = ["COMMANDS", "Divergence", "Look", "Recall", "Tally", "Verifier"]
