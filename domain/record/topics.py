"""The catalogue of topics: every name, key, value, partitioning and retention in one place."""

from __future__ import annotations

from enum import Enum
from zlib import crc32

import msgspec


class Cleanup(Enum):
    """What happens to old records of a topic."""

    DELETE = "delete"
    """Deleted after the retention time."""
    COMPACT = "compact"
    """The last record of each key is kept for ever."""


class Topic(msgspec.Struct, frozen=True):
    """One topic of the catalogue."""

    name: str
    """Logical name; on a broker the configured prefix stands before it."""
    key: str
    """What the record key is."""
    value: str
    """The type of the value, by its Struct name."""
    owner: str
    """The component that may write it (commands: anyone)."""
    partitions: str
    """Option that gives the number of partitions: `execution`, `task`, `single` or `log`."""
    retention: str
    """Option that gives the retention: `archive`, `commands`, `logs`, `short`, `none`."""
    cleanup: Cleanup = Cleanup.DELETE
    description: str = ""


EXECUTION_COMMANDS = "execution.commands"
EXECUTION_EVENTS = "execution.events"
TASK_REQUESTS = "task.requests"
FLOWS = "flows"
TRIGGER_COMMANDS = "trigger.commands"
TRIGGER_EVENTS = "trigger.events"
FLOW_SLOTS = "flow.slots"
LOGS = "logs"
METRICS = "metrics"
WORKER_SIGNALS = "worker.signals"
DEAD_LETTER = "deadletter"
KV = "kv"
DASHBOARDS = "dashboards"
PLUGIN_DEFAULTS = "plugin.defaults"

CATALOGUE: tuple[Topic, ...] = (
    Topic(EXECUTION_COMMANDS, "execution id", "ExecutionCommand", "anyone", "execution", "commands",
          description="What someone wants of an execution."),
    Topic(EXECUTION_EVENTS, "execution id", "EventRecord", "executor", "execution", "archive",
          description="One record per step: the truth about every execution."),
    Topic(TASK_REQUESTS, "task run id", "TaskRequest", "executor", "task", "commands",
          description="Work for the default group; other groups have task.requests.<group>."),
    Topic(FLOWS, "tenant/namespace/flow/revision/writer", "FlowRevision", "webserver", "single",
          "none", Cleanup.COMPACT, "Every revision of every flow, with its source."),
    Topic(TRIGGER_COMMANDS, "tenant/namespace/flow/trigger", "TriggerCommand", "anyone",
          "execution", "commands", description="What someone wants of a trigger."),
    Topic(TRIGGER_EVENTS, "tenant/namespace/flow/trigger", "TriggerEventRecord", "scheduler",
          "execution", "archive", description="One record per step of a trigger."),
    Topic(FLOW_SLOTS, "tenant/namespace/flow/execution", "TakeSlot", "executor", "execution",
          "none", Cleanup.COMPACT, "Standing wishes for slots of a flow's concurrency limit."),
    Topic(LOGS, "execution id", "LogEntry", "worker, executor", "log", "logs",
          description="What tasks say."),
    Topic(METRICS, "execution id", "MetricEntry", "worker", "log", "logs",
          description="What tasks measure."),
    Topic(WORKER_SIGNALS, "worker id or execution id", "WorkerSignal", "executor, worker", "single",
          "short", description="Kill signals, heartbeats, liveness."),
    Topic(DEAD_LETTER, "original key", "DeadLetter", "anyone", "single", "archive",
          description="Records that could not be read or processed, with the reason."),
    Topic(KV, "tenant/namespace/key", "KvEntry", "webserver, worker", "single", "none",
          Cleanup.COMPACT, "The key-value store of namespaces."),
    Topic(DASHBOARDS, "tenant/dashboards/id", "KvEntry", "webserver", "single", "none",
          Cleanup.COMPACT, "The sources of dashboards."),
    Topic(PLUGIN_DEFAULTS, "number/writer", "PluginDefaults", "webserver", "single", "none",
          Cleanup.COMPACT, "Every set of plugin defaults that was ever configured."),
)  # fmt: skip

BY_NAME: dict[str, Topic] = {topic.name: topic for topic in CATALOGUE}


def task_requests(group: str | None) -> str:
    """Return the logical topic of a worker group's requests; None is the default group."""
    return f"{TASK_REQUESTS}.{group}" if group else TASK_REQUESTS


def topic_of(name: str) -> Topic:
    """Return the catalogue entry of a logical topic name.

    Raises:
        KeyError: the name is not in the catalogue.
    """
    if name.startswith(TASK_REQUESTS + "."):
        return BY_NAME[TASK_REQUESTS]
    return BY_NAME[name]


def partition_of(key: str, partitions: int) -> int:
    """Return the partition of a key: the same on every engine and in every process."""
    return crc32(key.encode()) % partitions
