"""Names of months, days, eras, day periods and zones in a locale, from CLDR by way of Babel."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, time
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.dates import get_period_id
from babel.localedata import LocaleDataDict, load

from domain.dates.arithmetic import InvalidDate
from domain.dates.offsets import offset_text

_WIDTHS: Final = {3: "abbreviated", 4: "wide", 5: "narrow"}
_FALLBACK: Final = "en_US"
_AMERICAN_WEEK: Final = (6, 1)
_NO_NAME: Final = "∅∅∅"
"""Stands in the data where a language has no abbreviation, though the one it inherits from has."""


@lru_cache(maxsize=64)
def locale_of(tag: str) -> Locale:
    """Return a locale by a tag such as `fr`, `fr_FR` or `fr-FR`.

    A language without names falls back to English, as Java falls back to its root locale.

    Raises:
        InvalidDate: the tag is none.
    """
    plain = tag.replace("-", "_").strip()
    parts = plain.split("_")
    try:
        for end in range(len(parts), 0, -1):
            try:
                return _isolated(Locale.parse("_".join(parts[:end])))
            except UnknownLocaleError:
                continue
    except (ValueError, TypeError):
        raise InvalidDate(f"Invalid locale: {tag[:32]}") from None
    return _isolated(Locale.parse(_FALLBACK))


def _isolated(locale: Locale) -> Locale:
    """Give a locale data of its own.

    Babel writes what an alias resolves to into tables that all languages share: the first language
    that is asked for the heading form of a month would name the months of the others.
    """
    data: Any = deepcopy(load(str(locale)))
    own = LocaleDataDict(data)
    locale._Locale__data = own  # type: ignore[attr-defined]  # noqa: SLF001 - the only way in
    return locale


def month_name(locale: Locale, month: int, width: int, *, alone: bool) -> str:
    """Return a month's name; width 3 short, 4 full, 5 narrow; `alone` as a heading has it."""
    context = "stand-alone" if alone else "format"
    return str(locale.months[context][_WIDTHS[width]][month])


def day_name(locale: Locale, weekday: int, width: int, *, alone: bool) -> str:
    """Return a day's name; `weekday` is 0 for Monday."""
    context = "stand-alone" if alone else "format"
    return str(locale.days[context][_WIDTHS[width]][weekday])


def quarter_name(locale: Locale, quarter: int, width: int, *, alone: bool) -> str:
    """Return a quarter's name, quarters from 1."""
    context = "stand-alone" if alone else "format"
    return str(locale.quarters[context][_WIDTHS[width]][quarter])


def era_name(locale: Locale, width: int) -> str:
    """Return the name of the current era; widths below 4 short, 4 full, 5 narrow."""
    return str(locale.eras[_WIDTHS[max(width, 3)]][1])


def half_day_name(locale: Locale, *, afternoon: bool) -> str:
    """Return `AM` or `PM`, in Korean `오전` or `오후`."""
    return _period_name(locale, "pm" if afternoon else "am", _WIDEST_FIRST)


def day_period_name(locale: Locale, hour: int, minute: int, width: int) -> str:
    """Return `in the afternoon`, or the name of exact noon or midnight, where there is one."""
    period = get_period_id(time(hour, minute), locale=locale)
    is_narrow = width == 5 and period not in ("am", "pm")
    return _period_name(locale, period, _WIDEST_FIRST[::-1] if is_narrow else _WIDEST_FIRST)


_WIDEST_FIRST: Final = ("wide", "abbreviated", "narrow")


def _period_name(locale: Locale, period: str, widths: tuple[str, ...]) -> str:
    """Return a period's name in the first width that has one: the data leave equal ones out."""
    names: Any = locale.day_periods["format"]
    return next((str(names[width][period]) for width in widths if period in names[width]), "")


def week_rules(locale: Locale) -> tuple[int, int]:
    """Return the first day of the week (0 Monday) and the least days of a year's first week.

    A language alone, such as `fr`, has the rules of the United States, as in Java.
    """
    if locale.territory is None:
        return _AMERICAN_WEEK
    return locale.first_week_day, locale.min_week_days


def offset_prefix(locale: Locale) -> str:
    """Return what stands before an offset: `GMT`, in French `UTC`."""
    return str(locale.zone_formats["gmt"]).replace("%s", "")


def zone_name(moment: datetime, locale: Locale, *, generic: bool) -> str:
    """Return the full name of a moment's zone, with or without its daylight saving."""
    key = _zone_key(moment)
    if key is None:
        return offset_name(moment)
    own, shared = _own_names(locale, key)
    kind = "generic" if generic else "daylight" if moment.dst() else "standard"
    for names in (own, shared):
        if kind in names:
            return str(names[kind])
    if generic and "standard" not in own:
        return _region_name(locale, key)
    standard = own.get("standard") or shared.get("standard")
    return offset_name(moment) if standard is None else str(standard)


def short_zone_name(moment: datetime, locale: Locale, *, generic: bool) -> str:
    """Return the abbreviation of a moment's zone: `CET`, in German `MEZ`, generic `ET`."""
    key = _zone_key(moment)
    if key is None:
        return offset_name(moment)
    short = _short_names(locale, _meta_zone(key))
    winter = moment.replace(month=1, day=1), moment.replace(month=7, day=1)
    standard = next((day for day in winter if not day.dst()), moment)
    kinds = ["generic", "standard"] if generic else ["daylight" if moment.dst() else "standard"]
    for kind in kinds:
        if kind in short:
            name = str(short[kind])
            return _offset_text(moment, locale) if name == _NO_NAME else name
    return (standard if generic else moment).tzname() or offset_name(moment)


def _short_names(locale: Locale, meta_zone: str) -> Any:
    if locale.language == "fr" and locale.territory != "CA" and meta_zone.startswith("America_"):
        return {}  # the Canadian abbreviations, which newer data keep to Canada
    zones: Any = locale.meta_zones.get(meta_zone, {})
    return zones.get("short", {})


def _offset_text(moment: datetime, locale: Locale) -> str:
    return offset_prefix(locale) + offset_text(moment, 5)


def offset_name(moment: datetime) -> str:
    """Return a moment's offset as `Z` or `+05:30`."""
    text = offset_text(moment, 3)
    return "Z" if text in ("+00:00", "-00:00") else text


def zone_id(moment: datetime) -> str:
    """Return the id of a moment's zone: `Europe/Paris`, `UTC`, `+05:30`."""
    zone = moment.tzinfo
    if isinstance(zone, ZoneInfo):
        return zone.key
    return "UTC" if str(zone) == "UTC" else offset_name(moment)


def _zone_key(moment: datetime) -> str | None:
    """Return the name CLDR knows a zone by; None for a plain offset."""
    zone = moment.tzinfo
    if isinstance(zone, ZoneInfo):
        return zone.key
    return "Etc/UTC" if str(zone) == "UTC" else None


@lru_cache(maxsize=512)
def _spellings(key: str) -> tuple[str, ...]:
    """Return a zone's name with its older and newer spellings."""
    aliases: Any = get_global("zone_aliases")
    newer = aliases.get(key, key)
    older = [old for old, new in aliases.items() if new == newer]
    return tuple(dict.fromkeys([key, newer, *older]))


def _meta_zone(key: str) -> str:
    zones: Any = get_global("meta_zones")
    return next((zones[name] for name in _spellings(key) if name in zones), "")


def _own_names(locale: Locale, key: str) -> tuple[Any, Any]:
    """Return the long names of a zone itself, and of the group of zones it belongs to."""
    own: Any = {}
    for name in _spellings(key):
        names: Any = locale.time_zones.get(name, {})
        if "long" in names:
            own = names["long"]
            break
    shared = locale.meta_zones.get(_meta_zone(key), {})
    return own, shared.get("long", {})


def _region_name(locale: Locale, key: str) -> str:
    for name in _spellings(key):
        names: Any = locale.time_zones.get(name, {})
        if "city" in names:
            city = names["city"]
            break
    else:
        city = key.rpartition("/")[2].replace("_", " ")
    return str(str(locale.zone_formats["region"]) % city)
