"""Metrics port on prometheus_client, with a registry of its own per process."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from domain.ports.metrics import CATALOGUE, MetricName

_BUCKETS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0)


class PrometheusMetrics:
    """Every name of the catalogue as `tidewheel_<name>`."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._counters: dict[tuple[str, ...], Counter] = {}
        self._families: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._gauges: dict[str, Gauge] = {}
        for name, metric in CATALOGUE.items():
            full = f"tidewheel_{name}"
            if metric.kind == "counter":
                self._families[name] = Counter(
                    full, metric.description, metric.labels, registry=self.registry
                )
            elif metric.kind == "histogram":
                self._histograms[name] = Histogram(
                    full, metric.description, buckets=_BUCKETS, registry=self.registry
                )
            else:
                self._gauges[name] = Gauge(full, metric.description, registry=self.registry)

    def count(self, name: MetricName, amount: float = 1, *labels: str) -> None:
        """Add to a counter."""
        child = self._counters.get((name, *labels))
        if child is None:
            family = self._families[name]
            child = family.labels(*labels) if labels else family
            self._counters[(name, *labels)] = child
        child.inc(amount)

    def observe(self, name: MetricName, value: float) -> None:
        """Put a value into a histogram."""
        self._histograms[name].observe(value)

    def gauge(self, name: MetricName, read: Callable[[], float]) -> None:
        """Register what a gauge shows."""
        self._gauges[name].set_function(read)

    def render(self) -> bytes:
        """Return the text exposition."""
        return generate_latest(self.registry)
