"""What all Kafka clients share: configuration, names, decoding of records, errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message

from domain.errors import LogUnavailable
from domain.record.envelope import Record
from infra.log_options import LogOptions

T = TypeVar("T")
_LOGGER = logging.getLogger("tidewheel.kafka")
_LOGGER.addHandler(logging.NullHandler())  # a command that keeps no log shows what it is told only
_GATHERED_BYTES = 64 * 1024
"""What a broker holds back at most for a reader that gathers."""
BATCH_OVERHEAD_BYTES = 64 * 1024
"""Room for what Kafka adds to a record of the largest size."""
PASSING_ERRORS = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 (librdkafka's own codes begin so)
        KafkaError._MAX_POLL_EXCEEDED,  # noqa: SLF001
        KafkaError._PARTITION_EOF,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 (not known again yet, after a restart)
        # right after a topic was made, some brokers do not know it yet
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
"""Errors that a consumer meets and gets over by itself."""
FENCED = KafkaError(KafkaError.FENCED_INSTANCE_ID).str()
"""What is said when another member of the group has our static id; a fatal error only cites it."""

_PASSING_SOON = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001 (librdkafka's own codes begin so)
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 (not known again yet, after a restart)
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
"""Leaders or coordinators are being chosen, or the broker starts again."""
_AGAIN_SECONDS = 0.05


def milliseconds(duration: timedelta) -> int:
    """Return a duration in whole milliseconds."""
    return duration // timedelta(milliseconds=1)


def configuration(options: LogOptions, **special: Any) -> dict[str, Any]:
    """Return librdkafka's configuration of one client; `options.client` wins over our defaults."""
    return {
        "bootstrap.servers": options.bootstrap_servers,
        "client.id": "tidewheel",
        "socket.nagle.disable": True,
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 1000,
        "error_cb": _report,
        "logger": _LOGGER,
        **special,
        **options.client,
    }


def consumer_configuration(options: LogOptions, **special: Any) -> dict[str, Any]:
    """Return the configuration of a consumer: no automatic commits, bounded prefetch."""
    return configuration(
        options,
        **{
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "queued.min.messages": 2000,
            "queued.max.messages.kbytes": 8 * 1024,
            # a full queue is looked at again soon: the usual second would stop the flow
            "fetch.queue.backoff.ms": 5,
            # a partition gained or resumed is fetched when the waiting fetch has come back
            "fetch.wait.max.ms": 100,
            **special,
        },
    )


def gathering(gather: timedelta) -> dict[str, Any]:
    """Return what makes a consumer fetch rarely: the broker answers late, with much at once."""
    if not gather:
        return {}
    return {"fetch.min.bytes": _GATHERED_BYTES, "fetch.wait.max.ms": milliseconds(gather)}


def _report(error: KafkaError) -> None:
    """Log what librdkafka tells about connections; what matters arrives with each call too."""
    level = logging.CRITICAL if error.fatal() else logging.WARNING
    _LOGGER.log(level, "Kafka: %s: %s", error.name(), error.str())


def record_of(message: Message, prefix: str) -> Record:
    """Decode a message; bytes that are not UTF-8 in key or headers are replaced, not refused."""
    key = message.key()
    headers = message.headers()
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return Record(
        topic.removeprefix(prefix),
        partition,
        offset,
        _text(key),
        _bytes(message.value()),
        message.timestamp()[1],
        {name: _text(value) for name, value in _pairs(headers)} if headers else {},
    )


def _pairs(headers: Any) -> list[tuple[str, str | bytes | None]]:
    """Return the headers as librdkafka gives them; its types allow for what can be sent."""
    pairs: list[tuple[str, str | bytes | None]] = headers
    return pairs


def _text(value: str | bytes | None) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value or ""


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


class Fenced(LogUnavailable):
    """Another member of the group has joined with our static id; this client is of no more use."""


def unavailable(doing: str, error: KafkaError | KafkaException) -> LogUnavailable:
    """Return our error for one of Kafka's."""
    cause = error.args[0] if isinstance(error, KafkaException) else error
    text = cause.str() if isinstance(cause, KafkaError) else str(cause)
    if FENCED in text:
        return Fenced(
            f"{doing}: another process has joined with our id. Two that run beside each other need"
            " names of their own (the option `id` of the component)"
        )
    return LogUnavailable(f"{doing}: {text}")


def passes_soon(error: KafkaException) -> bool:
    """True for what ends when leaders are chosen or the broker is back."""
    return error.args[0].code() in _PASSING_SOON


def insist(doing: str, call: Callable[[], T], seconds: float) -> T:
    """Call Kafka, again while what refuses passes by itself, until the time is over."""
    until = time.monotonic() + seconds
    while True:
        try:
            return call()
        except KafkaException as error:
            if not passes_soon(error) or time.monotonic() > until:
                raise unavailable(doing, error) from error
        time.sleep(_AGAIN_SECONDS)


def attempt(doing: str, call: Callable[[], T]) -> T:
    """Call Kafka; its error becomes ours."""
    try:
        return call()
    except KafkaException as error:
        raise unavailable(doing, error) from error
