"""`storage.FilterItems` and `storage.DeduplicateItems`: files with one JSON or Ion value a line."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import msgspec

from domain.errors import InvalidInput
from domain.expression import ExpressionError, compile_template, is_truthy_text
from domain.expression.ion import read_ion
from streams.worker.context import RunContext
from streams.worker.plugin import TaskPlugin

_CHECK_EVERY = 1_000


class FilterProperties(
    msgspec.Struct,
    rename={
        "from_": "from",
        "filter_condition": "filterCondition",
        "filter_type": "filterType",
        "error_or_null": "errorOrNullBehavior",
    },
):
    """Properties of `storage.FilterItems`."""

    from_: str
    filter_condition: str
    """Rendered for every item, whose members are variables."""
    filter_type: Literal["INCLUDE", "EXCLUDE"] = "INCLUDE"
    error_or_null: Literal["FAIL", "INCLUDE", "EXCLUDE"] = "FAIL"
    """What to do with an item whose condition cannot be rendered."""


class FilterOutputs(msgspec.Struct, rename="camel"):
    """Outputs of `storage.FilterItems`."""

    uri: str
    processed_items_total: int
    dropped_items_total: int


def filter_items(context: RunContext, properties: FilterProperties) -> FilterOutputs:
    """Keep or drop items by an expression."""
    condition = compile_template(properties.filter_condition)
    wanted = properties.filter_type == "INCLUDE"
    path = context.folder.scratch()
    processed = dropped = 0
    with path.open("wb") as target:
        for line, item in _items(context, properties.from_):
            processed += 1
            try:
                text = condition.render(context.scope_of(_with(context, item)))
                keeps = is_truthy_text(text.strip()) is wanted
            except ExpressionError:
                if properties.error_or_null == "FAIL":
                    raise
                keeps = properties.error_or_null == "INCLUDE"
            if keeps:
                target.write(line)
            else:
                dropped += 1
    return FilterOutputs(context.store(path, ".ion"), processed, dropped)


class DeduplicateProperties(msgspec.Struct, rename={"from_": "from"}):
    """Properties of `storage.DeduplicateItems`."""

    from_: str
    expr: str
    """Rendered for every item, whose members are variables: its key."""


class DeduplicateOutputs(msgspec.Struct, rename="camel"):
    """Outputs of `storage.DeduplicateItems`."""

    uri: str
    num_keys: int
    processed_items_total: int
    dropped_items_total: int


def deduplicate(context: RunContext, properties: DeduplicateProperties) -> DeduplicateOutputs:
    """Keep the last item of every key, in its place."""
    expression = compile_template(properties.expr)
    last: dict[bytes, int] = {}
    processed = 0
    for _, item in _items(context, properties.from_):
        key = expression.render(context.scope_of(_with(context, item)))
        last[hashlib.blake2b(key.encode(errors="replace"), digest_size=16).digest()] = processed
        processed += 1
    kept = set(last.values())
    path = context.folder.scratch()
    with path.open("wb") as target:
        for number, (line, _) in enumerate(_items(context, properties.from_)):
            if number in kept:
                target.write(line)
    return DeduplicateOutputs(
        context.store(path, ".ion"), len(last), processed, processed - len(kept)
    )


def _items(context: RunContext, uri: str) -> Iterator[tuple[bytes, Any]]:
    """Yield each line with its value; empty lines are left out."""
    with context.open(uri) as file:
        for number, line in enumerate(file):
            if number % _CHECK_EVERY == 0:
                context.check()
            if line.strip():
                yield (line if line.endswith(b"\n") else line + b"\n"), _value(line, number)


def _value(line: bytes, number: int) -> Any:
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError:
        values = read_ion(line.decode(errors="replace"))
        if len(values) != 1:
            raise InvalidInput(f"Line {number + 1} is neither JSON nor Ion.") from None
        return values[0]


def _with(context: RunContext, item: Any) -> Mapping[str, Any]:
    if not isinstance(item, Mapping):
        raise InvalidInput("Every line must be a map.")
    return {**context.variables, **item}


_PACKAGE: Final = "io.kestra.plugin.core.storage."
PLUGINS: Final = (
    TaskPlugin(
        name=_PACKAGE + "FilterItems",
        properties=FilterProperties,
        run=filter_items,
        raw=frozenset({"filterCondition"}),
    ),
    TaskPlugin(
        name=_PACKAGE + "DeduplicateItems",
        properties=DeduplicateProperties,
        run=deduplicate,
        raw=frozenset({"expr"}),
    ),
)
