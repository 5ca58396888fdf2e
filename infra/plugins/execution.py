"""`execution.*` tasks that a worker runs: what speaks to other executions, and Fail and Assert.

The executor carries these two out by itself unless they stand in a WorkingDirectory.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from domain.execution.commands import ResumeExecution
from domain.expression import ExpressionError, is_truthy_text
from streams.worker.context import RunContext
from streams.worker.errors import TaskFailed
from streams.worker.plugin import TaskPlugin


class ResumeProperties(msgspec.Struct, rename="camel"):
    """Properties of `execution.Resume`."""

    execution_id: str
    namespace: str | None = None
    flow_id: str | None = None
    inputs: dict[str, Any] | None = None


def resume(context: RunContext, properties: ResumeProperties) -> None:
    """Let a paused execution go on."""
    context.services.command(
        ResumeExecution(
            execution_id=properties.execution_id,
            command_id=f"{context.task_run_id}.{context.request.attempt}.resume",
            issuer=context.execution_id,
            inputs=properties.inputs or {},
        )
    )


class FailProperties(msgspec.Struct, rename="camel"):
    """Properties of `execution.Fail`."""

    condition: str | None = None
    """None: always."""
    error_message: str = "Task failure"


def fail(context: RunContext, properties: FailProperties) -> None:
    """Fail, always or when the condition holds."""
    del context
    if properties.condition is None or is_truthy_text(properties.condition):
        raise TaskFailed(properties.error_message)


class AssertProperties(msgspec.Struct, rename="camel"):
    """Properties of `execution.Assert`."""

    conditions: Any
    """A list of conditions, or an expression that gives one; each is evaluated by itself."""
    error_message: str | None = None


def check(context: RunContext, properties: AssertProperties) -> None:
    """Fail once for all conditions that do not hold."""
    said = properties.conditions
    if isinstance(said, str):
        said = context.render_typed(said)
    conditions = said if isinstance(said, list | tuple) else [said]
    failures: list[str] = []
    for condition in conditions:
        try:
            if not context.is_true(str(condition)):
                failures.append(f"Assertion `{condition}` failed")
        except ExpressionError as error:
            failures.append(f"Assertion `{condition}` failed, an error occurred: {error}")
    if failures:
        said = "" if properties.error_message is None else "\n" + properties.error_message
        what = "assertion" if len(failures) == 1 else "assertions"
        raise TaskFailed(f"{len(failures)} {what} failed.{said}\n" + "\n".join(failures))


_PACKAGE: Final = "io.kestra.plugin.core.execution."
PLUGINS: Final = (
    TaskPlugin(name=_PACKAGE + "Fail", properties=FailProperties, run=fail),
    TaskPlugin(
        name=_PACKAGE + "Assert",
        properties=AssertProperties,
        run=check,
        raw=frozenset({"conditions"}),
    ),
    TaskPlugin(name=_PACKAGE + "Resume", properties=ResumeProperties, run=resume),
)
