"""What the declaration of an input demands of its value, beyond the type."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from domain.duration import format_duration
from domain.expression import ExpressionError, Scope, compile_template, to_text
from domain.flow.input_types import (
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
from domain.flow.input_values import BadValue, parse_instant, parse_value
from domain.json_schema import InvalidSchema, schema_faults
from domain.json_words import json_fault
from domain.sealed import SEALED_TYPE, Encrypt, sealed

_WHOLE_MATCH: Final = "{{ text.matches(form) }}"
"""Java's regular expressions, bounded in time, are the expression engine's."""


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
    text = parse_value("SECRET", value)
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
        return date.fromisoformat(parse_value("DATE", text))
    if isinstance(declared, TimeInput):
        return time.fromisoformat(parse_value("TIME", text)[:15])
    return parse_instant(parse_value("DATETIME", text))


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
        raise BadValue(f"Invalid JSON content or schema: {json_fault(schema) or error}") from None


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
