"""`output.*`: tasks whose outputs are written in the flow."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from streams.worker.context import RunContext
from streams.worker.plugin import TaskPlugin


class OutputValuesProperties(msgspec.Struct):
    """Properties, and outputs too, of `output.OutputValues`."""

    values: dict[str, Any]


def output_values(
    context: RunContext, properties: OutputValuesProperties
) -> OutputValuesProperties:
    """Hand out the rendered values."""
    del context
    return properties


PLUGINS: Final = (
    TaskPlugin(
        name="io.kestra.plugin.core.output.OutputValues",
        properties=OutputValuesProperties,
        run=output_values,
    ),
)
