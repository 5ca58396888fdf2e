"""Adding calendar units to dates, by the rules of `java.time`."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeVar

from domain.errors import InvalidInput

_Day = TypeVar("_Day", bound=date)


class InvalidDate(InvalidInput):
    """A text, number, pattern, zone or unit that is no date or makes none."""

    code = "FLOW022"


_EXACT: Final = {
    "NANOS": timedelta(microseconds=0),
    "MICROS": timedelta(microseconds=1),
    "MILLIS": timedelta(milliseconds=1),
    "SECONDS": timedelta(seconds=1),
    "MINUTES": timedelta(minutes=1),
    "HOURS": timedelta(hours=1),
    "HALF_DAYS": timedelta(hours=12),
}
_MONTHS: Final = {
    "MONTHS": 1,
    "YEARS": 12,
    "DECADES": 120,
    "CENTURIES": 1_200,
    "MILLENNIA": 12_000,
}
_DAYS: Final = {"DAYS": 1, "WEEKS": 7}

UNITS: Final = frozenset(_EXACT) | frozenset(_MONTHS) | frozenset(_DAYS)
"""Names of `java.time.temporal.ChronoUnit` that can be added, capitals only."""


def shifted(moment: _Day, amount: int, unit: str) -> _Day:
    """Return a date moved by an amount of a unit.

    Days and longer units move the wall clock, hours and shorter ones the instant; a day that the
    month lacks becomes its last, a wall time that daylight saving skips moves on by the gap.

    Args:
        moment: date, local date-time or zoned date-time.
        amount: may be negative.
        unit: one of `UNITS`.

    Raises:
        InvalidDate: an unknown unit, one that a plain date lacks, or a result beyond years 1 to
            9999.
    """
    if unit not in UNITS:
        raise InvalidDate(f"No enum constant java.time.temporal.ChronoUnit.{unit}")
    try:
        if unit in _MONTHS:
            return _settled(_month_shifted(moment, amount * _MONTHS[unit]))
        if unit in _DAYS:
            return _settled(moment + timedelta(days=amount * _DAYS[unit]))
        if not isinstance(moment, datetime):
            raise InvalidDate(f"Unsupported unit: {unit.capitalize()}")
        step = (
            timedelta(microseconds=int(amount / 1_000))
            if unit == "NANOS"
            else (amount * _EXACT[unit])
        )
        if moment.tzinfo is None:
            return moment + step
        return (moment.astimezone(UTC) + step).astimezone(moment.tzinfo)
    except (OverflowError, ValueError):
        raise InvalidDate(f"{moment} and {amount} {unit} is no date") from None


def _month_shifted(moment: _Day, months: int) -> _Day:
    count = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(count, 12)
    if not 1 <= year <= 9999:
        raise OverflowError
    day = min(moment.day, monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _settled(moment: _Day) -> _Day:
    """Move a wall time that does not exist in its zone on by the gap."""
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        return moment
    return moment.astimezone(UTC).astimezone(moment.tzinfo)
