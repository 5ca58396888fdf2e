"""Holds a JSON value against a JSON Schema (2020-12): what is wrong, and where.

Only what validates is known: `format` and other annotations are passed over, references must stay
inside the schema. Work is bounded, so a schema from a stranger costs little.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from domain.expression.errors import Fault
from domain.expression.regexes import compiled

_MOST_STEPS: Final = 20_000
_STEPS_PER_VALUE: Final = 10
_MOST_FAULTS: Final = 20
_DEEPEST: Final = 50
_REGEX_SECONDS: Final = 0.25


class InvalidSchema(Exception):
    """The schema itself is wrong, or too costly; the text says how."""


def schema_faults(value: Any, schema: Any) -> list[str]:
    """Return what is wrong with a value, each with its place: `$.age: string found, ...`.

    Args:
        value: JSON.
        schema: a mapping, true or false.

    Raises:
        InvalidSchema: the schema cannot be applied.
    """
    found: list[str] = []
    for fault in _Check(schema, _MOST_STEPS + _STEPS_PER_VALUE * _size(value)).faults(
        value, schema, "$", 0
    ):
        found.append(fault)
        if len(found) >= _MOST_FAULTS:
            break
    return found


class _Check:
    def __init__(self, root: Any, most_steps: int) -> None:
        self._root = root
        self._left = most_steps

    def faults(self, value: Any, schema: Any, path: str, depth: int) -> Iterator[str]:
        """Yield the faults of a value by a part of the schema."""
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            raise InvalidSchema("the schema takes too much work")
        if schema is True:
            return
        if schema is False:
            yield f"{path}: nothing is allowed here"
            return
        if not isinstance(schema, Mapping):
            raise InvalidSchema(f"a schema is a mapping, not {_shown(schema)}")
        if "$ref" in schema:
            yield from self.faults(value, self._referred(schema["$ref"]), path, depth + 1)
        yield from self._any_value(value, schema, path)
        if _is_number(value):
            yield from _number_faults(value, schema, path)
        elif isinstance(value, str):
            yield from _text_faults(value, schema, path)
        elif isinstance(value, list):
            yield from self._list_faults(value, schema, path, depth)
        elif isinstance(value, Mapping):
            yield from self._mapping_faults(value, schema, path, depth)
        yield from self._combined(value, schema, path, depth)

    def _any_value(self, value: Any, schema: Mapping[str, Any], path: str) -> Iterator[str]:
        wanted = schema.get("type")
        if wanted is not None:
            kinds = wanted if isinstance(wanted, list) else [wanted]
            for kind in kinds:
                if kind not in _KINDS:
                    raise InvalidSchema(f"unknown type {_shown(kind)}")
            if not any(_KINDS[kind](value) for kind in kinds):
                yield f"{path}: {_kind(value)} found, {' or '.join(kinds)} expected"
        if "enum" in schema and not any(_equal(value, one) for one in _list(schema, "enum")):
            yield f"{path}: does not have a value in the enumeration {_shown(schema['enum'])}"
        if "const" in schema and not _equal(value, schema["const"]):
            yield f"{path}: must be the constant value {_shown(schema['const'])}"

    def _list_faults(
        self, value: list[Any], schema: Mapping[str, Any], path: str, depth: int
    ) -> Iterator[str]:
        yield from _size_faults(len(value), schema, "Items", "item", path)
        if schema.get("uniqueItems") is True:
            self._left -= len(value)
            texts = [json.dumps(_plain(item), sort_keys=True, default=str) for item in value]
            if len(set(texts)) < len(texts):
                yield f"{path}: must have only unique items"
        first = _list(schema, "prefixItems")
        for index, item in enumerate(value[: len(first)]):
            yield from self.faults(item, first[index], f"{path}[{index}]", depth + 1)
        if "items" in schema:
            for index in range(len(first), len(value)):
                yield from self.faults(value[index], schema["items"], f"{path}[{index}]", depth + 1)
        if "contains" in schema:
            fitting = sum(self._fits(item, schema["contains"], depth) for item in value)
            least, most = schema.get("minContains", 1), schema.get("maxContains")
            if fitting < least or (most is not None and fitting > most):
                yield f"{path}: has {fitting} items that fit `contains`"

    def _mapping_faults(
        self, value: Mapping[str, Any], schema: Mapping[str, Any], path: str, depth: int
    ) -> Iterator[str]:
        yield from _size_faults(len(value), schema, "Properties", "property", path)
        for name in _list(schema, "required"):
            if name not in value:
                yield f"{path}: required property '{name}' not found"
        for name, others in _mapping(schema, "dependentRequired").items():
            if name in value:
                for other in others:
                    if other not in value:
                        yield f"{path}: has '{name}' but not its dependency '{other}'"
        own = _mapping(schema, "properties")
        patterns = _mapping(schema, "patternProperties")
        for name, item in value.items():
            inner = f"{path}.{name}"
            if "propertyNames" in schema:
                yield from self.faults(name, schema["propertyNames"], inner, depth + 1)
            parts = [own[name]] if name in own else []
            parts += [part for pattern, part in patterns.items() if _search(pattern, name)]
            if not parts and "additionalProperties" in schema:
                if schema["additionalProperties"] is False:
                    yield f"{path}: property '{name}' is not defined in the schema"
                    continue
                parts = [schema["additionalProperties"]]
            for part in parts:
                yield from self.faults(item, part, inner, depth + 1)

    def _combined(
        self, value: Any, schema: Mapping[str, Any], path: str, depth: int
    ) -> Iterator[str]:
        for part in _list(schema, "allOf"):
            yield from self.faults(value, part, path, depth + 1)
        if "anyOf" in schema:
            parts = _list(schema, "anyOf")
            if not any(self._fits(value, part, depth) for part in parts):
                yield f"{path}: fits none of the {len(parts)} schemas of `anyOf`"
        if "oneOf" in schema:
            fitting = sum(self._fits(value, part, depth) for part in _list(schema, "oneOf"))
            if fitting != 1:
                yield f"{path}: must fit exactly one schema of `oneOf`, fits {fitting}"
        if "not" in schema and self._fits(value, schema["not"], depth):
            yield f"{path}: must not fit the schema of `not`"
        if "if" in schema:
            branch = "then" if self._fits(value, schema["if"], depth) else "else"
            if branch in schema:
                yield from self.faults(value, schema[branch], path, depth + 1)

    def _fits(self, value: Any, schema: Any, depth: int) -> bool:
        return next(self.faults(value, schema, "$", depth + 1), None) is None

    def _referred(self, reference: Any) -> Any:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise InvalidSchema(f"only references inside the schema work: {_shown(reference)}")
        found = self._root
        for escaped in reference[1:].split("/")[1:]:
            part = escaped.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and part.isascii() and part.isdigit():
                found = found[int(part)] if int(part) < len(found) else None
            else:
                found = found.get(part) if isinstance(found, Mapping) else None
            if found is None:
                raise InvalidSchema(f"the reference {reference} leads nowhere")
        return found


def _size(value: Any) -> int:
    """Return how many values a value consists of."""
    count = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        count += 1
        if isinstance(item, list):
            waiting += item
        elif isinstance(item, Mapping):
            waiting += item.values()
    return count


def _number_faults(value: float, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, words, fits in _BOUNDS:
        bound = schema.get(name)
        if bound is not None and _is_number(bound) and not fits(value, bound):
            yield f"{path}: must {words} {bound}"
    step = schema.get("multipleOf")
    if step is not None and _is_number(step) and step > 0:
        rest = value / step if abs(value) < 1e15 else 0
        if abs(rest - round(rest)) > 1e-9:
            yield f"{path}: must be multiple of {step}"


def _text_faults(value: str, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    yield from _size_faults(len(value), schema, "Length", "character", path)
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and not _search(pattern, value):
        yield f"{path}: does not match the regex pattern {pattern}"


def _size_faults(
    size: int, schema: Mapping[str, Any], suffix: str, what: str, path: str
) -> Iterator[str]:
    least, most = schema.get(f"min{suffix}"), schema.get(f"max{suffix}")
    plural = {"property": "properties"}.get(what, f"{what}s")
    if least is not None and _is_number(least) and size < least:
        yield f"{path}: must have at least {least} {plural} but has {size}"
    if most is not None and _is_number(most) and size > most:
        yield f"{path}: must have at most {most} {plural} but has {size}"


def _search(pattern: str, text: str) -> bool:
    try:
        return compiled(pattern).search(text, timeout=_REGEX_SECONDS) is not None
    except Fault as error:
        raise InvalidSchema(str(error)) from None
    except TimeoutError:
        raise InvalidSchema(f"the pattern {pattern} takes too long") from None


def _list(schema: Mapping[str, Any], name: str) -> list[Any]:
    found = schema.get(name, [])
    if not isinstance(found, list):
        raise InvalidSchema(f"`{name}` is a list")
    return found


def _mapping(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = schema.get(name, {})
    if not isinstance(found, Mapping):
        raise InvalidSchema(f"`{name}` is a mapping")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value) and value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


_Test = Callable[[Any], bool]
_KINDS: Final[dict[Any, _Test]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_whole,
    "number": _is_number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, Mapping),
}
_BOUNDS: Final[tuple[tuple[str, str, Callable[[float, float], bool]], ...]] = (
    ("minimum", "have a minimum value of", lambda value, bound: value >= bound),
    ("maximum", "have a maximum value of", lambda value, bound: value <= bound),
    ("exclusiveMinimum", "be more than", lambda value, bound: value > bound),
    ("exclusiveMaximum", "be less than", lambda value, bound: value < bound),
)


def _kind(value: Any) -> str:
    return next((str(kind) for kind, fits in _KINDS.items() if fits(value)), "something")


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return bool(one == other)


def _plain(value: Any) -> Any:
    """Return 1 for 1.0, which JSON Schema holds for the same."""
    return int(value) if isinstance(value, float) and _is_whole(value) else value


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 200 else text[:200] + "…"
