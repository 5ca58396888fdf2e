"""What a record tells of the step that wrote it: what it rested on, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from domain.execution import events as e
from domain.execution.commands import CreateExecution, ExecutionCommand
from domain.execution.context import Answer, Encrypt, Question
from domain.execution.record import EventRecord
from domain.execution.state import Execution
from domain.log import Level
from domain.sealed import sealed_text

Look = Callable[[Question], Answer | None]
"""Answers a question whose recorded answer was withheld; None: it cannot be known any more."""


def reason_to_give_up(recorded: EventRecord) -> str | None:
    """Return why an execution was given up by a step; None: it was not. See `machine.give_up`."""
    first = recorded.events[0]
    if not isinstance(first, e.LogWritten) or first.level is not Level.ERROR:
        return None
    return first.message if error_of(recorded) == first.message else None


def error_of(recorded: EventRecord) -> str | None:
    """Return the error with which the execution ended in this step; None: it did not, or well."""
    for event in recorded.events:
        if isinstance(event, e.ExecutionEnded):
            return event.error
    return None


def sealer(recorded: EventRecord) -> Encrypt | None:
    """Return what seals SECRET inputs of children as the record has them; None: there are none."""
    sealed: list[str] = []

    def gather(value: Any) -> None:
        if isinstance(value, dict):
            text = sealed_text(value)
            if text is not None:
                sealed.append(text)
            else:
                for item in value.values():
                    gather(item)
        elif isinstance(value, list):
            for item in value:
                gather(item)

    for event in recorded.events:
        if isinstance(event, e.SubflowStarted):
            gather(event.creation.inputs)
    if not sealed:
        return None
    return lambda _: sealed.pop(0) if sealed else ""


def answers_of(
    recorded: EventRecord, of: Execution | ExecutionCommand, look: Look | None
) -> dict[str, Answer] | None:
    """Return the answers that a step rested on; None: one was withheld and cannot be known."""
    answers: dict[str, Answer] = {}
    for event in recorded.events:
        if not isinstance(event, e.LookupAnswered):
            continue
        if not event.withheld or event.error is not None:
            answers[event.key] = Answer(event.value, event.error)
            continue
        answer = None if look is None else look(question_of(event.key, of))
        if answer is None:
            return None
        answers[event.key] = answer
    return answers


def question_of(key: str, of: Execution | ExecutionCommand) -> Question:
    """Return the question that an answer's key stands for."""
    name, brace, arguments = key.partition("{")
    if isinstance(of, Execution):
        tenant, namespace, execution_id = of.tenant, of.namespace, of.id
    else:
        creation = of if isinstance(of, CreateExecution) else None
        tenant = "" if creation is None else creation.tenant
        namespace = "" if creation is None else creation.namespace
        execution_id = of.execution_id
    decoded = msgspec.json.decode(brace + arguments) if brace else {}
    return Question(key, name, decoded, tenant, namespace, execution_id)
