"""`trigger.*`: tasks that switch triggers."""

from __future__ import annotations

from typing import Final

import msgspec

from domain.trigger.commands import SetTriggerDisabled
from domain.trigger.state import TriggerKey
from streams.worker.context import RunContext
from streams.worker.plugin import TaskPlugin


class ToggleProperties(msgspec.Struct, rename="camel"):
    """Properties of `trigger.Toggle`."""

    trigger: str
    """Id of the trigger."""
    namespace: str | None = None
    """Default: the flow's."""
    flow_id: str | None = None
    """Default: this flow."""
    enabled: bool = False


def toggle(context: RunContext, properties: ToggleProperties) -> None:
    """Switch a trigger on or off."""
    key = TriggerKey(
        tenant=context.tenant,
        namespace=properties.namespace or context.namespace,
        flow_id=properties.flow_id or context.flow_id,
        trigger_id=properties.trigger,
    )
    context.services.trigger_command(
        SetTriggerDisabled(
            key=key,
            command_id=f"{context.task_run_id}.{context.request.attempt}.toggle",
            issuer=context.execution_id,
            disabled=not properties.enabled,
        )
    )


PLUGINS: Final = (
    TaskPlugin(
        name="io.kestra.plugin.core.trigger.Toggle", properties=ToggleProperties, run=toggle
    ),
)
