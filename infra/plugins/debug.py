"""`debug.*`: tasks that show a rendered text."""

from __future__ import annotations

from datetime import timedelta
from time import perf_counter
from typing import Final

import msgspec

from domain.log import Level
from streams.worker.context import RunContext
from streams.worker.plugin import TaskPlugin


class ReturnProperties(msgspec.Struct):
    """Properties of `debug.Return`."""

    format: str | None = None


class ReturnOutputs(msgspec.Struct):
    """Outputs of `debug.Return`."""

    value: str | None


def return_(context: RunContext, properties: ReturnProperties) -> ReturnOutputs:
    """Render a text: itself is what counts as the work that is measured."""
    start = perf_counter()
    text = context.render(properties.format) if properties.format is not None else None
    context.out.debug(text or "")
    context.counter("length", len(text or ""))
    context.timer("duration", timedelta(seconds=perf_counter() - start))
    return ReturnOutputs(text)


class EchoProperties(msgspec.Struct):
    """Properties of `debug.Echo`."""

    format: str | None = None
    level: Level = Level.INFO


def echo(context: RunContext, properties: EchoProperties) -> None:
    """Write the text to the log."""
    context.out.write(properties.level, properties.format or "")


PLUGINS: Final = (
    TaskPlugin(
        name="io.kestra.plugin.core.debug.Return",
        properties=ReturnProperties,
        run=return_,
        raw=frozenset({"format"}),
    ),
    TaskPlugin(name="io.kestra.plugin.core.debug.Echo", properties=EchoProperties, run=echo),
)
