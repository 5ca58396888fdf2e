"""Metrics of the components: the catalogue of every name, and the port that takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

MetricName = Literal[
    "executor_commands",
    "executor_events",
    "executor_step_seconds",
    "executor_queued_seconds",
    "executor_effects_resent",
    "executor_executions_live",
    "executor_timers",
    "executor_catch_ups",
    "executor_foreign_records",
    "dead_letters",
    "worker_attempts",
    "worker_attempt_seconds",
    "worker_queued_seconds",
    "worker_running",
    "worker_slots",
    "scheduler_firings",
    "scheduler_delay_seconds",
    "indexer_records",
    "indexer_documents",
    "indexer_batch_seconds",
    "indexer_lag_records",
    "webserver_requests",
    "webserver_request_seconds",
    "webserver_followers",
    "window_executions",
]


class Metric(msgspec.Struct, frozen=True):
    """One entry of the catalogue."""

    kind: Literal["counter", "gauge", "histogram"]
    description: str
    labels: tuple[str, ...] = ()


CATALOGUE: dict[MetricName, Metric] = {
    "executor_commands": Metric("counter", "Commands stepped, by type.", ("type",)),
    "executor_events": Metric("counter", "Events appended."),
    "executor_step_seconds": Metric(
        "histogram", "Time of a step: decode, decide, advance, evolve, react, encode."
    ),
    "executor_queued_seconds": Metric(
        "histogram", "Time from a command's record to its step: how far the executor is behind."
    ),
    "executor_effects_resent": Metric("counter", "Effects sent again for redelivered commands."),
    "executor_executions_live": Metric("gauge", "Executions in memory that have not ended."),
    "executor_timers": Metric("gauge", "Timers that wait for their time."),
    "executor_catch_ups": Metric("counter", "Times a partition was folded from the log."),
    "executor_foreign_records": Metric(
        "counter", "Records of another executor seen on an own partition."
    ),
    "dead_letters": Metric("counter", "Records put aside as unreadable.", ("component",)),
    "worker_attempts": Metric("counter", "Attempts ended, by state.", ("state",)),
    "worker_attempt_seconds": Metric("histogram", "Run time of attempts."),
    "worker_queued_seconds": Metric("histogram", "Time from request to start of an attempt."),
    "worker_running": Metric("gauge", "Attempts that run now."),
    "worker_slots": Metric("gauge", "Attempts that may run at once."),
    "scheduler_firings": Metric("counter", "Executions started by triggers."),
    "scheduler_delay_seconds": Metric("histogram", "Lateness of firings."),
    "indexer_records": Metric("counter", "Records projected, by topic.", ("topic",)),
    "indexer_documents": Metric("counter", "Documents written."),
    "indexer_batch_seconds": Metric("histogram", "Time from reading a batch to its commit."),
    "indexer_lag_records": Metric("gauge", "Records on the log that are not projected yet."),
    "webserver_requests": Metric(
        "counter", "HTTP requests, by method and status.", ("method", "status")
    ),
    "webserver_request_seconds": Metric("histogram", "Time to answer a request."),
    "webserver_followers": Metric("gauge", "Open event streams."),
    "window_executions": Metric("gauge", "Executions in the webserver's window."),
}


class Metrics(Protocol):
    """Takes measurements. Thread-safe and cheap. Names are of the catalogue."""

    def count(self, name: MetricName, amount: float = 1, *labels: str) -> None:
        """Add to a counter; labels in the catalogue's order."""
        ...

    def observe(self, name: MetricName, value: float) -> None:
        """Put a value, in the unit of the name, into a histogram."""
        ...

    def gauge(self, name: MetricName, read: Callable[[], float]) -> None:
        """Register what a gauge shows: `read` is called when somebody looks."""
        ...


class NoMetrics:
    """Takes measurements and forgets them."""

    def count(self, name: MetricName, amount: float = 1, *labels: str) -> None:
        """Forget."""

    def observe(self, name: MetricName, value: float) -> None:
        """Forget."""

    def gauge(self, name: MetricName, read: Callable[[], float]) -> None:
        """Forget."""
