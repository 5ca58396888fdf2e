"""ISO texts to dates: zoned or local date-times and plain dates, as `java.time` accepts them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Final

from domain.dates.zones import named_zone

_ISO: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{0,9}))?)?"
    r"([Zz]|[+-]\d\d(?::\d\d(?::\d\d)?)?)?(?:\[([^\]]{1,64})\])?)?",
    re.ASCII,
)


def parse_iso(text: str) -> datetime | date | None:
    """Read `2024-02-29`, `2024-02-29T13:05[:09[.123]]`, either with offset and `[zone]`.

    Args:
        text: nothing may stand around the date.

    Returns:
        A date, a local or an aware date-time (fractions cut to microseconds); None when it is no
        ISO date.
    """
    found = _ISO.fullmatch(text) if len(text) <= 120 else None
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, offset, zone = found.groups()
    try:
        if hour is None:
            return date(int(year), int(month), int(day))
        micros = int((fraction or "").ljust(6, "0")[:6])
        local = datetime(  # noqa: DTZ001 - a local date-time has no zone
            int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micros
        )
        if offset is None:
            return None if zone else local
        moment = local.replace(tzinfo=offset_zone(offset))
        return moment.astimezone(named_zone(zone)) if zone else moment
    except (ValueError, OverflowError):
        return None


def offset_zone(text: str) -> tzinfo:
    """Return the zone of `Z`, `+05` or `+05:30[:15]`.

    Raises:
        ValueError: more than 18 hours.
    """
    if text in ("Z", "z"):
        return UTC
    hours, minutes, seconds = (*(int(part) for part in text[1:].split(":")), 0, 0)[:3]
    span = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if minutes > 59 or span > timedelta(hours=18):
        raise ValueError(text)
    return timezone(-span if text[0] == "-" else span)
