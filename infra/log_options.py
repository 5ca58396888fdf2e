"""Options of the log, shared by its two engines: one field, one meaning on both."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum

import msgspec

from domain.errors import LogUnavailable
from domain.record.topics import Topic, topic_of


class Sync(Enum):
    """When the embedded log asks the disk to keep what it wrote. SIGKILL loses nothing anyhow."""

    NEVER = "never"
    """Left to the operating system: a power cut may cost about 30 seconds."""
    INTERVAL = "interval"
    """Every `sync_interval`: a power cut costs at most that; an earlier, consistent log is left."""
    ALWAYS = "always"
    """Before a record is reported delivered or shown to anyone: a power cut costs nothing."""


class LogOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the log is laid out and kept. All since 0.1."""

    prefix: str = "tidewheel."
    """Kafka: stands before every topic name on the broker."""
    execution_partitions: int = 8
    """Partitions of execution.commands, execution.events and what is stepped like them; count."""
    task_partitions: int = 8
    """Partitions of every task.requests topic; count."""
    log_partitions: int = 4
    """Partitions of logs and metrics; count."""
    single_partitions: int = 1
    """Partitions of the small topics that everyone reads whole; count."""
    archive_retention: timedelta = timedelta(days=365)
    """How long events stay: the archive. Zero keeps them for ever."""
    commands_retention: timedelta = timedelta(days=7)
    """How long commands and requests stay. Zero keeps them for ever."""
    logs_retention: timedelta = timedelta(days=30)
    """How long what tasks say and measure stays. Zero keeps it for ever."""
    short_retention: timedelta = timedelta(hours=1)
    """How long signals and heartbeats stay. Zero keeps them for ever."""
    max_record_bytes: int = 1024 * 1024
    """Largest record (key, value and headers together) in bytes; a larger one is refused."""

    bootstrap_servers: str = "127.0.0.1:9092"
    """Kafka: host:port of some brokers, separated by commas."""
    replication_factor: int = 1
    """Kafka: copies of each partition of a new topic; 3 on a cluster."""
    min_insync_replicas: int = 1
    """Kafka: copies that must have a record before it is delivered; 2 with three copies."""
    session_timeout: timedelta = timedelta(seconds=10)
    """Kafka: how long a silent member keeps its partitions."""
    delivery_timeout: timedelta = timedelta(seconds=30)
    """Kafka: how long a record may wait for its acknowledgement before it fails."""
    client: dict[str, str] = {}
    """Kafka: further librdkafka properties of every client, such as security.protocol."""

    sync: Sync = Sync.INTERVAL
    """Embedded: when the disk is asked to keep what was written."""
    sync_interval: timedelta = timedelta(seconds=1)
    """Embedded: the interval of `Sync.INTERVAL`."""
    segment_bytes: int = 16 * 1024 * 1024
    """Embedded: size of one file of the journal in bytes; bounds the time of a restart."""
    tail_records: int = 512
    """Embedded: newest records of a partition kept in memory for consumers; count."""
    tail_bytes: int = 1024 * 1024
    """Embedded: most bytes of one partition's newest records kept in memory."""
    clean_interval: timedelta = timedelta(minutes=10)
    """Embedded: how often retention and compaction are looked after."""

    def partitions_of(self, topic: str) -> int:
        """Return the number of partitions that a logical topic is created with."""
        counts = {
            "execution": self.execution_partitions,
            "task": self.task_partitions,
            "log": self.log_partitions,
            "single": self.single_partitions,
        }
        return counts[_entry(topic).partitions]

    def retention_of(self, topic: str) -> timedelta | None:
        """Return how long a logical topic keeps its records; None is for ever."""
        retentions = {
            "archive": self.archive_retention,
            "commands": self.commands_retention,
            "logs": self.logs_retention,
            "short": self.short_retention,
            "none": timedelta(0),
        }
        return retentions[_entry(topic).retention] or None


def _entry(topic: str) -> Topic:
    try:
        return topic_of(topic)
    except KeyError:
        raise LogUnavailable(f"topic {topic!r} is not in the catalogue") from None
