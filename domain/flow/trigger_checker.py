"""Rules that triggers must obey."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from domain.dates.cron import InvalidCron, parse_cron
from domain.dates.zones import InvalidZone, parse_zone
from domain.flow.reading import Path, Reading, is_template
from domain.flow.triggers import (
    Condition,
    Filter,
    FlowTrigger,
    MultipleCondition,
    Not,
    Or,
    Schedule,
    ScheduleOnDates,
    Trigger,
    Webhook,
)
from domain.flow.window_checker import check_dependency_window, check_time_window

_LEAP_YEAR: Final = datetime(2024, 1, 1, tzinfo=UTC)
_LONGEST_KEY: Final = 256
_RESPONSES: Final = ("application/json", "text/plain")


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
            cron = parse_cron(schedule.cron, with_seconds=schedule.with_seconds)
        except InvalidCron as error:
            reading.rule(
                path,
                f"invalid cron expression '{schedule.cron}': {error}",
                "Write minute, hour, day of month, month and day of week, such as 0 9 * * 1-5.",
                schedule.cron,
                at=(*path, "cron"),
            )
        else:
            # a cron knows no years: what fits no day of a leap year and of those after fits none
            if cron.next(_LEAP_YEAR, UTC) is None:
                reading.warn(
                    f"The trigger '{schedule.id}' never fires: no date fits the cron "
                    f"'{schedule.cron}'."
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
            f"timezone '{name}' is not a valid time-zone ID",
            "Write an IANA name such as Europe/Paris.",
            name,
        )


def _check_webhook(webhook: Webhook, path: Path, reading: Reading) -> None:
    for index, condition in enumerate(webhook.conditions):
        if _asks_for_several(condition):
            reading.rule(
                path,
                "invalid webhook: conditions of type MultipleCondition are not supported",
                "Remove it: a request is judged by itself.",
                at=(*path, "conditions", index),
            )
    if isinstance(webhook.key, str):
        if not webhook.key.strip():
            reading.rule((*path, "key"), "must not be empty", "Write a key nobody can guess.")
        if len(webhook.key) > _LONGEST_KEY and not is_template(webhook.key):
            reading.rule(
                (*path, "key"), f"size must be between 0 and {_LONGEST_KEY}", "Shorten it."
            )
    kind = webhook.response_content_type
    if kind is not None and kind not in _RESPONSES and not is_template(kind):
        reading.rule(
            path,
            "invalid webhook: responseContentType must be either 'application/json' or "
            "'text/plain'",
            "Write one of them, or leave it out.",
            kind,
            at=(*path, "responseContentType"),
        )


def _asks_for_several(condition: Condition) -> bool:
    if isinstance(condition, Not | Or):
        return any(map(_asks_for_several, condition.conditions or ()))
    return isinstance(condition, MultipleCondition)


def _check_flow_trigger(trigger: FlowTrigger, path: Path, reading: Reading) -> None:
    if not (trigger.conditions or trigger.preconditions or trigger.depends_on or trigger.when):
        reading.warn(
            "This flow will be triggered for EVERY execution of EVERY flow on your instance. "
            f"We recommend adding the preconditions property to the Flow trigger '{trigger.id}'."
        )
    if trigger.depends_on and trigger.preconditions is not None:
        reading.rule(
            path, "`preconditions` and `dependsOn` exclude one another", "Keep `dependsOn`."
        )
    if trigger.mode == "AT_LEAST":
        most = len(trigger.depends_on)
        if trigger.min_satisfied is None:
            reading.rule(path, "`minSatisfied` must be set when mode is AT_LEAST", "Say how many.")
        elif trigger.min_satisfied < 1:
            reading.rule(
                (*path, "minSatisfied"),
                "must be greater than or equal to 1",
                "Mend the number.",
                trigger.min_satisfied,
            )
        elif trigger.min_satisfied > most:
            reading.rule(
                path,
                "`minSatisfied` cannot be greater than the number of `dependsOn` conditions "
                f"({most})",
                "Mend the number.",
                at=(*path, "minSatisfied"),
            )
    if trigger.window is not None:
        check_dependency_window(trigger.window, (*path, "window"), reading)
        _check_zone(trigger.window.timezone, (*path, "window"), reading)
    if trigger.on_miss is not None and (trigger.window is None or trigger.window.deadline is None):
        reading.rule((*path, "onMiss"), "needs a window with a deadline", "Add `window.deadline`.")
    conditions = trigger.preconditions
    if conditions is not None:
        if conditions.time_window is not None:
            check_time_window(
                conditions.time_window, (*path, "preconditions", "timeWindow"), reading
            )
        for index, group in enumerate(conditions.where):
            place = (*path, "preconditions", "where", index)
            if not group.filters:
                reading.rule((*place, "filters"), "must not be empty", "Add a filter.")
            for number, item in enumerate(group.filters):
                _check_filter(item, (*place, "filters", number), reading)


def _check_filter(item: Filter, path: Path, reading: Reading) -> None:
    many = item.type in ("IN", "NOT_IN")
    for name, given, wanted in (
        ("value", item.value is not None, not many),
        ("values", bool(item.values), many),
    ):
        if given != wanted:
            must = "cannot" if wanted else "must"
            reading.rule(
                path,
                f"`{name}` {must} be null for type {item.type}",
                f"{'Add' if wanted else 'Remove'} `{name}`.",
            )


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
            check_time_window(condition.time_window, (*path, "timeWindow"), reading)
