"""One value of one input type: what is accepted and what it becomes.

Results are JSON values, as executions store and show them: an instant is text with six fractional
digits and Z, a duration is a number of seconds, an encrypted text is a mapping. A value that was
parsed before is accepted again and unchanged.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, Final

from domain.duration import InvalidDuration, parse_duration
from domain.expression import Fault, to_text
from domain.expression.ion import read_ion
from domain.expression.text import to_json
from domain.flow.input_types import (
    ArrayInput,
    Input,
)
from domain.flow.java_dates import date_fault, time_fault
from domain.flow.violations import as_text
from domain.json_words import json_fault
from domain.yaml.mistakes import YamlError
from domain.yaml.reader import read_yaml


class BadValue(Exception):
    """A value that its type refuses; the causes are whole sentences for people, one per mistake."""

    def __init__(self, *causes: str) -> None:
        super().__init__("; ".join(causes))
        self.causes = causes


_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,10}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?[fFdD]?")
_INSTANT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?(?:[.,](\d{1,9}))?(Z|z|[+-]\d\d(?::?\d\d)?)"
)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME: Final = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?")
_EMAIL: Final = re.compile(r"[a-zA-Z0-9_!#$%&'*+/=?`{|}~^.-]{1,64}@[a-zA-Z0-9.-]{1,255}")
_URI_CHARACTERS: Final = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]|[^\x00-\x7f]")
_LEAST_INT: Final = -(2**31)
_MOST_INT: Final = 2**31 - 1


def parse_value(type_: str, value: Any) -> Any:
    """Read a value of an input type, without the limits that a declaration may set.

    Args:
        type_: name of the type, or ANY; ARRAY and MULTISELECT need `parse_items`.
        value: text as a form sends it, or a JSON value.

    Returns:
        A JSON value.

    Raises:
        BadValue: it is no such value.
    """
    parser: Callable[[Any], Any] = _PARSERS.get(type_) or _text
    return parser(value)


def parse_items(item_type: str, value: Any, *, commas: bool) -> list[Any]:
    """Read a list, each item of a type.

    Args:
        item_type: name of the items' type.
        value: a list, its JSON text or, with `commas`, items with commas between them.
        commas: whether text that is no JSON list is cut at its commas.

    Raises:
        BadValue: no list, or items that are refused, all of them named.
    """
    items = value
    if isinstance(value, str):
        try:
            items = json.loads(value)
        except (ValueError, RecursionError) as error:
            if not commas:
                raise _expected("ARRAY", value, _json_words(value, error)) from None
            items = [part.strip() for part in value.split(",")] if value.strip() else []
        if commas and not isinstance(items, list):
            items = [part.strip() for part in value.split(",")]
    if not isinstance(items, list | tuple):
        raise _expected("ARRAY", as_text(value), "it is not a list")
    found: list[Any] = []
    causes: list[str] = []
    for item in items:
        try:
            found.append(parse_value(item_type, item))
        except BadValue as error:
            if not commas:
                cause = f"Unable to parse array element as `{item_type}` on `{as_text(item)}`"
                raise BadValue(cause) from None
            causes.extend(error.causes)
    if causes:
        raise BadValue(*causes)
    return found


def parse_instant(text: str) -> datetime:
    """Return the instant that an ISO text with offset or Z names, in UTC.

    Raises:
        ValueError: it names none.
    """
    found = _INSTANT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"Text '{text[:100]}' could not be parsed at index 0")
    day, clock, seconds, fraction, zone = found.groups()
    micros = (fraction or "0")[:6].ljust(6, "0")
    offset = "+00:00" if zone in "Zz" else zone
    moment = datetime.fromisoformat(f"{day}T{clock}{seconds or ':00'}.{micros}{offset}")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"Text '{text[:100]}' could not be parsed: out of range") from None


def instant_text(moment: datetime) -> str:
    """Return an instant as executions show it: UTC, six fractional digits, Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def array_item_type(declared: Input) -> str:
    """Return the type of an ARRAY's items; STRING for other inputs."""
    return declared.item_type if isinstance(declared, ArrayInput) else "STRING"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_text(value)


def _whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    else:
        text = as_text(value) if not isinstance(value, dict | list) else to_text(value)
        if not _WHOLE.fullmatch(text):
            raise BadValue(f'For input string: "{text[:200]}"')
        number = int(text)
    if not _LEAST_INT <= number <= _MOST_INT:
        raise BadValue(f'For input string: "{number}"')
    return number


def _number(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value) if abs(value) < 1e308 else math.inf
    else:
        text = (as_text(value) if not isinstance(value, dict | list) else to_text(value)).strip()
        if not text:
            raise BadValue("empty String")
        if len(text) > 400 or not _NUMBER.fullmatch(text):
            raise BadValue(f'For input string: "{text[:200]}"')
        number = float(text.rstrip("fFdD"))
    if not math.isfinite(number):
        raise BadValue(f'For input string: "{as_text(value)[:200]}"')
    return number


def _flag(value: Any) -> bool:
    """Read a boolean; whatever is not `true` is false."""
    return value if isinstance(value, bool) else _text(value).strip().lower() == "true"


def _instant(value: Any) -> str:
    text = _text(value)
    try:
        return instant_text(parse_instant(text))
    except ValueError as error:
        raise _expected("DATETIME", text, _instant_words(text, error)) from None


def _date(value: Any) -> str:
    text = _text(value)
    try:
        if not _DATE.fullmatch(text):
            raise ValueError("shape")
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise _expected("DATE", text, date_fault(text)) from None


def _time(value: Any) -> str:
    text = _text(value)
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            raise ValueError("shape")
        hour, minute, second, fraction = found.groups()
        time(int(hour), int(minute), int(second or 0))
    except ValueError:
        raise _expected("TIME", text, time_fault(text)) from None
    rest = (fraction or "").rstrip("0")
    return f"{hour}:{minute}:{second or '00'}" + (f".{rest}" if rest else "")


def _duration(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _expected("DURATION", _text(value), "Text cannot be parsed to a Duration")
    try:
        return parse_duration(value).total_seconds()
    except InvalidDuration:
        raise _expected("DURATION", as_text(value), "Text cannot be parsed to a Duration") from None


def _json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _expected("JSON", value, _json_words(value, error)) from None


def _ion(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        values = read_ion(value)
    except Fault as error:
        raise _expected("ION", value, str(error)) from None
    return _plain(values[0]) if values else None


def _plain(value: Any) -> Any:
    """Return a value of Ion as JSON: moments and decimals in the form that outputs have."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return json.loads(to_json(value))


def _yaml(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return read_yaml(value).value
    except YamlError as error:
        raise _expected("YAML", value, error.message) from None


def _uri(value: Any) -> str:
    text = _text(value)
    for index, letter in enumerate(text):
        if not _URI_CHARACTERS.fullmatch(letter):
            raise BadValue(f"Illegal character in path at index {index}: {text[:200]}")
    head, colon, rest = text.partition(":")
    if colon and not rest:
        raise BadValue(f"Expected scheme-specific part at index {len(text)}: {text[:200]}")
    if colon and "/" not in head and not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", head):
        raise BadValue(f"Illegal character in scheme name at index 0: {text[:200]}")
    return text


def _email(value: Any) -> str:
    text = _text(value)
    if text and not _EMAIL.fullmatch(text):
        raise BadValue("The input must be a valid email")
    return text


def _file(value: Any) -> str:
    text = _text(value)
    if not re.match(r"(?:kestra|nsfile|file)://?", text):
        raise BadValue("it must be a file, or the URI of a stored file")
    return text


def _anything(value: Any) -> Any:
    return value


_PARSERS: Final[dict[str, Callable[[Any], Any]]] = {
    "ANY": _anything,
    "BOOL": _flag,
    "BOOLEAN": _flag,
    "DATE": _date,
    "DATETIME": _instant,
    "DURATION": _duration,
    "EMAIL": _email,
    "FILE": _file,
    "FLOAT": _number,
    "INT": _whole,
    "ION": _ion,
    "JSON": _json,
    "TIME": _time,
    "URI": _uri,
    "YAML": _yaml,
}


def _no_constant(name: str) -> Any:
    raise ValueError(f"Non-standard token '{name}'")


def _expected(type_: str, received: str, reason: str) -> BadValue:
    shown = received if len(received) <= 1_000 else received[:1_000] + "…"
    return BadValue(f"Expected `{type_}` but received `{shown}` with errors:\n```\n{reason}\n```")


def _instant_words(text: str, error: ValueError) -> str:
    """Return the parser's reason as clients know it."""
    if "could not be parsed" in str(error):
        return str(error)
    shown = text if len(text) <= 64 else text[:64] + "..."
    return f"Text '{shown}' could not be parsed at index 0"


def _json_words(text: str, error: Exception) -> str:
    return str(json_fault(text) or error)
