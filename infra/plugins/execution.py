"""`execution.*` tasks that a worker runs: they speak to other executions."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from domain.execution.commands import ResumeExecution
from streams.worker.context import RunContext
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


PLUGINS: Final = (
    TaskPlugin(
        name="io.kestra.plugin.core.execution.Resume", properties=ResumeProperties, run=resume
    ),
)
