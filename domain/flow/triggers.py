"""Triggers and the conditions of 1.x, typed; triggers of plugins are kept raw."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, Literal

import msgspec

from domain.flow.common import Label, Model, StateName, WorkerGroup, WorkerSelector
from domain.flow.tasks import LogLevel

TRIGGER_PACKAGE: Final = "io.kestra.plugin.core.trigger."
CONDITION_PACKAGE: Final = "io.kestra.plugin.core.condition."


class Condition(Model, frozen=True, kw_only=True):
    """What all conditions share."""

    type: str
    """Canonical name of 1.3."""
    spelling: str | None = None
    """Type as the source wrote it where that was an alias."""


class DateTimeBetween(Condition, frozen=True, kw_only=True):
    """An instant strictly between two."""

    date: str = "{{ trigger.date }}"
    after: str | None = None
    before: str | None = None


class TimeBetween(Condition, frozen=True, kw_only=True):
    """A time of day, with offset, strictly between two."""

    date: str = "{{ trigger.date }}"
    after: str | None = None
    before: str | None = None


class DayWeek(Condition, frozen=True, kw_only=True):
    """A day of the week."""

    date: str = "{{ trigger.date }}"
    day_of_week: str
    """MONDAY to SUNDAY, or a template."""


class DayWeekInMonth(Condition, frozen=True, kw_only=True):
    """The nth such day of the week in its month."""

    date: str = "{{ trigger.date }}"
    day_of_week: str
    day_in_month: str
    """FIRST, SECOND, THIRD, FOURTH, LAST, or a template."""


class Weekend(Condition, frozen=True, kw_only=True):
    """Saturday or Sunday."""

    date: str = "{{ trigger.date }}"


class PublicHoliday(Condition, frozen=True, kw_only=True):
    """A public holiday."""

    date: str = "{{ trigger.date }}"
    country: str | None = None
    sub_division: str | None = None


class ExecutionFlow(Condition, frozen=True, kw_only=True):
    """The execution is of this flow."""

    namespace: str
    flow_id: str


class ExecutionNamespace(Condition, frozen=True, kw_only=True):
    """The execution is of this namespace, or of one like it."""

    namespace: str
    comparison: Literal["EQUALS", "PREFIX", "SUFFIX"] | None = None
    prefix: bool = False
    """Deprecated: the same as comparison PREFIX."""


class ExecutionLabels(Condition, frozen=True, kw_only=True):
    """The execution has all these labels."""

    labels: tuple[Label, ...]


class ExecutionStatus(Condition, frozen=True, kw_only=True):
    """The execution's state is in one list, and in none of the other."""

    in_: tuple[StateName, ...] = msgspec.field(name="in", default=())
    not_in: tuple[StateName, ...] = ()


class ExecutionOutputs(Condition, frozen=True, kw_only=True):
    """An expression over `trigger.outputs` holds; without outputs it does not."""

    expression: str


class HasRetryAttempt(Condition, frozen=True, kw_only=True):
    """Some task run has had more than one attempt, of these states."""

    in_: tuple[StateName, ...] = msgspec.field(name="in", default=())
    not_in: tuple[StateName, ...] = ()


class FlowCondition(Condition, frozen=True, kw_only=True):
    """Deprecated: the flow is this one."""

    namespace: str
    flow_id: str


class FlowNamespaceCondition(Condition, frozen=True, kw_only=True):
    """Deprecated: the flow's namespace is this one, or starts with it."""

    namespace: str
    prefix: bool = False


class Expression(Condition, frozen=True, kw_only=True):
    """An expression that is neither empty, nor blank, nor false."""

    expression: str


class Not(Condition, frozen=True, kw_only=True):
    """None of these holds."""

    conditions: tuple[Condition, ...]


class Or(Condition, frozen=True, kw_only=True):
    """One of these holds."""

    conditions: tuple[Condition, ...]


class TimeWindow(Model, frozen=True, kw_only=True):
    """The span over which a trigger gathers executions."""

    type: Literal[
        "DURATION_WINDOW", "DAILY_TIME_DEADLINE", "DAILY_TIME_WINDOW", "SLIDING_WINDOW"
    ] = "DURATION_WINDOW"
    deadline: str | None = None
    window: timedelta | None = None
    window_advance: timedelta | None = None
    start_time: str | None = None
    end_time: str | None = None


class MultipleCondition(Condition, frozen=True, kw_only=True):
    """Deprecated: each of these has held within a window."""

    id: str
    time_window: TimeWindow | None = None
    window: timedelta | None = None
    window_advance: timedelta | None = None
    reset_on_success: bool = True
    conditions: dict[str, Condition] = msgspec.field(default_factory=dict)


AnyCondition = (
    DateTimeBetween
    | TimeBetween
    | DayWeek
    | DayWeekInMonth
    | Weekend
    | PublicHoliday
    | ExecutionFlow
    | ExecutionNamespace
    | ExecutionLabels
    | ExecutionStatus
    | ExecutionOutputs
    | HasRetryAttempt
    | FlowCondition
    | FlowNamespaceCondition
    | Expression
    | Not
    | Or
    | MultipleCondition
)

CONDITIONS: Final[dict[str, type[Condition]]] = {
    CONDITION_PACKAGE + struct.__name__: struct
    for struct in (
        DateTimeBetween,
        TimeBetween,
        DayWeek,
        DayWeekInMonth,
        Weekend,
        PublicHoliday,
        ExecutionFlow,
        ExecutionNamespace,
        ExecutionLabels,
        ExecutionStatus,
        ExecutionOutputs,
        HasRetryAttempt,
        FlowCondition,
        FlowNamespaceCondition,
        Expression,
        Not,
        Or,
        MultipleCondition,
    )
}
"""Conditions by canonical type."""


class Trigger(Model, frozen=True, kw_only=True):
    """What all triggers share."""

    id: str
    type: str
    """Canonical name of 1.3."""
    spelling: str | None = None
    """Type as the source wrote it where that was an alias."""
    version: str | None = None
    description: str | None = None
    conditions: tuple[Condition, ...] = ()
    """1.x: all must hold."""
    when: str | None = None
    """2.0: expression that must hold."""
    disabled: bool = False
    worker_group: WorkerGroup | None = None
    worker_selector: WorkerSelector | None = None
    log_level: LogLevel | None = None
    """Written `minLogLevel` too."""
    labels: tuple[Label, ...] = ()
    """For the executions it starts; values are templates."""
    stop_after: tuple[StateName, ...] = ()
    """States of an execution that disable the trigger."""
    log_to_file: bool = False
    allow_concurrent: bool = False
    fail_on_trigger_error: bool = False
    assets: Any = None
    plugin_defaults_ref: str | None = None


class Schedule(Trigger, frozen=True, kw_only=True):
    """Fires by a cron expression."""

    cron: str
    with_seconds: bool = False
    timezone: str | None = None
    """IANA name; None: the server's zone."""
    inputs: dict[str, Any] | None = None
    late_maximum_delay: timedelta | None = None
    recover_missed_schedules: Literal["ALL", "LAST", "NONE"] | None = None
    backfill: Any = None
    """Deprecated: backfills are asked of the API."""
    schedule_conditions: tuple[Condition, ...] = ()
    """Deprecated: `conditions`."""


class ScheduleOnDates(Trigger, frozen=True, kw_only=True):
    """Fires on given dates."""

    dates: Any
    """List of instants, or a template that gives one."""
    timezone: str | None = None
    inputs: dict[str, Any] | None = None
    recover_missed_schedules: Literal["ALL", "LAST", "NONE"] | None = None


class UpstreamFlow(Model, frozen=True, kw_only=True):
    """Executions of other flows that `preconditions.flows` waits for."""

    namespace: str
    flow_id: str | None = None
    states: tuple[StateName, ...] = ()
    labels: tuple[Label, ...] = ()


class Filter(Model, frozen=True, kw_only=True):
    """One comparison of `preconditions.where`."""

    field: Literal["FLOW_ID", "NAMESPACE", "STATE", "EXPRESSION"]
    type: Literal[
        "EQUAL_TO",
        "NOT_EQUAL_TO",
        "IN",
        "NOT_IN",
        "IS_TRUE",
        "IS_FALSE",
        "STARTS_WITH",
        "ENDS_WITH",
        "REGEX",
        "CONTAINS",
    ]
    value: str | None = None
    values: tuple[str, ...] = ()


class FilterGroup(Model, frozen=True, kw_only=True):
    """Comparisons joined by AND or OR."""

    id: str
    operand: Literal["AND", "OR"] = "AND"
    filters: tuple[Filter, ...]


class Preconditions(Model, frozen=True, kw_only=True):
    """1.x: what must have happened within a window."""

    id: str
    """The window's key: unique in the flow."""
    time_window: TimeWindow | None = None
    reset_on_success: bool = True
    flows: tuple[UpstreamFlow, ...] = ()
    where: tuple[FilterGroup, ...] = ()


class Dependency(Model, frozen=True, kw_only=True):
    """2.0: an execution that a flow trigger waits for."""

    flow_id: str
    namespace: str
    states: tuple[StateName, ...] = ()
    labels: tuple[Label, ...] = ()
    when: str | None = None


class DependencyWindow(Model, frozen=True, kw_only=True):
    """2.0: when dependencies count; one of deadline, from and to, every, lookback."""

    deadline: str | None = None
    from_: str | None = msgspec.field(name="from", default=None)
    to: str | None = None
    every: timedelta | None = None
    offset: timedelta | None = None
    lookback: timedelta | None = None
    fire_once: bool = False
    timezone: str | None = None


class OnMiss(Model, frozen=True, kw_only=True):
    """2.0: what happens when a deadline passes unmet."""

    behavior: Literal["FAIL"] = "FAIL"
    labels: tuple[Label, ...] = ()


DEFAULT_FLOW_TRIGGER_STATES: Final[tuple[StateName, ...]] = (
    "SUCCESS",
    "WARNING",
    "FAILED",
    "KILLED",
    "CANCELLED",
    "RETRIED",
    "SKIPPED",
    "PAUSED",
)


class FlowTrigger(Trigger, frozen=True, kw_only=True):
    """Fires when executions of other flows reach a state."""

    inputs: dict[str, Any] | None = None
    states: tuple[StateName, ...] = DEFAULT_FLOW_TRIGGER_STATES
    preconditions: Preconditions | None = None
    depends_on: tuple[Dependency, ...] = ()
    mode: Literal["ALL", "ANY", "AT_LEAST"] = "ALL"
    min_satisfied: int | None = None
    window: DependencyWindow | None = None
    on_miss: OnMiss | None = None


class Webhook(Trigger, frozen=True, kw_only=True):
    """Fires on a request to a URL that holds its key."""

    key: str
    inputs: dict[str, Any] | None = None
    wait: bool = False
    return_outputs: bool = False
    response_content_type: str | None = None
    response_code: Any = None
    fetch_type: Literal["FETCH", "STORE", "NONE"] = "FETCH"


class McpToolTrigger(Trigger, frozen=True, kw_only=True):
    """2.0: offers the flow as a tool."""

    tool_name: str | None = None
    title: str | None = None
    tool_description: str | None = None
    mcp_server: str = "default"
    annotations: Any = None


class PluginTrigger(Trigger, frozen=True, kw_only=True):
    """A trigger that a worker evaluates; `properties`: what the source says beyond the shared."""

    properties: dict[str, Any] = msgspec.field(default_factory=dict)


AnyTrigger = Schedule | ScheduleOnDates | FlowTrigger | Webhook | McpToolTrigger | PluginTrigger

TRIGGERS: Final[dict[str, type[Trigger]]] = {
    TRIGGER_PACKAGE + "Schedule": Schedule,
    TRIGGER_PACKAGE + "ScheduleOnDates": ScheduleOnDates,
    TRIGGER_PACKAGE + "Flow": FlowTrigger,
    TRIGGER_PACKAGE + "Webhook": Webhook,
    TRIGGER_PACKAGE + "McpToolTrigger": McpToolTrigger,
}
"""Triggers with a Struct of their own, by canonical type."""
