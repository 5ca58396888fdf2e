"""When a Schedule trigger fires: cron and dates, in the trigger's time zone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from domain.dates.cron import parse_cron
from domain.dates.zones import parse_zone
from domain.flow.triggers import Schedule


def next_fire_time(
    schedule: Schedule, after: datetime, default_zone: str = "UTC"
) -> datetime | None:
    """Return the first instant strictly later than `after` at which the schedule fires.

    Args:
        schedule: its cron, `with_seconds` and zone.
        after: aware instant.
        default_zone: the server's zone, for schedules without one.

    Returns:
        Aware instant in the schedule's zone, whole seconds; None when it never fires again.

    Raises:
        InvalidCron: the expression cannot be parsed (FLOW021).
        InvalidZone: the zone is unknown (FLOW022).

    Source: Kestra `Schedule`, property `cron`.
    """
    cron = parse_cron(schedule.cron, with_seconds=schedule.with_seconds)
    return cron.next(after, parse_zone(schedule.timezone or default_zone))


def previous_fire_time(
    schedule: Schedule, before: datetime, default_zone: str = "UTC"
) -> datetime | None:
    """Return the last instant strictly earlier than `before` at which the schedule fired.

    Arguments, result and errors are those of `next_fire_time`.
    """
    cron = parse_cron(schedule.cron, with_seconds=schedule.with_seconds)
    return cron.previous(before, parse_zone(schedule.timezone or default_zone))


def next_date(dates: Iterable[datetime], after: datetime) -> datetime | None:
    """Return the earliest of some aware dates that is strictly later than `after`, or None."""
    return min((date for date in dates if date > after), default=None)


def previous_date(dates: Iterable[datetime], before: datetime) -> datetime | None:
    """Return the latest of some aware dates that is strictly earlier than `before`, or None."""
    return max((date for date in dates if date < before), default=None)
