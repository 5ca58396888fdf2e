"""Options of the read side."""

from __future__ import annotations

from datetime import timedelta

import msgspec


class ProjectionsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the indexer batches, keeps and retries. All since 0.1."""

    id: str = ""
    """Name of this indexer: static member of its group. Default: host name."""
    group: str = "indexer"
    """Consumer group."""
    batch_documents: int = 2_000
    """Most documents in one bulk write; count."""
    linger: timedelta = timedelta(milliseconds=25)
    """Shortest time between two bulk writes; what comes first after a rest is written at once."""
    gather: timedelta = timedelta(milliseconds=100)
    """Kafka: how long the broker may hold records back to hand over many at once."""
    commit_interval: timedelta = timedelta(seconds=1)
    """Longest time after which written records are made durable and committed."""
    snapshot_interval: timedelta = timedelta(seconds=10)
    """Longest time after which changed executions are stored for a quick restart."""
    snapshot_executions: int = 5_000
    """Changed executions after which they are stored earlier; count."""
    buffered_records: int = 20_000
    """Records held while the store is slow or down; beyond them consuming pauses; count."""
    retry_least: timedelta = timedelta(milliseconds=100)
    """Pause before the first retry of a bulk write that the store did not answer."""
    retry_most: timedelta = timedelta(seconds=10)
    """Longest pause between two retries; there is no last one."""
