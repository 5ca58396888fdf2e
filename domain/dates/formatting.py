"""Dates to text, by Java's patterns, named formats and styles."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from babel import Locale

from domain.dates import names
from domain.dates.arithmetic import InvalidDate
from domain.dates.offsets import offset_text
from domain.dates.patterns import Element, parse_pattern

PATTERNS: Final = {
    "iso": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "iso_sec": "yyyy-MM-dd'T'HH:mm:ssXXX",
    "sql": "yyyy-MM-dd HH:mm:ss.SSSSSS",
    "sql_seq": "yyyy-MM-dd HH:mm:ss",
}
"""Kestra's own names of patterns."""

STYLES: Final = ("full", "long", "medium", "short")
"""Names of the locale's own forms."""


def format_date(
    moment: datetime, form: str = "iso", locale: str = "en_US", nanos: int | None = None
) -> str:
    """Write a date.

    Args:
        moment: aware; written in its own zone.
        form: a key of `PATTERNS` or `NAMED`, a style, or a pattern of `DateTimeFormatter`; names
            in any case.
        locale: tag of the language of names and of the week's rules.
        nanos: nanoseconds of the second, where they are finer than the moment's microseconds.

    Returns:
        The text.

    Raises:
        InvalidDate: the pattern or the locale is none.

    Source: Kestra's `date` filter; `java.time.format`.
    """
    if moment.tzinfo is None:
        raise InvalidDate("A date without zone cannot be formatted")
    exact = moment.microsecond * 1_000 if nanos is None else nanos
    known = locale_of(locale)
    name = form.lower()
    if name in NAMED:
        return NAMED[name](moment, exact)
    if name in STYLES:
        return _styled(moment, exact, name, known)
    return _patterned(moment, exact, PATTERNS.get(name, form), known)


locale_of = names.locale_of


def _patterned(moment: datetime, nanos: int, pattern: str, locale: Locale) -> str:
    return "".join(
        _padded(element, _PRINTERS[element.letter](moment, nanos, element.width, locale))
        if element.letter
        else element.text
        for element in parse_pattern(pattern)
        if element.letter not in ("[", "]")
    )


def _padded(element: Element, text: str) -> str:
    if element.pad and len(text) > element.pad:
        raise InvalidDate(
            f"Cannot print as output of {len(text)} characters exceeds pad width of {element.pad}"
        )
    return text.rjust(element.pad)


def _styled(moment: datetime, nanos: int, style: str, locale: Locale) -> str:
    day = _patterned(moment, nanos, locale.date_formats[style].pattern, locale)
    clock = _patterned(moment, nanos, locale.time_formats[style].pattern, locale)
    both = str(locale.datetime_formats[style])
    return both.replace("'", "").replace("{1}", day).replace("{0}", clock)


def _is_zero_offset(moment: datetime) -> bool:
    return not moment.utcoffset()


def _localized_offset(moment: datetime, locale: Locale, *, full: bool) -> str:
    prefix = names.offset_prefix(locale)
    if _is_zero_offset(moment):
        return prefix
    text = offset_text(moment, 5)
    if full:
        return prefix + text
    hours, minutes, *seconds = text[1:].split(":")
    short = text[0] + hours.lstrip("0").rjust(1, "0")
    if minutes != "00" or seconds:
        short += ":" + ":".join([minutes, *seconds])
    return prefix + short


def _week_year(moment: date, locale: Locale) -> tuple[int, int]:
    """Return the week-based year and week by the locale's rules."""
    first_day, least_days = names.week_rules(locale)
    for year in (moment.year + 1, moment.year, moment.year - 1):
        start = _first_week(year, first_day, least_days)
        if start is not None and date(moment.year, moment.month, moment.day) >= start:
            return year, (date(moment.year, moment.month, moment.day) - start).days // 7 + 1
    return moment.year, 1


def _first_week(year: int, first_day: int, least_days: int) -> date | None:
    """Return the first day of a year's first week, None outside years 1 to 9999."""
    try:
        new_year = date(year, 1, 1)
        back = (new_year.weekday() - first_day) % 7
        start = new_year - timedelta(days=back)
        return start if 7 - back >= least_days else start + timedelta(days=7)
    except (ValueError, OverflowError):
        return None


def _week_of_month(moment: date, locale: Locale) -> int:
    first_day, least_days = names.week_rules(locale)
    back = (moment.replace(day=1).weekday() - first_day) % 7
    before = 1 if 7 - back >= least_days else 0
    return (moment.day - 1 + back) // 7 + before


def _year(moment: datetime, nanos: int, width: int, locale: Locale) -> str:
    del nanos, locale
    return _year_text(moment.year, width)


def _year_text(year: int, width: int) -> str:
    return f"{year % 100:02d}" if width == 2 else str(year).rjust(width, "0")


def _month(alone: bool) -> _Printer:
    def print_month(moment: datetime, nanos: int, width: int, locale: Locale) -> str:
        del nanos
        if width <= 2:
            return str(moment.month).rjust(width, "0")
        return names.month_name(locale, moment.month, width, alone=alone)

    return print_month


def _quarter(alone: bool) -> _Printer:
    def print_quarter(moment: datetime, nanos: int, width: int, locale: Locale) -> str:
        del nanos
        quarter = (moment.month - 1) // 3 + 1
        if width <= 2:
            return str(quarter).rjust(width, "0")
        return names.quarter_name(locale, quarter, width, alone=alone)

    return print_quarter


def _weekday(numeric: bool, alone: bool) -> _Printer:
    def print_day(moment: datetime, nanos: int, width: int, locale: Locale) -> str:
        del nanos
        if numeric and width <= 2:
            first_day, _ = names.week_rules(locale)
            return str((moment.weekday() - first_day) % 7 + 1).rjust(width, "0")
        return names.day_name(locale, moment.weekday(), max(width, 3), alone=alone)

    return print_day


def _number(value: Callable[[datetime, int, Locale], int]) -> _Printer:
    def print_number(moment: datetime, nanos: int, width: int, locale: Locale) -> str:
        return str(value(moment, nanos, locale)).rjust(width, "0")

    return print_number


def _second_of_day(moment: datetime) -> int:
    return moment.hour * 3_600 + moment.minute * 60 + moment.second


def _z_or_offset(moment: datetime, nanos: int, width: int, locale: Locale) -> str:
    del nanos, locale
    return "Z" if _is_zero_offset(moment) else offset_text(moment, width)


def _offset(moment: datetime, nanos: int, width: int, locale: Locale) -> str:
    if width <= 3:
        return offset_text(moment, 2)
    if width == 4:
        return _localized_offset(moment, locale, full=True)
    return _z_or_offset(moment, nanos, 5, locale)


_Printer = Callable[[datetime, int, int, Locale], str]
_PRINTERS: Final[dict[str, _Printer]] = {
    "G": lambda _moment, _nanos, width, locale: names.era_name(locale, width),
    "u": _year,
    "y": _year,
    "Y": lambda moment, _nanos, width, locale: _year_text(_week_year(moment, locale)[0], width),
    "D": _number(lambda moment, _nanos, _locale: moment.timetuple().tm_yday),
    "M": _month(alone=False),
    "L": _month(alone=True),
    "d": _number(lambda moment, _nanos, _locale: moment.day),
    "g": _number(lambda moment, _nanos, _locale: moment.toordinal() - 678_576),
    "Q": _quarter(alone=False),
    "q": _quarter(alone=True),
    "w": _number(lambda moment, _nanos, locale: _week_year(moment, locale)[1]),
    "W": _number(lambda moment, _nanos, locale: _week_of_month(moment, locale)),
    "E": _weekday(numeric=False, alone=False),
    "e": _weekday(numeric=True, alone=False),
    "c": _weekday(numeric=True, alone=True),
    "F": _number(lambda moment, _nanos, _locale: (moment.day - 1) // 7 + 1),
    "a": lambda moment, _nanos, _width, locale: names.half_day_name(
        locale, afternoon=moment.hour >= 12
    ),
    "B": lambda moment, _nanos, width, locale: names.day_period_name(
        locale, moment.hour, moment.minute, width
    ),
    "h": _number(lambda moment, _nanos, _locale: (moment.hour - 1) % 12 + 1),
    "K": _number(lambda moment, _nanos, _locale: moment.hour % 12),
    "k": _number(lambda moment, _nanos, _locale: moment.hour or 24),
    "H": _number(lambda moment, _nanos, _locale: moment.hour),
    "m": _number(lambda moment, _nanos, _locale: moment.minute),
    "s": _number(lambda moment, _nanos, _locale: moment.second),
    "S": lambda _moment, nanos, width, _locale: f"{nanos:09d}"[:width],
    "A": _number(
        lambda moment, nanos, _locale: _second_of_day(moment) * 1_000 + nanos // 1_000_000
    ),
    "n": _number(lambda _moment, nanos, _locale: nanos),
    "N": _number(lambda moment, nanos, _locale: _second_of_day(moment) * 1_000_000_000 + nanos),
    "V": lambda moment, _nanos, _width, _locale: names.zone_id(moment),
    "v": lambda moment, _nanos, width, locale: (
        names.zone_name(moment, locale, generic=True)
        if width == 4
        else names.short_zone_name(moment, locale, generic=True)
    ),
    "z": lambda moment, _nanos, width, locale: (
        names.zone_name(moment, locale, generic=False)
        if width == 4
        else names.short_zone_name(moment, locale, generic=False)
    ),
    "O": lambda moment, _nanos, width, locale: _localized_offset(moment, locale, full=width == 4),
    "X": _z_or_offset,
    "x": lambda moment, _nanos, width, _locale: offset_text(moment, width),
    "Z": _offset,
}


def _local_date(moment: datetime, nanos: int) -> str:
    del nanos
    return f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}"


def _local_time(moment: datetime, nanos: int) -> str:
    text = f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}"
    return text + f".{nanos:09d}".rstrip("0") if nanos else text


def _local_date_time(moment: datetime, nanos: int) -> str:
    return f"{_local_date(moment, nanos)}T{_local_time(moment, nanos)}"


def _with_offset(write: Callable[[datetime, int], str]) -> Callable[[datetime, int], str]:
    return lambda moment, nanos: (
        write(moment, nanos) + ("Z" if _is_zero_offset(moment) else offset_text(moment, 5))
    )


def _zoned_date_time(moment: datetime, nanos: int) -> str:
    text = _with_offset(_local_date_time)(moment, nanos)
    zone = names.zone_id(moment)
    return text if zone[0] in "+-Z" else f"{text}[{zone}]"


def _instant(moment: datetime, nanos: int) -> str:
    utc = moment.astimezone(UTC)
    text = f"{_local_date(utc, 0)}T{_local_time(utc, 0)}"
    if nanos % 1_000_000 == 0:
        fraction = f".{nanos // 1_000_000:03d}" if nanos else ""
    elif nanos % 1_000 == 0:
        fraction = f".{nanos // 1_000:06d}"
    else:
        fraction = f".{nanos:09d}"
    return f"{text}{fraction}Z"


def _ordinal_date(moment: datetime, nanos: int) -> str:
    del nanos
    return f"{moment.year:04d}-{moment.timetuple().tm_yday:03d}"


def _week_date(moment: datetime, nanos: int) -> str:
    del nanos
    year, week, day = moment.isocalendar()
    return f"{year:04d}-W{week:02d}-{day}"


def _basic_date(moment: datetime, nanos: int) -> str:
    del nanos
    text = f"{moment.year:04d}{moment.month:02d}{moment.day:02d}"
    return text + ("Z" if _is_zero_offset(moment) else offset_text(moment, 4))


def _rfc_1123(moment: datetime, nanos: int) -> str:
    english = names.locale_of("en_US")
    text = _patterned(moment, nanos, "EEE, d MMM yyyy HH:mm:ss ", english)
    return text + ("GMT" if _is_zero_offset(moment) else offset_text(moment, 2))


NAMED: Final[dict[str, Callable[[datetime, int], str]]] = {
    "basic_iso_date": _basic_date,
    "iso_date": _with_offset(_local_date),
    "iso_date_time": _zoned_date_time,
    "iso_instant": _instant,
    "iso_local_date": _local_date,
    "iso_local_date_time": _local_date_time,
    "iso_local_time": _local_time,
    "iso_offset_date": _with_offset(_local_date),
    "iso_offset_date_time": _with_offset(_local_date_time),
    "iso_offset_time": _with_offset(_local_time),
    "iso_ordinal_date": _with_offset(_ordinal_date),
    "iso_time": _with_offset(_local_time),
    "iso_week_date": _with_offset(_week_date),
    "iso_zoned_date_time": _zoned_date_time,
    "rfc_1123_date_time": _rfc_1123,
}
"""The constants of `DateTimeFormatter`."""
