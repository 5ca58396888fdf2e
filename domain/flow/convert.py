"""From plain values to the language's Structs, all mistakes at once.

`converter_of(annotation)` gives a function for a type; it reports into a `Reading` instead of
raising, and returns `INVALID` where there is nothing sensible to return. Scalars are as forgiving
as clients know them: a number or a boolean is taken where a text is wanted, and vice versa.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from domain.duration import InvalidDuration, parse_duration
from domain.flow.common import Label
from domain.flow.reading import INVALID, Path, Reading, is_template
from domain.flow.violations import as_text

Convert = Callable[[Any, Path, Reading], Any]
"""Value, its path, where to report: the converted value or INVALID."""

CUSTOM: Final[dict[type, Convert]] = {}
"""Converters of Structs that need more than their fields; filled by the reader at import."""

PROPERTY_ALIASES: Final[dict[tuple[str, str], str]] = {
    ("Retry", "maxAttempt"): "maxAttempts",
    ("Check", "when"): "condition",
    ("Task", "when"): "runIf",
    ("Pause", "delay"): "pauseDuration",
    ("Trigger", "minLogLevel"): "logLevel",
    ("Input", "name"): "id",
    ("SelectInput", "options"): "values",
    ("MultiselectInput", "options"): "values",
    ("FileInput", "accept"): "allowedFileExtensions",
    ("Flow", "taskDefaults"): "pluginDefaults",
}
"""Other spellings of properties, by the Struct that has them (its subclasses included)."""

_MODERN: Final = frozenset({"when", "accept"})
"""Spellings of 2.0: no reason for a deprecation notice."""

_HIDDEN: Final = frozenset({"spelling", "properties"})


class Plan(msgspec.Struct, frozen=True):
    """How a Struct is read."""

    struct: type[msgspec.Struct]
    fields: Mapping[str, tuple[str, Convert, bool]]
    """By wire name: attribute, converter, whether required."""
    aliases: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Wire names, in order of declaration."""
        return tuple(self.fields)


@cache
def plan_of(struct: type[msgspec.Struct]) -> Plan:
    """Return how a Struct is read."""
    hints = get_type_hints(struct)
    fields = {
        field.encode_name: (field.name, converter_of(hints[field.name]), field.required)
        for field in msgspec.structs.fields(struct)
        if field.name not in _HIDDEN
    }
    family = {base.__name__ for base in struct.__mro__}
    aliases = {old: new for (owner, old), new in PROPERTY_ALIASES.items() if owner in family}
    return Plan(struct, fields, aliases)


def read_fields(
    plan: Plan,
    source: Mapping[str, Any],
    path: Path,
    reading: Reading,
    *,
    rest: dict[str, Any] | None = None,
    skip: frozenset[str] = frozenset(),
    known: tuple[str, ...] | None = None,
    class_name: str | None = None,
) -> dict[str, Any]:
    """Read a mapping's entries into a Struct's attributes.

    Args:
        plan: the Struct's.
        source: the mapping.
        path: its place.
        reading: where mistakes go.
        rest: takes the entries that are no fields; None: they are mistakes.
        skip: wire names already dealt with.
        known: names to list when one is unknown; None: the plan's.
        class_name: how clients know the Struct.

    Returns:
        Attributes for the Struct's constructor; those that could not be read are None if required,
        else left out.
    """
    values: dict[str, Any] = {}
    for key, value in source.items():
        name = key
        if key in plan.aliases:
            name = plan.aliases[key]
            if key not in _MODERN:
                reading.deprecate((*path, key), f"`{key}` is now written `{name}`")
            if name in source:
                reading.shape((*path, key), f"`{key}` is another name of `{name}`: keep one")
                continue
        if name in skip:
            continue
        field = plan.fields.get(name)
        if field is None:
            if rest is None:
                reading.unknown(
                    (*path, key), class_name or plan.struct.__name__, known or plan.names
                )
            else:
                rest[key] = value
            continue
        attribute, convert, required = field
        if value is None and not required:
            continue
        converted = convert(value, (*path, key), reading)
        if converted is not INVALID:
            values[attribute] = converted
    for name, (attribute, _, required) in plan.fields.items():
        if required and attribute not in values:
            if name not in source or source[name] is None:
                reading.rule((*path, name), "must not be null", f"Add `{name}`.")
            values[attribute] = None
    return values


@cache
def converter_of(annotation: Any) -> Convert:
    """Return the converter of an annotation.

    Raises:
        TypeError: an annotation that the language does not use.
    """
    if annotation is Any:
        return _any
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    origin = get_origin(annotation)
    arguments = get_args(annotation)
    if origin is Literal:
        return _literal(tuple(arguments))
    if origin is Union or origin is types.UnionType:
        inner = [argument for argument in arguments if argument is not type(None)]
        if len(inner) == 1:
            return _optional(converter_of(inner[0]))
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _labels if arguments[0] is Label else _list_of(arguments[0])
    if origin is dict:
        return _map_of(arguments[1])
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return _struct_of(annotation)
    raise TypeError(f"no converter for {annotation!r}")


def _any(value: Any, path: Path, reading: Reading) -> Any:
    del path, reading
    return value


def _text(value: Any, path: Path, reading: Reading) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return as_text(value)
    return _wrong(value, path, reading, "a text")


def _whole(value: Any, path: Path, reading: Reading) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        try:
            return int(value.strip()) if len(value) < 40 else _too_long()
        except ValueError:
            pass
    return _wrong(value, path, reading, "a whole number")


def _too_long() -> int:
    raise ValueError("too long")


def _number(value: Any, path: Path, reading: Reading) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < 1e300 else value
    if isinstance(value, str):
        try:
            return float(value.strip())
        except ValueError:
            pass
    return _wrong(value, path, reading, "a number")


def _flag(value: Any, path: Path, reading: Reading) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return _wrong(value, path, reading, "true or false")


def _duration(value: Any, path: Path, reading: Reading) -> Any:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            return parse_duration(value)
        except InvalidDuration:
            reading.shape(
                path,
                f"Text '{as_text(value)[:100]}' is not a duration",
                "Write an ISO 8601 duration such as PT30S, or a number of seconds.",
            )
            return INVALID
    return _wrong(value, path, reading, "a duration")


_SCALARS: Final[dict[Any, Convert]] = {
    str: _text,
    int: _whole,
    float: _number,
    bool: _flag,
    timedelta: _duration,
}


def _literal(allowed: tuple[str, ...]) -> Convert:
    def convert(value: Any, path: Path, reading: Reading) -> Any:
        if isinstance(value, str) and value in allowed:
            return value
        text = as_text(value) if not isinstance(value, dict | list) else "a structure"
        meant = reading.nearest(text, allowed)
        reading.shape(
            path,
            f"'{text[:100]}' is not one of the values accepted: [{', '.join(allowed)}]",
            f"Did you mean {meant}?" if meant else f"Write {' or '.join(allowed[:8])}.",
        )
        return INVALID

    return convert


def _optional(inner: Convert) -> Convert:
    def convert(value: Any, path: Path, reading: Reading) -> Any:
        return None if value is None else inner(value, path, reading)

    return convert


def _list_of(annotation: Any) -> Convert:
    def convert(value: Any, path: Path, reading: Reading) -> Any:
        inner = converter_of(annotation)
        if not isinstance(value, list):
            return _wrong(value, path, reading, "a list")
        items = []
        for index, item in enumerate(value):
            converted = inner(item, (*path, index), reading)
            if converted is not INVALID:
                items.append(converted)
        return tuple(items)

    return convert


def _map_of(annotation: Any) -> Convert:
    def convert(value: Any, path: Path, reading: Reading) -> Any:
        inner = converter_of(annotation)
        if not isinstance(value, dict):
            return _wrong(value, path, reading, "a mapping")
        if annotation is Any:
            return value
        found = {key: inner(item, (*path, key), reading) for key, item in value.items()}
        return {key: item for key, item in found.items() if item is not INVALID}

    return convert


def _struct_of(struct: type[msgspec.Struct]) -> Convert:
    def convert(value: Any, path: Path, reading: Reading) -> Any:
        custom = CUSTOM.get(struct)
        if custom is not None:
            return custom(value, path, reading)
        if not isinstance(value, dict):
            return _wrong(value, path, reading, "a mapping")
        return struct(**read_fields(plan_of(struct), value, path, reading))

    return convert


def _labels(value: Any, path: Path, reading: Reading) -> Any:
    """Read labels written as a mapping, or as a list of key and value."""
    pairs: list[tuple[Any, Any, Path]] = []
    if isinstance(value, dict):
        pairs = [(key, item, (*path, key)) for key, item in value.items()]
    elif isinstance(value, list):
        for index, item in enumerate(value):
            here = (*path, index)
            if not isinstance(item, dict) or set(item) - {"key", "value"}:
                reading.shape(here, "a label has a key and a value", "Write {key: k, value: v}.")
            else:
                pairs.append((item.get("key"), item.get("value"), here))
    else:
        return _wrong(value, path, reading, "a mapping or a list")
    labels = []
    for key, item, here in pairs:
        if isinstance(item, dict | list) or isinstance(key, dict | list):
            reading.shape(here, "a label's value must be a text", "Write a text.")
        else:
            labels.append(Label(key=as_text(key), value=as_text(item)))
    return tuple(labels)


_FORMS: Final = {
    "a list": ": a dash and a blank before each item",
    "a mapping": ": lines of `key: value`, without dashes",
}


def _wrong(value: Any, path: Path, reading: Reading, wanted: str) -> Any:
    shown = (
        "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else None
    )
    shown = shown or ("nothing" if value is None else f"'{as_text(value)[:100]}'")
    remedy = f"Write {wanted}{_FORMS.get(wanted, '')}."
    if isinstance(value, str) and is_template(value):
        remedy = f"Write {wanted}: an expression is not understood here."
    reading.shape(path, f"Cannot read {shown}: {wanted} is wanted", remedy)
    return INVALID
