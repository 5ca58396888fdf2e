"""The log on Kafka: what `infra.wiring` hands to the components of the distributed engine."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta

from domain.ports.log import AT_ONCE, ConsumerEvents, Failed
from infra.kafka.admin import ensure_topics
from infra.kafka.consumer import KafkaConsumer
from infra.kafka.producer import KafkaWriter
from infra.kafka.reader import KafkaReader
from infra.log_options import LogOptions


class KafkaLog:
    """Kafka behind the log's port. Topics and groups stand behind the option `prefix`."""

    def __init__(self, options: LogOptions) -> None:
        """Make the clients; they connect by themselves, now or later."""
        self._options = options
        self._writer = KafkaWriter(options)
        self._reader = KafkaReader(options, self._writer.partitions)
        self._consumers: list[KafkaConsumer] = []
        self._lock = threading.Lock()

    @property
    def writer(self) -> KafkaWriter:
        """The process-wide writer."""
        return self._writer

    @property
    def reader(self) -> KafkaReader:
        """The process-wide reader."""
        return self._reader

    def consumer(
        self,
        group: str,
        topics: Sequence[str],
        events: ConsumerEvents,
        member: str = "",
        failed: Failed | None = None,
        gather: timedelta = AT_ONCE,
    ) -> KafkaConsumer:
        """Make a consumer of a group; `member` is a stable id (static membership)."""
        consumer = KafkaConsumer(self._options, group, topics, events, member, failed, gather)
        with self._lock:
            self._consumers = [other for other in self._consumers if not other.ended]
            self._consumers.append(consumer)
        return consumer

    def ensure_topics(self, topics: Sequence[str]) -> None:
        """Create missing topics from the catalogue, as configured."""
        ensure_topics(self._options, topics)

    def close(self) -> None:
        """Stop consumers and tails, write what was sent, let the clients go."""
        with self._lock:
            consumers, self._consumers = self._consumers, []
        for consumer in consumers:
            consumer.close()
        self._reader.close()
        self._writer.close()
