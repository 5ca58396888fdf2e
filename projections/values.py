"""Values of filters: texts of a query string to typed values, with the contract's error texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, TypeVar

from domain.errors import InvalidQuery

E = TypeVar("E", bound=Enum)

_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?"
    r"\s*(Z|[+-]\d{2}(?::?\d{2})?)?(?:\[[\w/+-]+\])?",
    re.IGNORECASE,
)
_DURATION = re.compile(
    r"([+-]?)P(?=.)(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,9}))?S)?)?",
    re.IGNORECASE,
)
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)


def instant(value: Any, name: str) -> datetime:
    """Read `yyyy-MM-ddTHH:mm[:ss[.SSS]][offset]` (UTC where no offset) as an aware UTC instant.

    Raises:
        InvalidQuery: the text is no such instant; the message has the parameter's name.
    """
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    match = _INSTANT.fullmatch(str(value).strip())
    if match is not None:
        date, minute, second, fraction, offset = match.groups()
        zone = "+00:00" if offset is None or offset.upper() == "Z" else offset
        text = f"{date}T{minute}:{second or '00'}.{(fraction or '0')[:6].ljust(6, '0')}{zone}"
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise InvalidQuery(f"Invalid date for '{name}': Text '{value}' could not be parsed")


def duration(value: Any) -> timedelta:
    """Read an ISO-8601 duration (`PT24H`, `P30D`); raises InvalidQuery."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(str(value).strip())
    if match is not None:
        sign, days, hours, minutes, seconds, fraction = match.groups()
        try:
            span = timedelta(
                days=int(days or 0),
                hours=int(hours or 0),
                minutes=int(minutes or 0),
                seconds=int(seconds or 0),
                microseconds=int((fraction or "0")[:6].ljust(6, "0")),
            )
        except OverflowError:
            pass
        else:
            return -span if sign == "-" else span
    raise InvalidQuery(f"Invalid duration: {value}")


def before(now: datetime, span: timedelta) -> datetime:
    """Return the instant a span before now, the beginning of time where that is out of range."""
    try:
        return now - span
    except OverflowError:
        return _EARLIEST


def constant(kind: type[E], value: Any, java: str) -> E:
    """Return the member of an enum by value; raises InvalidQuery naming the Java enum."""
    if isinstance(value, kind):
        return value
    try:
        return kind(str(value).strip())
    except ValueError:
        raise InvalidQuery(f"No enum constant {java}.{value}") from None


def items(value: Any) -> list[Any]:
    """Return the members of a list value; a text is split at its commas, `[` and `]` stripped."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("[") and text.endswith("]"):
            text = text[1:-1]
        return [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(value, (Sequence, set, frozenset)):
        return list(value)
    return [value]


def words(text: str) -> tuple[str, ...]:
    """Return the words of a free text, lower case: what lies between non-alphanumerics."""
    return tuple(re.findall(r"[^\W_]+", text.lower()))
