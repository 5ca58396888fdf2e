"""Values of keys as clients send them: JSON, or bare words and dates."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from api.parameters import read_moment
from domain.duration import InvalidDuration, parse_duration

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d.*")
_WORD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


def read_value(text: str) -> tuple[Any, str | None]:
    """Return the value that a text means, and its type where the value does not tell.

    Nothing is unreadable: what is neither JSON nor a date, instant or duration is kept as text;
    of several bare words the first. Null members of maps are dropped, as clients have always seen.
    """
    bare = text.strip()
    try:
        return _without_nulls(msgspec.json.decode(bare)), None
    except (msgspec.DecodeError, RecursionError):
        pass
    if _DATE.fullmatch(bare) and read_moment(bare) is not None:
        return bare, "DATE"
    if _DATE_TIME.fullmatch(bare) and read_moment(bare) is not None:
        return bare, "DATETIME"
    if bare[:1] in {"P", "-"}:
        try:
            parse_duration(bare)
        except InvalidDuration:
            pass
        else:
            return bare, "DURATION"
    first = _WORD.match(bare)
    if first is not None and bare[first.end() : first.end() + 1].isspace():
        return first[0], "STRING"
    return text, "STRING"


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
