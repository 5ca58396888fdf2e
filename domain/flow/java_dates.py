"""Why a text is no date or time of day, in the words that clients of the API know."""

from __future__ import annotations

import re
from calendar import isleap, month_name, monthrange
from typing import Final

_DATE: Final = (r"\d{4}(?!\d)", "-", r"\d\d", "-", r"\d\d")
_TIME: Final = (r"\d\d", ":", r"\d\d")
_SECONDS: Final = (":", r"\d\d")
_FRACTION: Final = re.compile(r"\.\d{1,9}")
_CLOCK: Final = (("HourOfDay", 23), ("MinuteOfHour", 59), ("SecondOfMinute", 59))
_SHOWN: Final = 64


def date_fault(text: str) -> str:
    """Return why a text is no ISO date; for texts that are none."""
    return _fault(text, *_read_date(text))


def time_fault(text: str) -> str:
    """Return why a text is no ISO time of day; for texts that are none."""
    return _fault(text, *_read_time(text))


def _read_date(text: str) -> tuple[int, str | None]:
    """Return the place where reading stops, and what is wrong with the values."""
    end, fields = _walk(text, 0, _DATE)
    if len(fields) < 3:
        return ~end, None
    year, month, day = fields
    if not 1 <= month <= 12:
        return end, _invalid("MonthOfYear", "1 - 12", month)
    if not 1 <= day <= 31:
        return end, _invalid("DayOfMonth", "1 - 28/31", day)
    if day > monthrange(year or 4, month)[1]:
        if day == 29 and not isleap(year):
            return end, f"Invalid date 'February 29' as '{year}' is not a leap year"
        return end, f"Invalid date '{month_name[month].upper()} {day}'"
    return end, None


def _read_time(text: str) -> tuple[int, str | None]:
    end, fields = _walk(text, 0, _TIME)
    if len(fields) < 2:
        return ~end, None
    if text[end : end + 1] == ":":
        end, seconds = _walk(text, end, _SECONDS)
        if not seconds:
            return ~end, None
        fields += seconds
        fraction = _FRACTION.match(text, end)
        end = end if fraction is None else fraction.end()
    for (name, most), value in zip(_CLOCK, fields, strict=False):
        if value > most:
            return end, _invalid(name, f"0 - {most}", value)
    return end, None


def _walk(text: str, at: int, parts: tuple[str, ...]) -> tuple[int, list[int]]:
    """Read parts one after the other; returns the place of the first that does not fit."""
    fields: list[int] = []
    for part in parts:
        found = re.compile(part, re.ASCII).match(text, at)
        if found is None:
            break
        at = found.end()
        if found.group().isdigit():
            fields.append(int(found.group()))
    return at, fields


def _invalid(name: str, span: str, value: int) -> str:
    return f"Invalid value for {name} (valid values {span}): {value}"


def _fault(text: str, place: int, wrong: str | None) -> str:
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
    head = f"Text '{shown}' could not be parsed"
    if place < 0:
        return f"{head} at index {~place}"
    if place < len(text):
        return f"{head}, unparsed text found at index {place}"
    return f"{head}: {wrong}" if wrong else f"{head} at index 0"
