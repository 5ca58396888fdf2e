"""The calendar functions of 2.0; a date counts in its own zone, or else in the scope's."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date as day
from datetime import datetime
from typing import Any, Final

from domain.expression.errors import Fault
from domain.expression.filters.dates import moment_of
from domain.expression.registry import REQUIRED, function
from domain.expression.runtime import Run

_DAYS: Final = (
    "MONDAY",
    "TUESDAY",
    "WEDNESDAY",
    "THURSDAY",
    "FRIDAY",
    "SATURDAY",
    "SUNDAY",
)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_POSITIONS: Final = ("FIRST", "SECOND", "THIRD", "FOURTH")


@function("dayOfWeek", date=REQUIRED)
def day_of_week(run: Run, date: Any) -> str:
    """Return the day's name in capitals."""
    return _DAYS[moment_of(date, run.scope).weekday()]


@function("dayOfMonth", date=REQUIRED)
def day_of_month(run: Run, date: Any) -> int:
    """Return 1 to 31."""
    return moment_of(date, run.scope).day


@function("monthOfYear", date=REQUIRED)
def month_of_year(run: Run, date: Any) -> int:
    """Return 1 to 12."""
    return moment_of(date, run.scope).month


@function("hourOfDay", date=REQUIRED)
def hour_of_day(run: Run, date: Any) -> int:
    """Return 0 to 23; a day without a time has no hour."""
    is_day = isinstance(date, day) and not isinstance(date, datetime)
    if is_day or (isinstance(date, str) and _DAY.fullmatch(date.strip())):
        raise Fault("The 'hourOfDay' function expects a date with a time as argument 'date'.")
    return moment_of(date, run.scope).hour


@function("isWeekend", date=REQUIRED)
def is_weekend(run: Run, date: Any) -> bool:
    """Tell whether the day is a Saturday or Sunday."""
    return moment_of(date, run.scope).weekday() >= 5


@function("isDayWeekInMonth", date=REQUIRED, dayOfWeek=REQUIRED, position=REQUIRED)
def is_day_week_in_month(run: Run, date: Any, weekday: Any, position: Any) -> bool:
    """Tell whether the day is the first to fourth, or last, such weekday of its month."""
    moment = moment_of(date, run.scope)
    wanted = _one_of(weekday, _DAYS, "dayOfWeek")
    where = _one_of(position, (*_POSITIONS, "LAST"), "position")
    if moment.weekday() != wanted:
        return False
    if where == len(_POSITIONS):
        return moment.day + 7 > monthrange(moment.year, moment.month)[1]
    return (moment.day - 1) // 7 == where


@function("isLastWorkingDay", date=REQUIRED, workingDays=None)
def is_last_working_day(run: Run, date: Any, working: Any) -> bool:
    """Tell whether the day is its month's last working day, by default of Monday to Friday."""
    moment = moment_of(date, run.scope)
    names = list(_DAYS[:5]) if working is None else working
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",")]
    if not isinstance(names, (list, tuple)):
        raise Fault(
            "The 'isLastWorkingDay' function expects names of days, as a list or with commas "
            "between, as argument 'workingDays'."
        )
    worked = {_one_of(name, _DAYS, "workingDays") for name in names}
    last = monthrange(moment.year, moment.month)[1]
    days = [day for day in range(1, last + 1) if moment.replace(day=day).weekday() in worked]
    return bool(days) and moment.day == days[-1]


@function("isDateBefore", date=REQUIRED, before=REQUIRED)
def is_date_before(run: Run, date: Any, before: Any) -> bool:
    """Tell whether a moment is strictly before another."""
    return moment_of(date, run.scope) < moment_of(before, run.scope)


@function("isDateAfter", date=REQUIRED, after=REQUIRED)
def is_date_after(run: Run, date: Any, after: Any) -> bool:
    """Tell whether a moment is strictly after another."""
    return moment_of(date, run.scope) > moment_of(after, run.scope)


@function("isDateBetween", date=REQUIRED, after=REQUIRED, before=REQUIRED)
def is_date_between(run: Run, date: Any, after: Any, before: Any) -> bool:
    """Tell whether a moment is strictly between two others."""
    scope = run.scope
    return moment_of(after, scope) < moment_of(date, scope) < moment_of(before, scope)


def _one_of(value: Any, known: tuple[str, ...], name: str) -> int:
    if not isinstance(value, str) or value.upper() not in known:
        raise Fault(f"The argument '{name}' must be one of {', '.join(known)}.")
    return known.index(value.upper())
