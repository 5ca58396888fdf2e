"""Flows with one value left out or replaced: they are read or refused, whatever the value."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import msgspec
import pytest

from domain.yaml.mistakes import YamlError
from domain.yaml.reader import read_yaml
from tests.fuzz import targets

_LEFT_OUT: Final = object()
_OTHERS: Final[tuple[Any, ...]] = (
    *(_LEFT_OUT, None, "x", "{{ x }}", -1, True),
    *([], {}, [None], [{}], {"a": None}),
)
_Place = tuple[str | int, ...]


@cache
def _flows() -> tuple[dict[str, Any], ...]:
    """Return a few of the seeds that show every property and type that any of them shows."""
    seen: set[str] = set()
    chosen = []
    for seed in sorted(targets.seeds("flow"), key=len):
        text = seed.decode()
        try:
            value = read_yaml(text).value
        except YamlError:
            continue
        shown = set(re.findall(r"^[ -]*(type: \S+|[a-zA-Z]+:)", text, re.MULTILINE))
        if isinstance(value, dict) and shown - seen:
            seen |= shown
            chosen.append(msgspec.to_builtins(value))
    return tuple(chosen)


def _places(value: Any, path: _Place = ()) -> Iterator[_Place]:
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, child in inner:
        yield (*path, key)
        yield from _places(child, (*path, key))


def _replaced(flow: dict[str, Any], place: _Place, other: Any) -> dict[str, Any]:
    changed: Any = copy.deepcopy(flow)
    parent = changed
    for step in place[:-1]:
        parent = parent[step]
    if other is _LEFT_OUT:
        del parent[place[-1]]
    else:
        parent[place[-1]] = other
    return changed  # type: ignore[no-any-return]  # as deep as its places say


@pytest.mark.parametrize("share", range(8))
def test_a_flow_with_any_value_replaced_or_left_out_is_read_or_refused(share: int) -> None:
    flows = _flows()[share::8]
    assert flows
    for flow in flows:
        for place in _places(flow):
            for other in _OTHERS:
                changed = _replaced(flow, place, other)
                try:
                    targets.flow(msgspec.json.encode(changed))
                except Exception as error:
                    error.add_note(f"{place} replaced by {other!r} in {changed}")
                    raise
