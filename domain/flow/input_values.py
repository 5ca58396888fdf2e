"""One value of one input type: what is accepted, what it becomes, what it must obey.

Results are JSON values, as executions store and show them: an instant is text with six fractional
digits and Z, a duration is a number of seconds, an encrypted text is a mapping. A value that was
parsed before is accepted again and unchanged.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from domain.duration import InvalidDuration, format_duration, parse_duration
from domain.expression import ExpressionError, Fault, Scope, compile_template, to_text
from domain.expression.ion import read_ion
from domain.expression.text import to_json
from domain.flow.input_types import (
    ArrayInput,
    DateInput,
    DateTimeInput,
    DurationInput,
    FileInput,
    FloatInput,
    Input,
    IntInput,
    JsonInput,
    SecretInput,
    StringInput,
    TimeInput,
)
from domain.flow.java_dates import date_fault, time_fault
from domain.flow.violations import as_text
from domain.json_schema import InvalidSchema, schema_faults
from domain.json_words import json_fault
from domain.sealed import SEALED_TYPE, sealed
from domain.yaml.mistakes import YamlError
from domain.yaml.reader import read_yaml

Encrypt = Callable[[str], str]
"""Seals a text; raises InvalidInput when it cannot."""


class BadValue(Exception):
    """A value that its type refuses; the causes are whole sentences for people, one per mistake."""

    def __init__(self, *causes: str) -> None:
        super().__init__("; ".join(causes))
        self.causes = causes


_WHOLE_MATCH: Final = "{{ text.matches(form) }}"
"""Java's regular expressions, bounded in time, are the expression engine's."""
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


def check_limits(declared: Input, value: Any) -> None:
    """Hold a parsed value against what its declaration says.

    Raises:
        BadValue: with the words that clients know.
    """
    if isinstance(declared, StringInput) and declared.validator is not None:
        _matches(declared.validator, str(value))
    elif isinstance(declared, IntInput | FloatInput):
        _between(value, declared.min, declared.max)
    elif isinstance(declared, DurationInput):
        _span_between(timedelta(seconds=value), declared.min, declared.max)
    elif isinstance(declared, DateInput | DateTimeInput | TimeInput):
        _after_and_before(declared, value)
    elif isinstance(declared, FileInput):
        _extension(declared, value)
    elif isinstance(declared, JsonInput):
        _schema(declared, value)


def parse_secret(declared: Input, value: Any, encrypt: Encrypt | None) -> Any:
    """Read a SECRET: check it, then seal it. What is sealed already stays as it is.

    Raises:
        BadValue: refused, or there is no key to seal it with.
        InvalidInput: from `encrypt`.
    """
    if isinstance(value, Mapping) and value.get("type") == SEALED_TYPE:
        return dict(value)
    text = _text(value)
    if isinstance(declared, SecretInput) and declared.validator is not None:
        _matches(declared.validator, text)
    if encrypt is None:
        raise BadValue("Unable to use a `SECRET` input/output as encryption is not configured")
    return sealed(encrypt(text))


def check_choice(value: Any, choices: Sequence[str]) -> None:
    """Hold a text against the values to choose from.

    Raises:
        BadValue: it is none of them.
    """
    if value not in choices:
        raise BadValue(f"it must match the values `[{', '.join(choices)}]`")


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


def _matches(pattern: str, text: str) -> None:
    try:
        fits = compile_template(_WHOLE_MATCH).render_typed(Scope({"text": text, "form": pattern}))
    except ExpressionError as error:
        raise BadValue(f"its validator `{pattern}` cannot be applied: {error.reason}") from None
    if not fits:
        raise BadValue(f"it must match the pattern `{pattern}`")


def _between(value: float, least: float | None, most: float | None) -> None:
    if least is not None and value < least:
        raise BadValue(f"it must be more than `{to_text(least)}`")
    if most is not None and value > most:
        raise BadValue(f"it must be less than `{to_text(most)}`")


def _span_between(value: timedelta, least: timedelta | None, most: timedelta | None) -> None:
    if least is not None and value < least:
        raise BadValue(f"It must be more than `{format_duration(least)}`")
    if most is not None and value > most:
        raise BadValue(f"It must be less than `{format_duration(most)}`")


def parse_bound(declared: DateInput | DateTimeInput | TimeInput, text: str) -> Any:
    """Return a text of an input's type as something that can be compared.

    Raises:
        BadValue: it is none.
    """
    if isinstance(declared, DateInput):
        return date.fromisoformat(_date(text))
    if isinstance(declared, TimeInput):
        return time.fromisoformat(_time(text)[:15])
    return parse_instant(_instant(text))


def _after_and_before(declared: DateInput | DateTimeInput | TimeInput, value: str) -> None:
    for bound, is_after in ((declared.after, True), (declared.before, False)):
        if bound is None:
            continue
        limit = parse_bound(declared, bound)
        found = parse_bound(declared, value)
        if (found < limit) if is_after else (found > limit):
            shown = java_text(limit)
            raise BadValue(f"it must be {'after' if is_after else 'before'} `{shown}`")


def java_text(moment: date | time | datetime) -> str:
    """Return a date, a time or an instant as `java.time` prints it: no more digits than needed."""
    if isinstance(moment, datetime):
        text = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
        return f"{text}{_fraction(moment.microsecond)}Z"
    if isinstance(moment, time):
        if moment.second or moment.microsecond:
            return f"{moment:%H:%M:%S}{_fraction(moment.microsecond)}"
        return f"{moment:%H:%M}"
    return moment.isoformat()


def _fraction(micros: int) -> str:
    if not micros:
        return ""
    return f".{micros // 1000:03d}" if micros % 1000 == 0 else f".{micros:06d}"


def _extension(declared: FileInput, uri: str) -> None:
    allowed = declared.allowed_file_extensions
    accepted = [item.lower() for item in allowed]
    if accepted and not uri.lower().endswith(tuple(accepted)):
        raise BadValue(f"File type not allowed. Accepted extensions: {', '.join(accepted)}")


def read_schema(declared: JsonInput) -> Any:
    """Return the schema that a JSON input must obey, None: none.

    Raises:
        BadValue: it is not JSON.
    """
    schema = declared.json_schema
    if not isinstance(schema, str):
        return schema
    if not schema.strip():
        return None
    try:
        return json.loads(schema)
    except (ValueError, RecursionError) as error:
        raise BadValue(f"Invalid JSON content or schema: {_json_words(schema, error)}") from None


def _schema(declared: JsonInput, value: Any) -> None:
    schema = read_schema(declared)
    if schema is None:
        return
    try:
        faults = schema_faults(value, schema)
    except (InvalidSchema, TypeError, RecursionError) as error:
        raise BadValue(f"Invalid JSON schema: {error}") from None
    if faults:
        raise BadValue(*(f"it must match the json schema: {fault}" for fault in faults))
