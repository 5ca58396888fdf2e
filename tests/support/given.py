"""Given / when / then for the step: `given(flow, *events).when(command).then(...)`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from domain.execution import commands as c
from domain.execution.context import Answer, Context, Question
from domain.execution.effects import AnyEffect
from domain.execution.events import CommandRejected, ExecutionEvent
from domain.execution.evolve import evolve
from domain.execution.fold import note_command
from domain.execution.machine import Needs, Step, step
from domain.execution.state import Execution
from domain.flow.model import Flow
from tests.support.heart import START, flow_of

E = TypeVar("E")


class Then:
    """What a step did."""

    def __init__(self, result: Step | Needs) -> None:
        self.result = result

    @property
    def step(self) -> Step:
        assert isinstance(self.result, Step), f"the step needs {self.result}"
        return self.result

    @property
    def state(self) -> Execution:
        assert self.step.state is not None
        return self.step.state

    @property
    def events(self) -> list[str]:
        """Names of the events' types, in order."""
        return [type(event).__name__ for event in self.step.events]

    def then(self, *kinds: type[Any]) -> Then:
        """These events happened, in this order, and no others."""
        assert self.events == [kind.__name__ for kind in kinds]
        return self

    def one(self, kind: type[E]) -> E:
        """Return the only event of a kind."""
        [found] = [event for event in self.step.events if isinstance(event, kind)]
        return found

    def effect(self, kind: type[E]) -> E:
        """Return the only effect of a kind."""
        [found] = [effect for effect in self.step.effects if isinstance(effect, kind)]
        return found

    def effects(self, *kinds: type[AnyEffect]) -> Then:
        """These effects were named, in this order, and no others."""
        assert [type(effect) for effect in self.step.effects] == list(kinds)
        return self

    def rejected(self, code: str) -> Then:
        """The command was refused for this reason, and nothing else happened."""
        assert self.events == ["CommandRejected"], self.events
        event = self.one(CommandRejected)
        assert event.code == code, f"{event.code}: {event.message}"
        return self

    def nothing(self) -> Then:
        """No record is written, and nothing is asked of anybody."""
        assert not self.step.events
        assert not self.step.effects
        return self


class Given:
    """An execution of a flow at some point of its stream."""

    def __init__(self, flow: Flow | str, *events: ExecutionEvent) -> None:
        self.flow = flow_of(flow) if isinstance(flow, str) else flow
        self.state: Execution | None = None
        self.now = START
        self.offset = -1
        self.answers: Callable[[Question], Answer] | None = None
        for event in events:
            self.state = evolve(self.state, event, self.now)
        if self.state is not None:
            note_command(
                self.state, sequence=len(events), offset=-1, command="", command_id="given"
            )

    def created(self, **members: Any) -> Given:
        """Let the execution begin."""
        self.when(creation(self.flow, **members))
        return self

    def after(self, command: c.ExecutionCommand) -> Given:
        """Step a command whose outcome is not looked at."""
        self.when(command)
        return self

    def when(self, command: c.ExecutionCommand, *, offset: int | None = None) -> Then:
        """Step a command, one millisecond after the one before."""
        self.now += timedelta(milliseconds=1)
        self.offset = self.offset + 1 if offset is None else offset
        answers: dict[str, Answer] = {}
        while True:
            context = Context(now=self.now, command_offset=self.offset, answers=answers)
            result = step(self.flow, self.state, command, context)
            if isinstance(result, Step):
                self.state = result.state
                return Then(result)
            if self.answers is None:
                return Then(result)
            answers |= {question.key: self.answers(question) for question in result.questions}


def given(flow: Flow | str, *events: ExecutionEvent) -> Given:
    """Begin a sentence about a flow (or its source) and what has happened so far."""
    return Given(flow, *events)


def creation(flow: Flow, execution_id: str = "e1", **members: Any) -> c.CreateExecution:
    """Return the command that creates an execution of a flow."""
    return c.CreateExecution(
        execution_id=execution_id,
        command_id=f"create-{execution_id}",
        tenant="main",
        namespace=flow.namespace,
        flow_id=flow.id,
        flow_revision=flow.revision or 1,
        **members,
    )
