"""Options of the worker."""

from __future__ import annotations

import msgspec


class WorkerOptions(msgspec.Struct, frozen=True):
    """Options of one worker process."""

    id: str = ""
    """Name of this worker: static member of its group. Default: host name."""
    group: str | None = None
    """Worker group whose requests are taken; None is the default group."""
    slots: int = 16
    """Attempts that run at once."""
    prefetch: int = 1_000
    """Requests held in memory beyond the ones that run; above it the partitions are paused."""
    prefetch_bytes: int = 16_777_216
    """Size of the requests that wait in memory; above it the partitions are paused."""
    report_start_after_seconds: float = 0.025
    """An attempt that still runs after this time reports its start; a shorter one only its end."""
    output_limit_bytes: int = 65_536
    """Outputs larger than this, as JSON, go to internal storage and travel by reference."""
    message_limit_bytes: int = 67_108_864
    """Largest result of an attempt, in bytes, without the outputs that are stored: one that is
    larger fails the attempt."""
    log_line_characters: int = 15_360
    """Longer log lines are split."""
    log_batch_bytes: int = 131_072
    """Log lines of an attempt are sent when this many bytes are waiting."""
    log_flush_seconds: float = 0.1
    """Longest time that a log line of a running attempt waits to be sent."""
    commit_interval_seconds: float = 0.1
    """Time between two commits of offsets: ended attempts of this span run again after a crash."""
    commit_metadata_bytes: int = 4_095
    """Room for the ended offsets beside a commit."""
    heartbeat_seconds: float = 3.0
    """Time between two signs of life."""
    gone_after_seconds: float = 10.0
    """A worker without a sign of life for so long is dead: what it ran runs elsewhere."""
    remembered_kills: int = 10_000
    """Executions whose kill is remembered, for requests that arrive after it."""
    remembered_attempts: int = 10_000
    """Ended attempts remembered, for requests that arrive twice."""
    interrupt_grace_seconds: float = 5.0
    """Time for a killed or timed-out task to end; after it the attempt is reported without it."""
    stop_grace_seconds: float = 30.0
    """Time for running attempts to end when the worker stops; after it they are interrupted."""
    work_dir: str = ""
    """Folder for the working directories of tasks. Default: the system's temporary folder."""
