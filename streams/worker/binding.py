"""From what a flow says of a task to the typed properties that its code wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import inspect

from domain.duration import parse_duration
from domain.errors import InvalidInput
from domain.expression import to_text
from streams.worker.context import RunContext
from streams.worker.plugin import TaskPlugin

Convert = Callable[[RunContext, Any], Any]


def bind(plugin: TaskPlugin, properties: Mapping[str, Any], context: RunContext) -> msgspec.Struct:
    """Return the properties of one attempt.

    Args:
        plugin: the task type.
        properties: as the flow has them.
        context: renders.

    Raises:
        ExpressionError: a template cannot be rendered.
        InvalidInput: a rendered value is not what its property wants.
    """
    values: dict[str, Any] = {}
    for name, convert in _plan(plugin):
        value = properties.get(name)
        if value is not None:
            values[name] = convert(context, value)
    try:
        return msgspec.convert(values, plugin.properties, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(_sentence(error)) from error


@lru_cache(maxsize=512)
def _plan(plugin: TaskPlugin) -> tuple[tuple[str, Convert], ...]:
    """How each property is rendered; a text in the place of a number or list is read as JSON."""
    kinds = inspect.type_info(plugin.properties)
    assert isinstance(kinds, inspect.StructType)
    plan: list[tuple[str, Convert]] = []
    for field in kinds.fields:
        if field.encode_name in plugin.raw or field.name in plugin.raw:
            convert = _raw_text if _convert_of(field.type) is _text else _raw
            plan.append((field.encode_name, convert))
        elif field.encode_name in plugin.typed or field.name in plugin.typed:
            plan.append((field.encode_name, _typed))
        else:
            plan.append((field.encode_name, _convert_of(field.type)))
    return tuple(plan)


def _convert_of(kind: inspect.Type) -> Convert:
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    kinds = tuple(one for one in kinds if not isinstance(one, inspect.NoneType))
    if all(
        isinstance(one, inspect.StrType | inspect.EnumType | inspect.LiteralType) for one in kinds
    ):
        return _text
    if any(isinstance(one, inspect.TimeDeltaType) for one in kinds):
        return _duration
    if any(isinstance(one, inspect.StrType | inspect.AnyType) for one in kinds):
        return _deep
    return _structured


def _raw(context: RunContext, value: Any) -> Any:
    del context
    return value


def _raw_text(context: RunContext, value: Any) -> Any:
    del context
    return value if isinstance(value, str) else to_text(value)


def _text(context: RunContext, value: Any) -> Any:
    return context.render(value) if isinstance(value, str) else to_text(value)


def _deep(context: RunContext, value: Any) -> Any:
    return context.render(value) if isinstance(value, str) else context.render_deep(value)


def _typed(context: RunContext, value: Any) -> Any:
    return context.render_typed(value) if isinstance(value, str) else context.render_deep(value)


def _duration(context: RunContext, value: Any) -> timedelta | None:
    text = context.render(value) if isinstance(value, str) else value
    return None if text == "" else parse_duration(text)


def _structured(context: RunContext, value: Any) -> Any:
    """A list, map, number or truth value; as a text, it is a template or JSON."""
    if not isinstance(value, str):
        return context.render_deep(value)
    rendered = context.render_typed(value)
    if not isinstance(rendered, str):
        return rendered
    text = rendered.strip()
    if text[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise InvalidInput(f"{text[:100]!r} is not JSON: {error}") from error
    return text or None


def _sentence(error: msgspec.ValidationError) -> str:
    text = str(error)
    what, _, where = text.partition(" - at `$")
    return f"Property `{where.rstrip('`').lstrip('.')}`: {what}" if where else text
