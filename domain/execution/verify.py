"""Replay verification: recorded commands are stepped again, and the bytes of the events compared.

The step is a function of flow, state, command and recorded answers. So whoever has a log can prove
that its events are what its commands lead to: on any machine, with any later version of the
program. What cannot be proved is said: answers that were withheld, commands that are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from domain.errors import BrokenInvariant, UnreadableRecord
from domain.execution import events as e
from domain.execution.commands import CreateExecution, ExecutionCommand
from domain.execution.context import DEFAULT_SETTINGS, Answer, Context, Question, Settings
from domain.execution.fold import RECORDS, continues, fold_record, is_settled
from domain.execution.machine import Needs, Step, give_up, step
from domain.execution.record import EventRecord
from domain.execution.state import Execution
from domain.flow.model import Flow
from domain.log import Level
from domain.ports.stores import Flows
from domain.record.codec import Codec, encode
from domain.record.envelope import Record

COMMANDS: Final[Codec[ExecutionCommand]] = Codec(ExecutionCommand)
"""Reads values of `execution.commands`."""

_MOST_ROUNDS: Final = 1_000
_KEPT: Final = 2_000
"""Executions to which nothing more happens by itself that are kept in memory."""

Recall = Callable[[str, int], Execution | None]
"""Returns the fold of an execution up to (without) an offset of the partition of its events."""
Look = Callable[[Question], Answer | None]
"""Answers a question whose recorded answer was withheld; None: it cannot be known any more."""


class Divergence(msgspec.Struct, frozen=True):
    """A step that does not come out as it was recorded."""

    execution_id: str
    partition: int
    sequence: int
    """Of the first event of the step."""
    command_offset: int
    command: str
    """Tag of the command."""
    reason: str
    recorded: bytes | None = None
    """The record as it stands on the log; None: there is none."""
    stepped: bytes | None = None
    """The record that the step makes now; None: it makes none."""

    @property
    def events(self) -> tuple[str, str]:
        """The first events that differ, recorded and stepped, as JSON; empty: none."""
        return _first_difference(self.recorded, self.stepped)


class Tally(msgspec.Struct):
    """What was verified, and what could not be."""

    executions: int = 0
    steps: int = 0
    """Records that came out byte for byte."""
    quiet: int = 0
    """Commands that led to nothing, now as then."""
    withheld: int = 0
    """Records that were not compared: an answer they rest on is not recorded."""
    uncommanded: int = 0
    """Records that were not compared: their command is not on the log any more."""
    ignored: int = 0
    """Records that do not count: duplicates and losers of a race."""
    unreadable: int = 0
    """Commands and events that nobody can read."""
    waiting: int = 0
    """Commands at the end of the log that no executor has stepped."""
    spoilt: int = 0
    """Executions not compared beyond a divergence, or a step that raises now as it did then."""

    def add(self, other: Tally) -> None:
        """Take in the numbers of another one."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Verifier:
    """Verifies the executions of one partition. Records are handed over in order.

    Attributes:
        tally: the numbers so far.
    """

    def __init__(
        self,
        flows: Flows,
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
        self._flows = flows
        self._settings = settings
        self._recall = recall
        self._look = look
        self._states: dict[str, Execution] = {}
        self._settled: dict[str, None] = {}
        self._known: set[str] = set()
        self._spoilt: set[str] = set()
        self._refused: set[int] = set()
        """Offsets of commands whose refusal outside of any stream was compared."""
        self._waiting: dict[str, dict[int, Record]] = {}
        """Commands passed without an event, by execution and offset."""
        self.tally = Tally()

    def run(self, commands: Iterable[Record], events: Iterable[Record]) -> Iterator[Divergence]:
        """Yield every execution's first divergence.

        Args:
            commands: of `execution.commands`, in order: of one partition, or one execution.
            events: of `execution.events`, the same partition or execution.
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
            yield from self._verify(record, recorded)
        for command in ahead:
            self._waiting.setdefault(command.key, {})[command.offset] = command
        for execution_id in list(self._waiting):
            self._pass_rest(execution_id)

    # --- one record

    def _verify(self, record: Record, recorded: EventRecord) -> Iterator[Divergence]:
        execution_id = recorded.execution_id
        state = self._state(execution_id, record.offset)
        if recorded.sequence == 0:
            yield from self._verify_refusal(record, recorded)
            return
        if not continues(state, recorded):
            self.tally.ignored += 1
            return
        if state is None and execution_id not in self._known:
            self._known.add(execution_id)
            self.tally.executions += 1
        waiting = self._waiting.get(execution_id, {})
        earlier = sorted(offset for offset in waiting if offset < recorded.command_offset)
        for offset in earlier:
            if execution_id not in self._spoilt:
                yield from self._nothing(waiting.pop(offset), state, record)
            else:
                del waiting[offset]
        command = waiting.pop(recorded.command_offset, None)
        if not waiting:
            self._waiting.pop(execution_id, None)
        if execution_id in self._spoilt:
            self._advance(state, recorded, execution_id)
            return
        if command is None:
            self.tally.uncommanded += 1
            self._advance(state, recorded, execution_id)
            return
        yield from self._compare(command, state, record, recorded)

    def _compare(
        self, command: Record, state: Execution | None, record: Record, recorded: EventRecord
    ) -> Iterator[Divergence]:
        execution_id = recorded.execution_id
        try:
            decoded = COMMANDS.decode(command)
            stepped = self._stepped(decoded, command, state, recorded)
        except UnreadableRecord as error:
            yield self._diverged(record, recorded, str(error))
            return
        except Exception as error:  # noqa: BLE001 - whatever a step raises is a finding
            yield self._diverged(record, recorded, f"it raises {type(error).__name__}: {error}")
            return
        if isinstance(stepped, Question):
            if not self._is_withheld(recorded, stepped.key):
                reason = f"it asks for {stepped.key}, which was not asked"
                yield self._diverged(record, recorded, reason)
                return
            self.tally.withheld += 1
            self._refold(execution_id, state, record, recorded)
            return
        result, made = stepped
        if made != record.value:
            reason = "other events" if made is not None else "it leads to nothing"
            if made is not None and _events(made) == _events(record.value):
                reason = "the same events, written otherwise"
            yield self._diverged(record, recorded, reason, made)
            return
        self.tally.steps += 1
        if result.state is not None:
            self._keep(result.state)

    def _stepped(
        self,
        decoded: ExecutionCommand,
        command: Record,
        state: Execution | None,
        recorded: EventRecord,
    ) -> tuple[Step, bytes | None] | Question:
        """Step a command with what its record says; a question is one that nothing answers."""
        answers = _answers_of(recorded)
        flow = self._flow(decoded, state, recorded)
        context = Context(
            now=command.timestamp,
            command_offset=command.offset,
            answers=answers,
            settings=self._settings,
            find_flow=self._finder(recorded),
            encrypt=_Seals(recorded),
        )
        reason = _given_up(recorded, state)
        if reason is not None and state is not None:
            result = give_up(flow, state, decoded, context, reason)
            return result, _bytes(result, decoded, context, recorded)
        for _ in range(_MOST_ROUNDS):
            stepped = step(flow, state, decoded, context)
            if isinstance(stepped, Step):
                break
            answered = self._looked_up(stepped)
            if isinstance(answered, Question):
                return answered
            answers = {**answers, **answered}
            context = msgspec.structs.replace(context, answers=answers)
        else:
            raise BrokenInvariant(f"a step asked {_MOST_ROUNDS} rounds of questions")
        made = _bytes(stepped, decoded, context, recorded)
        if state is None and reason is not None and made != encode(recorded):
            stepped = give_up(flow, None, decoded, context, reason)
            made = _bytes(stepped, decoded, context, recorded)
        return stepped, made

    def _looked_up(self, needs: Needs) -> dict[str, Answer] | Question:
        answers: dict[str, Answer] = {}
        for question in needs.questions:
            answer = None if self._look is None else self._look(question)
            if answer is None:
                return question
            answers[question.key] = answer
        return answers

    @staticmethod
    def _is_withheld(recorded: EventRecord, key: str) -> bool:
        return any(
            isinstance(event, e.LookupAnswered) and event.withheld and event.key == key
            for event in recorded.events
        )

    def _verify_refusal(self, record: Record, recorded: EventRecord) -> Iterator[Divergence]:
        """Compare what was refused because there is no such execution."""
        offset = recorded.command_offset
        if offset in self._refused:
            self.tally.ignored += 1
            return
        self._refused.add(offset)
        waiting = self._waiting.get(recorded.execution_id, {})
        command = waiting.pop(offset, None)
        if not waiting:
            self._waiting.pop(recorded.execution_id, None)
        if command is None:
            self.tally.uncommanded += 1
            return
        yield from self._compare(command, None, record, recorded)

    def _nothing(
        self, command: Record, state: Execution | None, before: Record
    ) -> Iterator[Divergence]:
        """Step a command that led to nothing: it must lead to nothing again."""
        outcome = self._quietly(command, state)
        if outcome == "":
            return
        self._spoil(command.key)
        yield Divergence(
            execution_id=command.key,
            partition=before.partition,
            sequence=0 if state is None else state.sequence,
            command_offset=command.offset,
            command=_tag(command),
            reason=outcome,
        )

    def _quietly(self, command: Record, state: Execution | None) -> str:
        """Step a command for which there is no record; returns what is wrong with that."""
        try:
            decoded = COMMANDS.decode(command)
        except UnreadableRecord:
            self.tally.unreadable += 1
            return ""
        if decoded.execution_id != command.key:
            self.tally.unreadable += 1
            return ""
        context = Context(
            now=command.timestamp,
            command_offset=command.offset,
            settings=self._settings,
            find_flow=self._find,
        )
        try:
            stepped = step(self._flow(decoded, state, None), state, decoded, context)
        except Exception:  # noqa: BLE001 - it raised then, too, and became a dead letter
            self._spoil(command.key)
            self.tally.unreadable += 1
            return ""
        if isinstance(stepped, Needs):
            return f"it asks for {stepped.questions[0].key}; then it led to nothing"
        if stepped.events:
            names = ", ".join(type(event).__name__ for event in stepped.events[:5])
            return f"it leads to {names}; then it led to nothing"
        self.tally.quiet += 1
        return ""

    def _pass_rest(self, execution_id: str) -> None:
        """Count the commands behind the last record: quiet ones, or ones that wait for a step."""
        state = self._states.get(execution_id)
        for _, command in sorted(self._waiting.pop(execution_id).items()):
            if execution_id in self._spoilt:
                return
            if self._quietly(command, state):
                self.tally.waiting += 1
                self._spoilt.add(execution_id)

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
        if self._recall is None or not is_settled(state):
            self._settled.pop(state.id, None)
            return
        self._settled.pop(state.id, None)
        self._settled[state.id] = None
        if len(self._settled) > _KEPT:
            gone = next(iter(self._settled))
            del self._settled[gone]
            self._states.pop(gone, None)

    def _advance(self, state: Execution | None, recorded: EventRecord, execution_id: str) -> None:
        """Go on without a comparison."""
        folded = fold_record(state, recorded)
        if folded is not None:
            self._states[execution_id] = folded

    def _refold(
        self, execution_id: str, state: Execution | None, record: Record, recorded: EventRecord
    ) -> None:
        """Go on behind a step that broke off: what it did to the state must not stay."""
        if state is None:
            self._advance(None, recorded, execution_id)
            return
        fresh = None if self._recall is None else self._recall(execution_id, record.offset)
        if fresh is None:
            self._spoil(execution_id)
            self._advance(state, recorded, execution_id)
            return
        self._advance(fresh, recorded, execution_id)

    def _spoil(self, execution_id: str) -> None:
        if execution_id not in self._spoilt:
            self._spoilt.add(execution_id)
            self.tally.spoilt += 1

    def _diverged(
        self, record: Record, recorded: EventRecord, reason: str, stepped: bytes | None = None
    ) -> Divergence:
        self._spoil(recorded.execution_id)
        # what counts for later records of the stream is only where it stands
        state = Execution.__new__(Execution) if False else None
        del state
        self._states[recorded.execution_id] = _placeholder(recorded)
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
