"""Words that flows, tasks, triggers and inputs share.

Every Struct of the language is frozen, takes keywords only and travels in camelCase; a field that
holds its default is left out when written. A field of type `Any` holds what the source said,
templates not rendered.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import msgspec


class Model(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """Root of the language's Structs."""


class Label(Model, frozen=True, kw_only=True):
    """A label of a flow, a trigger or an execution; the order of labels is kept."""

    key: str
    value: str


StateName = Literal[
    "CREATED",
    "SUBMITTED",
    "RUNNING",
    "PAUSED",
    "RESTARTED",
    "KILLING",
    "SUCCESS",
    "WARNING",
    "FAILED",
    "KILLED",
    "CANCELLED",
    "QUEUED",
    "RETRYING",
    "RETRIED",
    "SKIPPED",
    "BREAKPOINT",
    "RESUBMITTED",
]
"""Any state of an execution or task run, as flows name it."""
RetryBehavior = Literal["RETRY_FAILED_TASK", "CREATE_NEW_EXECUTION"]


class Retry(Model, frozen=True, kw_only=True):
    """What to do after a failure; which fields count depends on `type`."""

    type: Literal["constant", "exponential", "random"]
    interval: timedelta | None = None
    """constant: the pause before every attempt; exponential: before the second attempt."""
    max_interval: timedelta | None = None
    """exponential, random: the longest pause."""
    min_interval: timedelta | None = None
    """random: the shortest pause."""
    delay_factor: float = 2.0
    """exponential: each pause is this many times the one before."""
    max_attempts: int | None = None
    """Attempts in all, the first included; None: no limit. Written `maxAttempt` before 0.24."""
    max_duration: timedelta | None = None
    """Counted from the first attempt's start; None: no limit."""
    warning_on_retry: bool = False
    """A task that succeeded after a retry ends WARNING."""
    behavior: RetryBehavior = "RETRY_FAILED_TASK"


class WorkerGroup(Model, frozen=True, kw_only=True):
    """Workers by the 1.x spelling: a key, maybe a template."""

    key: str
    fallback: Literal["WAIT", "FAIL", "CANCEL", "IGNORE"] = "WAIT"
    """What becomes of a task while no worker of the group lives: it waits, fails, cancels the
    execution, or goes to the default group."""


class WorkerSelector(Model, frozen=True, kw_only=True):
    """Workers by the 2.0 spelling: tags that a worker must carry.

    The workers with several tags are the group that is called as these, sorted, joined by `-`.
    """

    tags: tuple[str, ...]
    match: Literal["ALL", "ANY"] = "ALL"
    fallback: Literal["WAIT", "FAIL", "CANCEL", "IGNORE"] = "FAIL"


class TaskCache(Model, frozen=True, kw_only=True):
    """Reuse of a task's outputs between executions."""

    enabled: bool = False
    ttl: timedelta | None = None


class PluginDefault(Model, frozen=True, kw_only=True):
    """Values for every task, trigger or nested plugin whose type starts with `type`."""

    type: str
    values: dict[str, Any] = msgspec.field(default_factory=dict)
    forced: bool = False
    """Forced values win over what the task says."""
    ref: str | None = None
    """Only for tasks whose `pluginDefaultsRef` says the same."""


class Concurrency(Model, frozen=True, kw_only=True):
    """How many executions of one flow may run at once, and what happens to the next."""

    limit: int
    behavior: Literal["QUEUE", "CANCEL", "FAIL"] = "QUEUE"


class Sla(Model, frozen=True, kw_only=True):
    """A promise about an execution, and what happens when it is broken."""

    id: str
    type: Literal["MAX_DURATION", "EXECUTION_ASSERTION"]
    behavior: Literal["FAIL", "CANCEL", "NONE"]
    labels: tuple[Label, ...] = ()
    """Put on an execution that breaks the promise."""
    duration: timedelta | None = None
    """MAX_DURATION only."""
    assert_: str | None = msgspec.field(name="assert", default=None)
    """EXECUTION_ASSERTION only: an expression that must hold while the execution runs."""


class Check(Model, frozen=True, kw_only=True):
    """A condition on the inputs, looked at before an execution is created."""

    condition: str
    """Written `when` in 2.0."""
    message: str
    style: Literal["ERROR", "SUCCESS", "WARNING", "INFO"] = "INFO"
    behavior: Literal["BLOCK_EXECUTION", "FAIL_EXECUTION", "CREATE_EXECUTION"] = "BLOCK_EXECUTION"


class Quota(Model, frozen=True, kw_only=True):
    """A number of executions per fixed span of time."""

    duration: timedelta
    limit: int
    behavior: Literal["CANCEL", "FAIL"] = "FAIL"


class Output(Model, frozen=True, kw_only=True):
    """A value that an execution hands out at its end."""

    id: str
    value: Any
    """Template, or a structure with templates inside."""
    type: str | None = None
    """An input type; None: whatever the template gives."""
    description: str | None = None
    display_name: str | None = None
    required: bool = True
