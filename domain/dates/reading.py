"""Whatever stands for a date to a moment: dates, epoch seconds, texts in ISO form or a pattern."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Final

import regex

from domain.dates import names
from domain.dates.arithmetic import InvalidDate
from domain.dates.formatting import NAMED, PATTERNS
from domain.dates.parsing import offset_zone, parse_iso
from domain.dates.patterns import Element, parse_pattern
from domain.dates.zones import named_zone

_NOON: Final = time(12)
_NAMED_PATTERNS: Final = {
    "basic_iso_date": "yyyyMMdd[XX]",
    "iso_ordinal_date": "yyyy-DDD[XXX]",
    "iso_week_date": "YYYY-'W'ww-e[XXX]",
    "rfc_1123_date_time": "[EEE, ]d MMM yyyy HH:mm[:ss] [XX][z]",
}
_LONGEST: Final = 1_000
_NUMERIC: Final = frozenset("uyYDMLdQqwWFhKkHmsSAnNec")
_MONTHS_PER_QUARTER: Final = 3


def read_date(
    value: object, zone: tzinfo, existing_format: str | None = None, locale: str = "en_US"
) -> datetime:
    """Return the moment that a value stands for.

    Args:
        value: aware date-time; local date-time or text without zone, taken in `zone`; date, taken
            at noon, and text of a date, at midnight; whole number of seconds since 1970.
        zone: for what has none of its own.
        existing_format: pattern or name of a format that a text has; None for ISO.
        locale: of names in the text.

    Returns:
        An aware moment, in its own zone if it has one.

    Raises:
        InvalidDate: it stands for no date.

    Source: Kestra's date filters, `ecosystem.md` 6.4.
    """
    if isinstance(value, str):
        return _text(value, zone, existing_format, locale)
    if isinstance(value, datetime):
        return value if value.tzinfo else _local(value, zone)
    if isinstance(value, date):
        return _local(datetime.combine(value, _NOON), zone)
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC).astimezone(zone)
        except (OverflowError, ValueError, OSError):
            raise InvalidDate(f"{str(value)[:40]} seconds are beyond the calendar") from None
    raise InvalidDate(f"A value of type {type(value).__name__} is no date")


def _local(moment: datetime, zone: tzinfo) -> datetime:
    """Put a local time into a zone; one that daylight saving skips moves on by the gap."""
    aware = moment.replace(tzinfo=zone)
    try:
        return aware.astimezone(UTC).astimezone(zone)
    except (OverflowError, ValueError):
        return aware


def _text(text: str, zone: tzinfo, existing_format: str | None, locale: str) -> datetime:
    found = (
        parse_iso(text) if existing_format is None else _formatted(text, existing_format, locale)
    )
    if found is None:
        raise InvalidDate(f"Text '{text[:100]}' could not be parsed as a date")
    if not isinstance(found, datetime):
        found = datetime.combine(found, time())
    return found if found.tzinfo else _local(found, zone)


def _formatted(text: str, form: str, locale: str) -> datetime | date | None:
    name = form.lower()
    if name in NAMED and name not in _NAMED_PATTERNS:
        return parse_iso(text)
    if len(text) > _LONGEST:
        return None
    if name == "iso_week_date":
        locale = "fr_FR"  # whose weeks are ISO's
    elif name == "rfc_1123_date_time":
        locale = "en_US"
    pattern = _NAMED_PATTERNS.get(name) or PATTERNS.get(name, form)
    compiled, groups = _compiled(pattern, locale)
    found = compiled.fullmatch(text, timeout=1)
    if found is None:
        return None
    fields: dict[str, Any] = {}
    for group, (letter, width) in groups.items():
        matched = found.group(group)
        if matched is None:
            continue
        known = _value(letter, width, matched, locale)
        if fields.setdefault(_FIELDS.get(letter, letter), known) != known:
            return None
    try:
        return _resolved(fields, locale)
    except (ValueError, OverflowError):
        return None


_FIELDS: Final = {
    "u": "y",
    "L": "M",
    "q": "Q",
    "e": "E",
    "c": "E",
    "x": "X",
    "Z": "X",
    "O": "X",
    "v": "z",
}


@lru_cache(maxsize=256)
def _compiled(pattern: str, locale: str) -> tuple[Any, dict[str, tuple[str, int]]]:
    """Return a pattern as a regular expression, and which group holds which letter."""
    groups: dict[str, tuple[str, int]] = {}
    parts: list[str] = []
    for index, element in enumerate(parse_pattern(pattern)):
        if element.letter == "[":
            parts.append("(?:")
        elif element.letter == "]":
            parts.append(")?")
        elif not element.letter:
            parts.append(regex.escape(element.text))
        else:
            group = f"g{index}"
            groups[group] = element.letter, element.width
            blanks = " *" if element.pad else ""
            parts.append(f"{blanks}(?P<{group}>{_expression(element, locale)})")
    return regex.compile("".join(parts)), groups


def _expression(element: Element, locale: str) -> str:
    letter, width = element.letter, element.width
    words = _words(letter, width, locale)
    if words:
        return "|".join(regex.escape(word) for word in sorted(words, key=len, reverse=True))
    match letter:
        case "S":
            return rf"\d{{{width}}}"
        case "y" | "u" | "Y":
            return r"\d{2}" if width == 2 else rf"\d{{{width},{max(width, 9)}}}"
        case "A" | "n" | "N":
            return rf"\d{{{width},19}}"
        case "D":
            return rf"\d{{{width},3}}"
        case _ if letter in _NUMERIC:
            return rf"\d{{{width}}}" if width == 2 else r"\d{1,2}"
        case "V":
            return r"[A-Za-z][\w/+\-~.:]*|[+-]\d\d(?::?\d\d){0,2}"
        case "z" | "v":
            return r"[A-Za-z][\w/+\-]*"
        case "X" | "Z":
            return r"Z|(?:GMT|UTC)?[+-]\d\d(?::?\d\d){0,2}|GMT|UTC"
        case "x":
            return r"[+-]\d\d(?::?\d\d){0,2}"
        case "O":
            return r"(?:GMT|UTC)(?:[+-]\d{1,2}(?::\d\d){0,2})?"
        case _:
            raise InvalidDate(f"The pattern letter {letter} cannot be read")


@lru_cache(maxsize=256)
def _words(letter: str, width: int, tag: str) -> dict[str, int]:
    """Return the names that a letter of that width stands for, with their numbers."""
    locale = names.locale_of(tag)
    alone = letter in "Lqc"
    if letter in "ML" and width >= 3:
        return {
            names.month_name(locale, month, width, alone=alone): month for month in range(1, 13)
        }
    if letter == "E" or (letter in "ec" and width >= 3):
        size = max(width, 3)
        return {names.day_name(locale, day, size, alone=alone): day for day in range(7)}
    if letter in "Qq" and width >= 3:
        return {
            names.quarter_name(locale, number, width, alone=alone): number for number in range(1, 5)
        }
    if letter == "a":
        return {names.half_day_name(locale, afternoon=bool(half)): half for half in (0, 1)}
    return {names.era_name(locale, width): 1} if letter == "G" else {}


def _value(letter: str, width: int, text: str, locale: str) -> Any:
    words = _words(letter, width, locale)
    if words:
        return words[text]
    if letter == "S":
        return int(text.ljust(9, "0"))
    if letter in "yuY" and width == 2:
        return 2000 + int(text)
    if letter in "ec":
        return (int(text) - 1 + names.week_rules(names.locale_of(locale))[0]) % 7
    return int(text) if letter in _NUMERIC else text


def _resolved(fields: dict[str, Any], locale: str) -> datetime | date | None:
    """Return what the fields say: an aware or local date-time, a date, or None for too little."""
    day = _day(fields, locale)
    if day is None or (("E" in fields) and day.weekday() != fields["E"]):
        return None
    clock = _clock(fields)
    zone = _zone(fields)
    if clock is None:
        return day
    moment = datetime.combine(day, time()) + clock
    return moment if zone is None else moment.replace(tzinfo=zone)


def _day(fields: dict[str, Any], locale: str) -> date | None:
    if "y" in fields:
        year = fields["y"]
        if "D" in fields:
            return date(year, 1, 1) + timedelta(days=_within(fields["D"], 1, 366) - 1)
        month = fields.get("M")
        if month is None or "d" not in fields:
            return None
        day = _within(fields["d"], 1, 31)
        while day > 28:
            try:
                return date(year, month, day)
            except ValueError:
                day -= 1
        return date(year, month, day)
    if "Y" in fields and "w" in fields and "E" in fields:
        first_day, least_days = names.week_rules(names.locale_of(locale))
        new_year = date(fields["Y"], 1, 1)
        back = (new_year.weekday() - first_day) % 7
        start = new_year - timedelta(days=back if 7 - back >= least_days else back - 7)
        offset = (fields["E"] - first_day) % 7
        return start + timedelta(days=7 * (_within(fields["w"], 1, 53) - 1) + offset)
    return None


def _clock(fields: dict[str, Any]) -> timedelta | None:
    if "N" in fields:
        return timedelta(microseconds=fields["N"] // 1_000)
    if "A" in fields:
        return timedelta(milliseconds=fields["A"])
    hour = _hour(fields)
    if hour is None:
        return None
    nanos = fields.get("S", fields.get("n", 0))
    return timedelta(
        hours=hour,
        minutes=_within(fields.get("m", 0), 0, 59),
        seconds=_within(fields.get("s", 0), 0, 59),
        microseconds=nanos // 1_000,
    )


def _hour(fields: dict[str, Any]) -> int | None:
    if "H" in fields:
        # 24:00 is the end of the day
        is_midnight = not (fields.get("m") or fields.get("s") or fields.get("S") or fields.get("n"))
        return _within(fields["H"], 0, 24 if is_midnight else 23)
    if "k" in fields:
        return _within(fields["k"], 1, 24) % 24
    if "a" in fields and ("h" in fields or "K" in fields):
        half = fields["K"] if "K" in fields else _within(fields["h"], 1, 12) % 12
        return _within(half, 0, 11) + 12 * int(fields["a"])
    return None


def _within(value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise ValueError(value)
    return value


def _zone(fields: dict[str, Any]) -> tzinfo | None:
    offset = fields.get("X")
    name = fields.get("V") or fields.get("z")
    try:
        if name is not None:
            return named_zone(name)
        if offset is None:
            return None
        if offset == "Z" or (len(offset) == 6 and offset[3] == ":"):
            return offset_zone(offset)
        return named_zone(offset)
    except InvalidDate:
        raise ValueError(offset) from None
