"""Topics on the broker, made from the catalogue."""

from __future__ import annotations

import time
from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from domain.errors import LogUnavailable
from domain.record.topics import Cleanup, topic_of
from infra.kafka.client import (
    BATCH_OVERHEAD_BYTES,
    attempt,
    configuration,
    milliseconds,
    unavailable,
)
from infra.log_options import LogOptions

TIMEOUT_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 0.05
_COMPACTION = {
    "min.cleanable.dirty.ratio": "0.1",
    # the open segment is never compacted: close it daily
    "segment.ms": str(24 * 3600 * 1000),
}


def ensure_topics(options: LogOptions, topics: Iterable[str]) -> None:
    """Create the missing ones of some logical topics, and wait until all can be used.

    Raises:
        LogUnavailable: the broker can't be reached, refuses, or takes longer than 30 s.
    """
    admin = AdminClient(configuration(options))
    wanted = {options.prefix + topic: new_topic(options, topic) for topic in topics}
    known = attempt("list topics", lambda: admin.list_topics(timeout=TIMEOUT_SECONDS)).topics
    missing = [topic for name, topic in wanted.items() if name not in known]
    if missing:
        results = admin.create_topics(missing, operation_timeout=TIMEOUT_SECONDS)
        for name, result in results.items():
            try:
                result.result(TIMEOUT_SECONDS)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise unavailable(f"create topic {name}", error) from error
    _until_usable(admin, {name: topic.num_partitions for name, topic in wanted.items()})


def new_topic(options: LogOptions, topic: str) -> NewTopic:
    """Return the broker's topic for a logical one."""
    retention = options.retention_of(topic)
    compacted = topic_of(topic).cleanup is Cleanup.COMPACT
    return NewTopic(
        options.prefix + topic,
        num_partitions=options.partitions_of(topic),
        replication_factor=options.replication_factor,
        config={
            "cleanup.policy": "compact" if compacted else "delete",
            "retention.ms": "-1" if retention is None else str(milliseconds(retention)),
            "max.message.bytes": str(options.max_record_bytes + BATCH_OVERHEAD_BYTES),
            "min.insync.replicas": str(options.min_insync_replicas),
            "message.timestamp.type": "CreateTime",
            **(_COMPACTION if compacted else {}),
        },
    )


def _until_usable(admin: AdminClient, counts: dict[str, int]) -> None:
    """Wait until every topic has a leader for each partition in the broker's metadata."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while True:
        known = attempt("list topics", lambda: admin.list_topics(timeout=TIMEOUT_SECONDS)).topics
        waiting = [
            name
            for name in counts
            if name not in known
            or known[name].error is not None
            or any(part.leader < 0 for part in known[name].partitions.values())
        ]
        if not waiting:
            return
        if time.monotonic() > until:
            raise LogUnavailable(f"topics {waiting} have no leader after {TIMEOUT_SECONDS} s")
        time.sleep(_LOOK_AGAIN_SECONDS)
