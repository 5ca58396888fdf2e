"""Options of the write side."""

from __future__ import annotations

import msgspec


class ExecutorOptions(msgspec.Struct, frozen=True):
    """Options of the executor."""

    id: str = ""
    """Name of this executor: member of its group, writer of its records. Default: host name."""
    ended_in_memory: int = 500
    """Ended executions kept in memory per partition before they are spilled to the snapshot."""
    snapshot_every: int = 5_000
    """Event records between two snapshots of a partition."""
    commit_interval_seconds: float = 0.25
    """Time between two commits of command offsets: what is stepped again after a crash."""
    command_limit_bytes: int = 67_108_864
    """Largest step or request, in bytes: one that is larger fails its execution or attempt. What is
    over the log's `max_record_bytes` goes to internal storage and travels by reference."""


class SchedulerOptions(msgspec.Struct, frozen=True):
    """Options of the scheduler."""

    id: str = ""
    """Name of this scheduler. Default: host name."""
    time_zone: str = "UTC"
    """Zone of schedules that name none."""
    recover_missed_schedules: str = "ALL"
    """What becomes of dates missed while no scheduler ran, where the trigger does not say:
    ALL fire one by one, the LAST does, NONE does."""
    gather_seconds: float = 0.05
    """Kafka: how long the broker may hold back events for flow triggers, to hand over many."""
    snapshot_every: int = 5_000
    """Event records between two snapshots of a partition."""
