"""The writer: an idempotent producer without linger, its reports served by a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from domain.errors import LogUnavailable, RecordTooLarge
from domain.ports.log import Delivery
from domain.record.envelope import Outgoing, Position
from domain.record.topics import partition_of
from infra.delivery import report
from infra.kafka.client import (
    BATCH_OVERHEAD_BYTES,
    attempt,
    configuration,
    milliseconds,
    unavailable,
)
from infra.log_options import LogOptions

_METADATA_SECONDS = 10.0
_POLL_SECONDS = 0.2
_QUEUE_KBYTES = 64 * 1024


def outcome(
    topic: str, error: KafkaError | None, message: Message
) -> tuple[Position | None, LogUnavailable | None]:
    """Return where a record of a logical topic stands, or why it is not known to stand anywhere.

    A record without an offset is one that the broker called a duplicate of what it has no memory
    of. It may be lost: a broker takes later records of a writer that it does not know, and calls
    the earlier ones, which it had refused while the partition had no leader, duplicates then.
    """
    if error is not None:
        return None, unavailable(f"write to {topic}", error)
    partition, offset = message.partition(), message.offset()
    if partition is None or offset is None or offset < 0:
        return None, LogUnavailable(f"write to {topic}: the broker does not say where it stands")
    return Position(topic, partition, offset), None


class KafkaWriter:
    """Appends to Kafka. `delivered` is called on the writer's own thread."""

    def __init__(self, options: LogOptions) -> None:
        self._options = options
        self._producer = Producer(
            configuration(
                options,
                **{
                    "acks": "all",
                    "enable.idempotence": True,
                    "linger.ms": 0,
                    "message.max.bytes": options.max_record_bytes + BATCH_OVERHEAD_BYTES,
                    "delivery.timeout.ms": milliseconds(options.delivery_timeout),
                    "queue.buffering.max.kbytes": _QUEUE_KBYTES,
                    "retry.backoff.ms": 20,
                },
            )
        )
        self._counts: dict[str, int] = {}
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="kafka-delivery", daemon=True)
        self._thread.start()

    def send(self, record: Outgoing, delivered: Delivery | None = None) -> None:
        """Queue one record; waits only while the queue of 64 MiB is full."""
        if self._closed:
            raise LogUnavailable("the log is closed")
        topic, key, value = record.topic, record.key.encode(), record.value
        headers: list[tuple[str, str | bytes | None]] | None = None
        size = len(key) + len(value or b"")
        if record.headers:
            headers = []
            for name, text in record.headers.items():
                encoded = text.encode()
                headers.append((name, encoded))
                size += len(name) + len(encoded)
        if size > self._options.max_record_bytes:
            raise RecordTooLarge(topic, size, self._options.max_record_bytes)
        partition = record.partition
        if partition is None:
            partition = partition_of(record.key, self.partitions(topic))
        timestamp_ms = record.timestamp_ms
        if timestamp_ms is None:
            timestamp_ms = time.time_ns() // 1_000_000

        def told(error: KafkaError | None, message: Message) -> None:
            if delivered is not None:
                report(delivered, *outcome(topic, error, message))

        until = 0.0
        while True:
            try:
                self._producer.produce(
                    self._options.prefix + topic,
                    value,
                    key,
                    partition,
                    on_delivery=told if delivered is not None else None,
                    timestamp=timestamp_ms,
                    headers=headers,
                )
            except BufferError:
                now = time.monotonic()
                until = until or now + self._options.delivery_timeout.total_seconds()
                if now > until:
                    raise LogUnavailable(f"write to {topic}: the queue stays full") from None
                self._producer.poll(0.01)
            except KafkaException as error:
                raise unavailable(f"write to {topic}", error) from error
            else:
                return

    def append(self, records: Sequence[Outgoing], timeout: float = 30.0) -> list[Position]:
        """Append and wait until all are durable."""
        positions: list[Position | None] = [None] * len(records)
        errors: list[Exception] = []
        done = threading.Semaphore(0)

        def deliver(index: int) -> Delivery:
            def delivered(position: Position | None, error: Exception | None) -> None:
                positions[index] = position
                if error is not None:
                    errors.append(error)
                done.release()

            return delivered

        for index, record in enumerate(records):
            self.send(record, deliver(index))
        until = time.monotonic() + timeout
        for _ in records:
            if not done.acquire(timeout=max(0.0, until - time.monotonic())):
                raise LogUnavailable(f"not all records were durable after {timeout} s")
        if errors:
            raise errors[0]
        return [position for position in positions if position is not None]

    def partitions(self, topic: str) -> int:
        """Number of partitions of a logical topic; asked once."""
        count = self._counts.get(topic)
        if count is None:
            name = self._options.prefix + topic
            metadata = attempt(
                f"describe {name}",
                lambda: self._producer.list_topics(name, timeout=_METADATA_SECONDS),
            ).topics[name]
            if metadata.error is not None:
                raise unavailable(f"describe {name}", metadata.error)
            count = self._counts[topic] = len(metadata.partitions)
        return count

    def flush(self, timeout: float = 30.0) -> None:
        """Wait until everything sent so far is durable."""
        left = self._producer.flush(timeout)
        if left:
            raise LogUnavailable(f"{left} records were not durable after {timeout} s")

    def close(self) -> None:
        """Flush and release; what can't be written any more is reported as failed."""
        if self._closed:
            return
        self._closed = True
        try:
            self.flush(self._options.delivery_timeout.total_seconds() + 1.0)
        finally:
            self._thread.join()

    def _serve(self) -> None:
        """Call the delivery reports; the call blocks until there are some."""
        while not self._closed:
            self._producer.poll(_POLL_SECONDS)
