"""What flowables' expressions ask of the outside world, answered by the functions tasks use."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from domain.execution.context import Answer, Question
from domain.execution.lookups import LINE_COUNT, LINES, OUTPUTS, STORE, WORKERS
from domain.expression import ExpressionError, Fault, Scope
from infra.expression.lookups import Place, RuntimeLookups, World

_log = logging.getLogger(__name__)
_LONGEST: Final = 200_000
"""Bytes of a file of values that a step of a Loop reads: they stand twice in its record."""


class RuntimeAnswers:
    """Answers port over the ports behind expressions. Every failure is an answer."""

    def __init__(self, world: World, workers: Callable[[str], bool] | None = None) -> None:
        """Hold what is needed.

        Args:
            world: behind the functions of expressions.
            workers: tells whether a worker of a group lives; None: nobody asks.
        """
        self._world = world
        self._workers = workers

    def answer(self, question: Question) -> Answer:
        """Return what a function gives here and now."""
        place = Place.of(
            {
                "flow": {
                    "tenantId": question.tenant,
                    "namespace": question.namespace,
                    "id": question.flow_id,
                },
                "execution": {"id": question.execution_id},
                "trigger": question.trigger,
            }
        )
        try:
            if question.name == OUTPUTS:
                with self._world.blobs.open(str(question.arguments["uri"])) as file:
                    return Answer(value=msgspec.json.decode(file.read()))
            if question.name == WORKERS and self._workers is not None:
                return Answer(value=self._workers(str(question.arguments["group"])))
            if question.name == STORE:
                content = str(question.arguments["content"]).encode()
                return Answer(value=self._world.blobs.put(question.arguments["uri"], content))
            lookups = RuntimeLookups(self._world, place)
            if question.name in (LINES, LINE_COUNT):
                return Answer(value=_of_lines(lookups, question))
            value = lookups.call(question.name, question.arguments, Scope({}))
        except (Fault, ExpressionError) as error:
            return Answer(error=str(error))
        except Exception as error:  # noqa: BLE001 - told to the flow, logged for us
            _log.exception("the function %s could not be answered", question.name)
            return Answer(error=f"{question.name} failed: {type(error).__name__}")
        return Answer(value=value)


def _of_lines(lookups: RuntimeLookups, question: Question) -> Any:
    uri, most = str(question.arguments["uri"]), int(question.arguments["most"])
    if question.name == LINE_COUNT:
        return lookups.line_count(uri, most, _LONGEST)
    values, following = lookups.lines(uri, int(question.arguments["at"]), most, _LONGEST)
    return {"values": values, "next": following}
