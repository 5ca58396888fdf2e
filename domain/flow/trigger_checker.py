"""Rules that triggers must obey."""

from __future__ import annotations

from typing import Any, Final

from domain.flow.reading import Path, Reading, is_template
from domain.flow.triggers import (
    Condition,
    DependencyWindow,
    FlowTrigger,
    MultipleCondition,
    Not,
    Or,
    Schedule,
    ScheduleOnDates,
    TimeWindow,
    Trigger,
    Webhook,
)
from domain.trigger.schedule import InvalidCron, InvalidZone, parse_cron, parse_zone

_LONGEST_KEY: Final = 256


def check_trigger(trigger: Trigger, path: Path, reading: Reading) -> None:
    """Report every rule that a trigger breaks, its conditions included."""
    for index, condition in enumerate(trigger.conditions):
        _check_condition(condition, (*path, "conditions", index), reading)
    for label in trigger.labels:
        if label.key.startswith("system."):
            reading.rule(
                (*path, "labels"),
                "System labels can only be set by Kestra itself, offending label: "
                f"{label.key}={label.value}",
                "Choose a key that does not start with `system.`.",
            )
    if isinstance(trigger, Schedule):
        _check_schedule(trigger, path, reading)
    elif isinstance(trigger, ScheduleOnDates):
        _check_zone(trigger.timezone, path, reading)
    elif isinstance(trigger, FlowTrigger):
        _check_flow_trigger(trigger, path, reading)
    elif isinstance(trigger, Webhook):
        _check_webhook(trigger, path, reading)


def _check_schedule(schedule: Schedule, path: Path, reading: Reading) -> None:
    if isinstance(schedule.cron, str):
        try:
            parse_cron(schedule.cron, with_seconds=schedule.with_seconds)
        except InvalidCron as error:
            reading.rule(
                path,
                f"invalid cron expression '{schedule.cron}': {error}",
                "Write minute, hour, day of month, month and day of week, such as 0 9 * * 1-5.",
                schedule.cron,
                at=(*path, "cron"),
            )
    _check_zone(schedule.timezone, path, reading)
    if schedule.backfill is not None:
        reading.deprecate((*path, "backfill"))
    if schedule.schedule_conditions:
        reading.deprecate((*path, "scheduleConditions"))
    for index, condition in enumerate(schedule.schedule_conditions):
        _check_condition(condition, (*path, "scheduleConditions", index), reading)


def _check_zone(name: str | None, path: Path, reading: Reading) -> None:
    if name is None or is_template(name):
        return
    try:
        parse_zone(name)
    except InvalidZone:
        reading.rule(
            (*path, "timezone"),
            f"is not a valid time zone: {name}",
            "Write an IANA name such as Europe/Paris.",
            name,
        )


def _check_webhook(webhook: Webhook, path: Path, reading: Reading) -> None:
    if isinstance(webhook.key, str):
        if not webhook.key.strip():
            reading.rule((*path, "key"), "must not be empty", "Write a key nobody can guess.")
        if len(webhook.key) > _LONGEST_KEY and not is_template(webhook.key):
            reading.rule(
                (*path, "key"), f"size must be between 0 and {_LONGEST_KEY}", "Shorten it."
            )


def _check_flow_trigger(trigger: FlowTrigger, path: Path, reading: Reading) -> None:
    if trigger.depends_on and trigger.preconditions is not None:
        reading.rule(
            path, "`preconditions` and `dependsOn` exclude one another", "Keep `dependsOn`."
        )
    if trigger.mode == "AT_LEAST":
        most = len(trigger.depends_on)
        if trigger.min_satisfied is None:
            reading.rule((*path, "minSatisfied"), "must not be null", "Say how many.")
        elif not 1 <= trigger.min_satisfied <= most:
            reading.rule(
                (*path, "minSatisfied"), f"must be between 1 and {most}", "Mend the number."
            )
    if trigger.window is not None:
        _check_window(trigger.window, (*path, "window"), reading)
    if trigger.on_miss is not None and (trigger.window is None or trigger.window.deadline is None):
        reading.rule((*path, "onMiss"), "needs a window with a deadline", "Add `window.deadline`.")
    conditions = trigger.preconditions
    if conditions is not None:
        if conditions.time_window is not None:
            _check_time_window(
                conditions.time_window, (*path, "preconditions", "timeWindow"), reading
            )
        for index, group in enumerate(conditions.where):
            place = (*path, "preconditions", "where", index)
            if not group.filters:
                reading.rule((*place, "filters"), "must not be empty", "Add a filter.")


def _check_window(window: DependencyWindow, path: Path, reading: Reading) -> None:
    kinds = [
        name
        for name, given in (
            ("deadline", window.deadline),
            ("from and to", window.from_ or window.to),
            ("every", window.every),
            ("lookback", window.lookback),
        )
        if given
    ]
    if len(kinds) > 1:
        reading.rule(path, f"{' and '.join(kinds)} exclude one another", "Keep one of them.")
    if bool(window.from_) != bool(window.to):
        reading.rule(path, "`from` and `to` belong together", "Write both.")
    if window.offset is not None and window.every is None:
        reading.rule((*path, "offset"), "belongs to `every`", "Add `every`.")
    _check_zone(window.timezone, path, reading)


def _check_time_window(window: TimeWindow, path: Path, reading: Reading) -> None:
    needed: dict[str, tuple[tuple[str, Any], ...]] = {
        "DAILY_TIME_DEADLINE": (("deadline", window.deadline),),
        "DAILY_TIME_WINDOW": (("startTime", window.start_time), ("endTime", window.end_time)),
        "SLIDING_WINDOW": (("window", window.window),),
    }
    for name, given in needed.get(window.type, ()):
        if given is None:
            reading.rule((*path, name), "must not be null", f"{window.type} needs `{name}`.")


def _check_condition(condition: Condition, path: Path, reading: Reading) -> None:
    if isinstance(condition, Not | Or):
        for index, inner in enumerate(condition.conditions or ()):
            _check_condition(inner, (*path, "conditions", index), reading)
        if not condition.conditions and condition.conditions is not None:
            reading.rule((*path, "conditions"), "must not be empty", "Add a condition.")
    elif isinstance(condition, MultipleCondition):
        for key, inner in condition.conditions.items():
            _check_condition(inner, (*path, "conditions", key), reading)
        if condition.time_window is not None:
            _check_time_window(condition.time_window, (*path, "timeWindow"), reading)
