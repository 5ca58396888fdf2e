"""`metric.Publish`: measurements that a flow writes itself."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from domain.duration import parse_duration
from domain.errors import InvalidInput
from streams.worker.context import RunContext
from streams.worker.plugin import TaskPlugin


class Measurement(msgspec.Struct):
    """One metric."""

    type: Literal["counter", "timer", "gauge"]
    name: str
    value: Any
    """A number; for a timer a duration, a number is seconds."""
    tags: dict[str, Any] | None = None


class PublishProperties(msgspec.Struct):
    """Properties of `metric.Publish`."""

    metrics: list[Measurement]


def publish(context: RunContext, properties: PublishProperties) -> None:
    """Write metrics."""
    for metric in properties.metrics:
        record(context, metric)


def record(context: RunContext, metric: Measurement) -> None:
    """Write one metric. Raises InvalidInput when its value is none for its type."""
    tags = {name: str(value) for name, value in (metric.tags or {}).items()}
    if metric.type == "timer":
        context.timer(metric.name, parse_duration(metric.value), tags)
        return
    try:
        value = float(metric.value)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"The metric {metric.name!r} has no number as value.") from error
    if metric.type == "counter":
        context.counter(metric.name, value, tags)
    else:
        context.gauge(metric.name, value, tags)


PLUGINS: Final = (
    TaskPlugin(
        name="io.kestra.plugin.core.metric.Publish", properties=PublishProperties, run=publish
    ),
)
