"""Expressions rendered by hand in the surroundings of an execution or of one of its task runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from api.context import Context
from api.errors import illegal_argument, not_found
from api.stored_outputs import read_outputs
from domain.execution.index import Index
from domain.execution.plan import plan_of
from domain.execution.state import Execution
from domain.execution.variables import Variables
from domain.expression import (
    ExpressionError,
    Lookups,
    Scope,
    TemplateSyntaxError,
    UndefinedVariable,
    compile_template,
)
from domain.expression.references import references
from domain.flow.model import Flow

_MASK = "******"
_JAVA = "io.pebbletemplates.pebble.error."


class Masked:
    """Lookups whose secrets are stars: an answer of the API shows none."""

    def __init__(self, inner: Lookups) -> None:
        self._inner = inner

    def call(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        """Answer, but for secrets."""
        value = self._inner.call(name, arguments, scope)
        return _MASK if name in {"secret", "credential", "decrypt"} else value


async def evaluate(
    own: Context, execution: Execution, task_run_id: str | None, template: str
) -> dict[str, Any]:
    """Return the `result` of a template, or the `error`.

    Raises:
        ApiError: 404 no such flow any more, 422 no such task run.
    """
    flow = own.ports.flows.get(
        execution.tenant, execution.namespace, execution.flow_id, execution.flow_revision
    )
    if flow is None:
        raise not_found("Requested Flow is not found.")
    variables = await asyncio.to_thread(_variables, own, execution, flow, task_run_id, template)
    scope = Scope(variables, Masked(own.ports.lookups(variables)), zone=own.ports.settings.zone)

    def render() -> str:
        return compile_template(template).render(scope)

    try:
        return {"result": await asyncio.to_thread(render)}
    except ExpressionError as error:
        text = _told(error)
        return {"error": text, "stackTrace": text}


def _variables(
    own: Context, execution: Execution, flow: Flow, task_run_id: str | None, template: str
) -> dict[str, Any]:
    runs = list(execution.task_runs.values())
    run = None
    if task_run_id is not None:
        run = next((run for run in runs if run.id == task_run_id), None)
        if run is None:
            raise illegal_argument(f"Task run '{task_run_id}' does not exist")
    plan = plan_of(flow)
    task = None if run is None else plan.tasks.get(run.task_id)
    # an index of our own: the one beside the execution belongs to whoever folds it
    made = Variables(
        execution,
        Index(runs),
        plan,
        own.ports.settings,
        partial(read_outputs, own.ports.blobs),
    )
    return made.of(references(template), task, run)


def _told(error: ExpressionError) -> str:
    if isinstance(error, TemplateSyntaxError):
        return f"{_JAVA}ParserException: {error}"
    if isinstance(error, UndefinedVariable):
        return f"{_JAVA}RootAttributeNotFoundException: {error}"
    return f"{_JAVA}PebbleException: {error}"
