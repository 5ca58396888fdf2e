"""What flowables' expressions ask of the outside world, answered by the functions tasks use."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import msgspec

from domain.execution.context import Answer, Question
from domain.execution.lookups import LINES, OUTPUTS, STORE, WORKERS
from domain.expression import ExpressionError, Fault, Scope
from infra.expression.lookups import Place, RuntimeLookups, World

_log = logging.getLogger(__name__)
_LONGEST: Final = 750_000
"""Bytes of a file that a Loop goes over: its values are kept in one record of the log."""


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
            if question.name == LINES:
                uri, most = str(question.arguments["uri"]), int(question.arguments["most"])
                return Answer(value=lookups.lines(uri, most, _LONGEST))
            value = lookups.call(question.name, question.arguments, Scope({}))
        except (Fault, ExpressionError) as error:
            return Answer(error=str(error))
        except Exception as error:  # noqa: BLE001 - told to the flow, logged for us
            _log.exception("the function %s could not be answered", question.name)
            return Answer(error=f"{question.name} failed: {type(error).__name__}")
        return Answer(value=value)
