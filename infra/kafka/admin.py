"""Topics on the broker, made from the catalogue."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from confluent_kafka.cimpl import NewTopic

from domain.errors import LogUnavailable
from domain.record.topics import (
    EXECUTION_COMMANDS,
    EXECUTION_EVENTS,
    TRIGGER_COMMANDS,
    TRIGGER_EVENTS,
    Cleanup,
    topic_of,
)
from infra.kafka.client import (
    BATCH_OVERHEAD_BYTES,
    attempt,
    configuration,
    milliseconds,
    passes_soon,
    unavailable,
)
from infra.log_options import LogOptions

_LOGGER = logging.getLogger(__name__)
TIMEOUT_SECONDS = 30.0
_STEPPED = ((EXECUTION_COMMANDS, EXECUTION_EVENTS), (TRIGGER_COMMANDS, TRIGGER_EVENTS))
"""Topics of commands, and of the events that stand on the partitions of the same numbers."""
_LOOK_AGAIN_SECONDS = 0.05
_COMPACTION = {
    "min.cleanable.dirty.ratio": "0.1",
    # the open segment is never compacted: close it daily
    "segment.ms": str(24 * 3600 * 1000),
}


def ensure_topics(options: LogOptions, topics: Iterable[str]) -> None:
    """Create the missing ones of some logical topics, and wait until all can be used.

    Raises:
        LogUnavailable: the broker can't be reached, refuses, or takes longer than 30 s; or a topic
            of commands has another number of partitions than that of its events.
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
    counts = _until_led(admin, set(wanted))
    for name, topic in wanted.items():
        if counts[name] != topic.num_partitions:
            _LOGGER.warning(
                "topic %s has %s partitions, %s are configured: the number counts for new topics",
                name, counts[name], topic.num_partitions,
            )  # fmt: skip
    for commands, events in _STEPPED:
        pair = (options.prefix + commands, options.prefix + events)
        first, second = (counts.get(name) for name in pair)
        if first and second and first != second:
            raise LogUnavailable(
                f"topic {pair[0]} has {first} partitions and {pair[1]} has {second}: a command's"
                " event stands on the partition of the same number, so that both need as many. Was"
                " one of them changed? Add partitions to the smaller one while nothing runs"
            )


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


def _until_led(admin: AdminClient, names: set[str]) -> dict[str, int]:
    """Wait until each partition's leader serves it; return the partition counts.

    Metadata name a leader a moment before it knows of its office. What is sent to it meanwhile is
    refused, and sent again out of order (see `outcome` in `producer.py`), so leaders are asked.
    """
    until = time.monotonic() + TIMEOUT_SECONDS
    while True:
        known = attempt("list topics", lambda: admin.list_topics(timeout=TIMEOUT_SECONDS)).topics
        waiting = {
            name
            for name in names
            if name not in known
            or known[name].error is not None
            or any(part.leader < 0 for part in known[name].partitions.values())
        }
        if not waiting:
            counts = {name: len(known[name].partitions) for name in names}
            waiting = _not_led(admin, counts)
            if not waiting:
                return counts
        if time.monotonic() > until:
            raise LogUnavailable(
                f"topics {sorted(waiting)} have no leader after {TIMEOUT_SECONDS} s"
            )
        time.sleep(_LOOK_AGAIN_SECONDS)


def _not_led(admin: AdminClient, counts: dict[str, int]) -> set[str]:
    """Return the topics that a leader does not serve yet; only a leader tells offsets."""
    asked = {
        TopicPartition(name, partition): OffsetSpec.earliest()
        for name, count in counts.items()
        for partition in range(count)
    }
    missing = set()
    for place, answer in admin.list_offsets(asked, request_timeout=TIMEOUT_SECONDS).items():
        try:
            answer.result(TIMEOUT_SECONDS)
        except KafkaException as error:
            if not passes_soon(error):
                raise unavailable(f"ask for the leader of {place.topic}", error) from error
            missing.add(place.topic)
    return missing
