"""The reader: assigned partitions without a group, for history and for tails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from domain.errors import LogUnavailable
from domain.ports.log import AT_ONCE, Failed
from domain.record.envelope import Record
from domain.record.topics import partition_of
from infra.kafka.client import (
    PASSING_ERRORS,
    consumer_configuration,
    gathering,
    insist,
    milliseconds,
    record_of,
    unavailable,
)
from infra.log_options import LogOptions

_LOGGER = logging.getLogger(__name__)
_BATCH = 500
_BOUNDS_SECONDS = 3.0
_SILENT_SECONDS = 10.0
"""A read without any answer for so long is given up."""
_AWAY_SECONDS = 15.0
"""How long a broker may be away before a reader gives up."""
_POLL_SECONDS = 0.2
_IDLE_CONSUMERS = 4
_READ_WAIT = timedelta(milliseconds=5)
_TAIL_WAIT = timedelta(seconds=1)
"""Between two fetches while nothing comes: its partitions never change, so nothing else waits."""


def take(consumer: Consumer, timeout: float) -> list[Message]:
    """Wait for a message, then take what else is there; no waiting for a full batch."""
    first = consumer.poll(timeout)
    if first is None:
        return []
    return [first, *consumer.consume(_BATCH, 0)]


def check(doing: str, error: KafkaError) -> None:
    """Raise LogUnavailable for an error that does not pass by itself."""
    if error.fatal() or not (error.retriable() or error.code() in PASSING_ERRORS):
        raise unavailable(doing, error)
    if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 (librdkafka's own codes)
        _LOGGER.warning("%s: %s", doing, error)


class KafkaReader:
    """Reads partitions. Consumers are kept for the next read: making one costs milliseconds."""

    def __init__(self, options: LogOptions, partitions: Callable[[str], int]) -> None:
        """Make a reader; `partitions` tells the number of partitions of a logical topic."""
        self._options = options
        self._partitions = partitions
        self._idle: list[Consumer] = []
        self._tails: list[KafkaTail] = []
        self._lock = threading.Lock()

    def partitions(self, topic: str) -> int:
        """Number of partitions of a logical topic."""
        return self._partitions(topic)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset kept and the next offset to be written."""
        place = TopicPartition(self._options.prefix + topic, partition)

        def ask() -> tuple[int, int]:
            # each time by another client: one that lost its broker may not find the leader again
            with self._consumer() as consumer:
                first, end = consumer.get_watermark_offsets(place, timeout=_BOUNDS_SECONDS)
            return first, end

        return insist(f"ask the bounds of {place.topic}/{partition}", ask, _AWAY_SECONDS)

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Record]:
        """Yield the records with start <= offset < stop, in order."""
        first, end = self.bounds(topic, partition)
        start, stop = max(start, first), min(stop, end)
        if start >= stop:
            return
        with self._consumer() as consumer:
            name = self._options.prefix + topic
            doing = f"read {name}/{partition}"
            consumer.assign([TopicPartition(name, partition, start)])
            try:
                while True:
                    messages = take(consumer, _SILENT_SECONDS)
                    if not messages:
                        raise LogUnavailable(f"{doing}: no answer for {_SILENT_SECONDS:g} s")
                    for message in messages:
                        error = message.error()
                        if error is not None:
                            check(doing, error)
                            if _ended(error):
                                return
                            continue
                        record = record_of(message, self._options.prefix)
                        if record.offset >= stop:
                            return
                        yield record
                        if record.offset == stop - 1:
                            return
            finally:
                consumer.unassign()

    def tail(
        self,
        topic: str,
        starts: dict[int, int],
        deliver: Callable[[list[Record]], None],
        failed: Failed | None = None,
        gather: timedelta = AT_ONCE,
    ) -> KafkaTail:
        """Call `deliver` with every batch from `starts` (partition -> offset) on."""
        tail = KafkaTail(self._options, topic, starts, deliver, failed, gather)
        with self._lock:
            self._tails = [other for other in self._tails if not other.ended]
            self._tails.append(tail)
        return tail

    def by_key(self, topic: str, key: str, start: int = 0) -> Iterator[Record]:
        """Yield the records of a key in order; scans its partition."""
        partition = partition_of(key, self.partitions(topic))
        _, end = self.bounds(topic, partition)
        for record in self.read(topic, partition, start, end):
            if record.key == key:
                yield record

    def close(self) -> None:
        """Stop the tails and let the consumers go."""
        with self._lock:
            idle, self._idle = self._idle, []
            tails, self._tails = self._tails, []
        for tail in tails:
            tail.close()
        for consumer in idle:
            consumer.close()

    @contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        with self._lock:
            consumer = self._idle.pop() if self._idle else None
        if consumer is None:
            # the next read must not wait for what the last one still asks of the broker
            consumer = _consumer(self._options, eof=True, wait=_READ_WAIT)
        try:
            yield consumer
        except BaseException:
            consumer.close()
            raise
        with self._lock:
            if len(self._idle) < _IDLE_CONSUMERS:
                self._idle.append(consumer)
                return
        consumer.close()


class KafkaTail:
    """Everything of some partitions from given offsets on, on a thread of its own."""

    def __init__(
        self,
        options: LogOptions,
        topic: str,
        starts: dict[int, int],
        deliver: Callable[[list[Record]], None],
        failed: Failed | None,
        gather: timedelta,
    ) -> None:
        self._options = options
        self._deliver = deliver
        self._failed = failed
        self._name = options.prefix + topic
        self._stopping = False
        self.ended = False
        """Whether the thread is over."""
        self._consumer = _consumer(options, eof=False, wait=_TAIL_WAIT, **gathering(gather))
        self._consumer.assign(
            [TopicPartition(self._name, number, offset) for number, offset in starts.items()]
        )
        self._thread = threading.Thread(target=self._run, name=f"kafka-tail-{topic}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; returns when no call is under way, at once when called from one."""
        self._stopping = True
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        prefix = self._options.prefix
        try:
            try:
                while not self._stopping:
                    batch: list[Record] = []
                    for message in take(self._consumer, _POLL_SECONDS):
                        error = message.error()
                        if error is None:
                            batch.append(record_of(message, prefix))
                        else:
                            check(f"tail {self._name}", error)
                    if batch and not self._stopping:
                        self._deliver(batch)
            finally:
                self.ended = True
                self._consumer.close()
        except Exception as error:
            if self._failed is None:
                raise
            _LOGGER.exception("the tail of %s ended", self._name)
            self._failed(error)


def _consumer(options: LogOptions, *, eof: bool, wait: timedelta, **special: Any) -> Consumer:
    fixed = {
        "group.id": options.prefix + "reader",
        "enable.partition.eof": eof,
        "fetch.wait.max.ms": milliseconds(wait),
    }
    return Consumer(consumer_configuration(options, **(fixed | special)))


def _ended(error: KafkaError) -> bool:
    return bool(error.code() == KafkaError._PARTITION_EOF)  # noqa: SLF001 (librdkafka's own codes)
