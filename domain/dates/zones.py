"""Time zones: by the names that `java.time.ZoneId.of` accepts, and by those of triggers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.dates.arithmetic import InvalidDate
from domain.errors import InvalidInput

_OFFSET: Final = re.compile(r"(?:(?:UTC|GMT|UT)(?=[+-]))?([+-])(\d{1,2})(?::?(\d\d)(?::?(\d\d))?)?")
_LIKE_UTC: Final = frozenset({"Z", "z", "UTC", "GMT", "UT"})
_ABBREVIATIONS: Final = frozenset({"EST", "MST", "HST", "ROC"})
_MOST: Final = timedelta(hours=18)


class InvalidZone(InvalidInput):
    """A time zone that nobody knows."""

    code = "FLOW022"


@lru_cache(maxsize=256)
def named_zone(name: str) -> tzinfo:
    """Return a zone: an IANA name, `UTC`, `Z`, `+05:30`, `UTC+2`.

    Raises:
        InvalidDate: no such zone; three-letter American names are none.
    """
    if name in _LIKE_UTC:
        return UTC if name in ("UTC", "Z", "z") else ZoneInfo("GMT")
    found = _OFFSET.fullmatch(name)
    if found:
        sign, hours, minutes, seconds = found.groups()
        span = timedelta(hours=int(hours), minutes=int(minutes or 0), seconds=int(seconds or 0))
        if span <= _MOST and int(minutes or 0) < 60 and int(seconds or 0) < 60:
            return timezone(-span if sign == "-" else span)
    elif name not in _ABBREVIATIONS:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    raise InvalidDate(f"Unknown time-zone ID: {name[:64]}")


@lru_cache(maxsize=1_024)
def parse_zone(name: str) -> tzinfo:
    """Return the time zone of a trigger: an IANA name, or an offset such as `+02:00`.

    Raises:
        InvalidZone: unknown.
    """
    if name in ("Z", "UTC"):
        return ZoneInfo("UTC")
    if name[:1] in ("+", "-"):
        try:
            zone = datetime.fromisoformat(f"2000-01-01T00:00:00{name}").tzinfo
        except ValueError:
            zone = None
        if zone is not None:
            return zone
        raise InvalidZone(f"unknown time zone '{name[:60]}'")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidZone(f"unknown time zone '{name[:60]}'") from None
