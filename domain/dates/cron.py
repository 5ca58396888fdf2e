"""Cron expressions in Kestra's flavour, on local wall time.

Five fields (minute, hour, day of month, month, day of week), or six with seconds first. Day of
month and day of week both given: either is enough. A wall time that a spring change leaves out is
skipped. Where an autumn change repeats an hour, the second pass is left out if the firing after its
first one is two hours away or more: what comes every hour goes on, what comes once comes once.
Compare results in UTC: Python calls an ambiguous local time unequal to the same instant elsewhere.

Source: cron-utils as Kestra's Schedule defines it; why not croniter: docs/adr/0002-cron.md.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final

import msgspec

from domain.dates.changes import (
    gap_end,
    gap_start,
    is_ambiguous,
    is_gap,
    overlap_end,
    overlap_of,
)
from domain.errors import InvalidInput

NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""In lower case only."""

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), 1
    )
}
_DAYS: Final = {
    name: number for number, name in enumerate(("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"), 1)
}
_HORIZON_YEARS: Final = 9
"""29 February is at most eight years away."""
_SECOND: Final = timedelta(seconds=1)
_RARE: Final = timedelta(hours=2)
"""So far is the firing after the first one of a second pass that is left out."""
_LONGEST: Final = 1_000
_EVERY: Final = frozenset({"*", "*/1"})
"""A day field that lets every day through, so that the other one decides."""
_DIGITS: Final = re.compile(r"[0-9]{1,9}")
_UNKNOWN: Final = re.compile(r"[0-9*]")


class InvalidCron(InvalidInput):
    """An expression that is no cron expression of this flavour."""

    code = "FLOW021"


class _Field(msgspec.Struct, frozen=True):
    low: int
    high: int
    names: dict[str, int]


_SECONDS: Final = _Field(0, 59, {})
_MINUTES: Final = _Field(0, 59, {})
_HOURS: Final = _Field(0, 23, {})
_DAYS_OF_MONTH: Final = _Field(1, 31, {})
_MONTHS_OF_YEAR: Final = _Field(1, 12, _MONTHS)
_DAYS_OF_WEEK: Final = _Field(0, 7, _DAYS)


class Cron(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed expression: the values that each field lets through, ascending."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...] | None
    """Days of the month; None: `*`."""
    months: tuple[int, ...]
    weekdays: frozenset[int] | None
    """0 is Monday, 6 is Sunday; None: `*`."""

    def next(self, after: datetime, zone: tzinfo) -> datetime | None:
        """Return the first instant strictly later than `after`, in `zone`; None: never again.

        Args:
            after: aware instant.
            zone: where the fields are read.
        """
        found = self._following(after, zone)
        while found is not None and self._is_left_out(found, zone):
            found = self._following(found, zone)
        return found

    def previous(self, before: datetime, zone: tzinfo) -> datetime | None:
        """Return the last instant strictly earlier than `before`, in `zone`; None: never before.

        Args:
            before: aware instant.
            zone: where the fields are read.
        """
        found = self._preceding(before, zone)
        while found is not None and self._is_left_out(found, zone):
            found = self._preceding(found, zone)
        return found

    def _is_left_out(self, moment: datetime, zone: tzinfo) -> bool:
        """Tell whether a match stands in a second pass that is left out."""
        if moment.fold == 0 or not is_ambiguous(moment):
            return False
        first = self._first_wall(overlap_end(moment) - overlap_of(moment))
        if first is None:
            return False
        again = first.replace(tzinfo=zone, fold=1)
        later = self._following(again, zone)
        return later is None or later.astimezone(UTC) - again.astimezone(UTC) >= _RARE

    def _following(self, after: datetime, zone: tzinfo) -> datetime | None:
        """Return the first match strictly later, in either pass of a repeated hour."""
        local = after.astimezone(zone)
        wall = local.replace(tzinfo=None, microsecond=0, fold=0) + _SECOND
        if local.fold == 0 and is_ambiguous(local):
            return self._next_in_overlap(local, wall, zone)
        return self._first_real(wall, zone, fold=local.fold)

    def _preceding(self, before: datetime, zone: tzinfo) -> datetime | None:
        """Return the last match strictly earlier, in either pass of a repeated hour."""
        local = before.astimezone(zone)
        cut = local.replace(tzinfo=None, microsecond=0, fold=0)
        wall = cut if local.microsecond else cut - _SECOND
        if local.fold == 1 and is_ambiguous(local):
            end = overlap_end(local)
            start = end - overlap_of(local)
            found = self._last_wall(wall)
            if found is not None and found >= start:
                return found.replace(tzinfo=zone, fold=1)
            return self._last_real(end - _SECOND, zone, fold=0)
        fold = 0 if local.fold == 0 and is_ambiguous(local) else 1
        return self._last_real(wall, zone, fold=fold)

    def _next_in_overlap(self, local: datetime, wall: datetime, zone: tzinfo) -> datetime | None:
        """Go on from the first pass of a repeated hour: the rest of it, then the second pass."""
        found = self._first_wall(wall)
        end = overlap_end(local)
        if found is not None and found < end:
            return found.replace(tzinfo=zone)
        again = self._first_wall(end - overlap_of(local))
        if again is not None and again < end:
            return again.replace(tzinfo=zone, fold=1)
        return self._first_real(end, zone, fold=0)

    def _first_real(self, wall: datetime, zone: tzinfo, *, fold: int) -> datetime | None:
        found = self._first_wall(wall)
        while found is not None:
            here = found.replace(tzinfo=zone, fold=fold)
            if fold and not is_ambiguous(here):
                here = here.replace(fold=0)
            if not is_gap(here):
                return here
            found = self._first_wall(gap_end(here))
        return None

    def _last_real(self, wall: datetime, zone: tzinfo, *, fold: int) -> datetime | None:
        found = self._last_wall(wall)
        while found is not None:
            here = found.replace(tzinfo=zone)
            if is_ambiguous(here):
                return here.replace(fold=1) if fold else here
            if not is_gap(here):
                return here
            found = self._last_wall(gap_start(here) - _SECOND)
        return None

    def _first_wall(self, wall: datetime) -> datetime | None:
        """Return the first matching wall time that is not before `wall`."""
        year, month = wall.year, wall.month
        last_year = min(year + _HORIZON_YEARS, 9999)
        from_day = wall.day
        from_time: time | None = wall.time()
        while year <= last_year:
            if month in self.months:
                for day in self._days_of(year, month):
                    if day < from_day:
                        continue
                    clock = self._first_time(from_time if day == from_day else None)
                    if clock is not None:
                        return datetime(year, month, day, *clock)  # noqa: DTZ001 - wall time
            from_day, from_time = 0, None
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        return None

    def _last_wall(self, wall: datetime) -> datetime | None:
        """Return the last matching wall time that is not after `wall`."""
        year, month = wall.year, wall.month
        first_year = max(year - _HORIZON_YEARS, 1)
        to_day = wall.day
        to_time: time | None = wall.time()
        while year >= first_year:
            if month in self.months:
                for day in reversed(self._days_of(year, month)):
                    if day > to_day:
                        continue
                    clock = self._last_time(to_time if day == to_day else None)
                    if clock is not None:
                        return datetime(year, month, day, *clock)  # noqa: DTZ001 - wall time
            to_day, to_time = 32, None
            year, month = (year - 1, 12) if month == 1 else (year, month - 1)
        return None

    def _days_of(self, year: int, month: int) -> Sequence[int]:
        first_weekday, length = monthrange(year, month)
        every = range(1, length + 1)
        if self.days is None and self.weekdays is None:
            return every
        return [
            day
            for day in every
            if (self.days is not None and day in self.days)
            or (self.weekdays is not None and (first_weekday + day - 1) % 7 in self.weekdays)
        ]

    def _first_time(self, least: time | None) -> tuple[int, int, int] | None:
        if least is None:
            return self.hours[0], self.minutes[0], self.seconds[0]
        for hour in self.hours[bisect_left(self.hours, least.hour) :]:
            if hour > least.hour:
                return hour, self.minutes[0], self.seconds[0]
            for minute in self.minutes[bisect_left(self.minutes, least.minute) :]:
                if minute > least.minute:
                    return hour, minute, self.seconds[0]
                place = bisect_left(self.seconds, least.second)
                if place < len(self.seconds):
                    return hour, minute, self.seconds[place]
        return None

    def _last_time(self, most: time | None) -> tuple[int, int, int] | None:
        if most is None:
            return self.hours[-1], self.minutes[-1], self.seconds[-1]
        for hour in reversed(self.hours[: bisect_right(self.hours, most.hour)]):
            if hour < most.hour:
                return hour, self.minutes[-1], self.seconds[-1]
            for minute in reversed(self.minutes[: bisect_right(self.minutes, most.minute)]):
                if minute < most.minute:
                    return hour, minute, self.seconds[-1]
                place = bisect_right(self.seconds, most.second)
                if place:
                    return hour, minute, self.seconds[place - 1]
        return None


@lru_cache(maxsize=4_096)
def parse_cron(text: str, *, with_seconds: bool = False) -> Cron:
    """Read an expression.

    Args:
        text: five fields, blanks around and between do not matter; or a nickname.
        with_seconds: six fields, seconds first.

    Raises:
        InvalidCron: with the words that clients know.
    """
    if not text.strip():
        raise InvalidCron("Empty expression!")
    if text == "@reboot":
        raise InvalidCron("Nickname @reboot not supported!")
    nickname = NICKNAMES.get(text)
    parts = (nickname or text[:_LONGEST]).split()
    if nickname and with_seconds:
        parts = ["0", *parts]
    expected = 6 if with_seconds else 5
    if len(parts) != expected or len(text) > _LONGEST:
        raise InvalidCron(
            f"Cron expression contains {len(parts)} parts but we expect one of [{expected}]"
        )
    if not with_seconds:
        parts = ["0", *parts]
    second, minute, hour, day, month, weekday = parts
    seconds = _values(second, _SECONDS)
    minutes = _values(minute, _MINUTES)
    hours = _values(hour, _HOURS)
    days = _values(day, _DAYS_OF_MONTH)
    months = _values(month, _MONTHS_OF_YEAR)
    weekdays = _values(weekday, _DAYS_OF_WEEK)
    return Cron(
        seconds=seconds,
        minutes=minutes,
        hours=hours,
        days=None if day in _EVERY else days,
        months=months,
        weekdays=None if weekday in _EVERY else frozenset((value - 1) % 7 for value in weekdays),
    )


def _values(text: str, field: _Field) -> tuple[int, ...]:
    if text.endswith(",") and len(text) > 1:
        raise InvalidCron(f"Invalid field value! Trailing commas not permitted! '{text[:60]}'")
    found: set[int] = set()
    for part in text.split(","):
        found.update(_part(part.upper(), field))
    return tuple(sorted(found))


def _part(text: str, field: _Field) -> range:
    base, slash, period = text.partition("/")
    step = 1
    if slash:
        step = _period(period, text, field)
    if base == "*" or (slash and not base):
        return range(field.low, field.high + 1, step)
    start, dash, end = base.partition("-")
    if dash:
        return _between(start, end, base, step, field)
    first = _value(start, text, field)
    if not slash:
        return range(first, first + 1)
    return range(_mapped(first, field), field.high + 1, step)


def _between(start: str, end: str, base: str, step: int, field: _Field) -> range:
    if not start:
        raise _failed(
            f"Invalid expression! Expression: {base[:60]} does not describe a range. "
            "Negative numbers are not allowed."
        )
    if not end or "-" in end:
        raise _failed(f"Missing values for range: {base[:60]}")
    first, last = _value(start, base, field), _value(end, base, field)
    if last < first:
        raise _failed(f"Invalid range! [{first},{last}]")
    return range(first, last + 1, step)


def _period(period: str, text: str, field: _Field) -> int:
    if not period:
        raise _failed(f"Missing steps for expression: {text[:60]}")
    if not _DIGITS.fullmatch(period):
        raise _failed(f'For input string: "{period[:60]}"')
    step = int(period)
    if not 0 < step <= field.high:
        raise _failed(f"Period {step} not in range [{field.low}, {field.high}]")
    return step


def _mapped(value: int, field: _Field) -> int:
    """Return the start of steps: the seventh day of the week is day 0."""
    return 0 if field is _DAYS_OF_WEEK and value == field.high else value


def _value(text: str, whole: str, field: _Field) -> int:
    value = _number(text, whole, field.names)
    if not field.low <= value <= field.high:
        raise _failed(f"Value {value} not in range [{field.low}, {field.high}]")
    return value


def _number(text: str, whole: str, names: dict[str, int]) -> int:
    named = names.get(text)
    if named is not None:
        return named
    if _DIGITS.fullmatch(text):
        return int(text)
    if text == "?" or "#" in text:
        raise _failed(f"Invalid expression: {whole[:60]}")
    letters = _UNKNOWN.sub("", text)
    raise _failed(
        f"Invalid chars in expression! Expression: {whole[:60]} Invalid chars: {letters[:60]}"
    )


def _failed(reason: str) -> InvalidCron:
    return InvalidCron(f"Failed to parse cron expression. {reason}")
