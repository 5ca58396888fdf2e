"""`flow.Sleep`: wait on the worker."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from domain.duration import format_duration
from streams.worker.context import RunContext
from streams.worker.plugin import TaskPlugin


class SleepProperties(msgspec.Struct):
    """Properties of `flow.Sleep`."""

    duration: timedelta


def sleep(context: RunContext, properties: SleepProperties) -> None:
    """Wait; a kill or timeout ends it at once."""
    context.out.info(f"Waiting for {format_duration(properties.duration)}")
    context.sleep(properties.duration.total_seconds())


PLUGINS: Final = (
    TaskPlugin(name="io.kestra.plugin.core.flow.Sleep", properties=SleepProperties, run=sleep),
)
