"""Events of a YAML text to plain values, without recursion.

Depth, size, repeated keys and alias bombs are refused here and nowhere else. Aliases and merge keys
work. Keys are always text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import yaml

from domain.yaml.document import Document, Spot
from domain.yaml.mistakes import YamlError, error_at
from domain.yaml.scalars import typed


class YamlLimits(msgspec.Struct, frozen=True):
    """What a text may cost at most."""

    characters: int = 4_000_000
    depth: int = 100
    """Containers inside containers."""
    values: int = 500_000
    """Keys and values with every alias written out."""
    expanded_characters: int = 16_000_000
    """Letters of all scalars with every alias written out."""


DEFAULT_LIMITS: Final = YamlLimits()


class _Open:
    """A container that is being filled."""

    __slots__ = ("anchor", "characters", "key", "key_mark", "merged", "spot", "value", "values")

    def __init__(self, value: dict[str, Any] | list[Any], spot: Spot, anchor: str | None) -> None:
        self.value = value
        self.spot = spot
        self.anchor = anchor
        self.key: str | None = None
        self.key_mark: Any = None
        self.merged: list[tuple[dict[str, Any], Spot]] = []
        self.values = 1
        self.characters = 0


class Builder:
    """Turns events into values."""

    def __init__(self, text: str, limits: YamlLimits) -> None:
        self._text = text
        self._limits = limits
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, Spot, int, int]] = {}
        self._values = 0
        self._characters = 0

    def build(self, events: Iterator[Any]) -> Document:
        """Read to the end of the first document."""
        for event in events:
            kind = event.__class__
            if kind is yaml.ScalarEvent:
                done = self._scalar(event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._start(event, {} if kind is yaml.MappingStartEvent else [])
                continue
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                done = self._end()
            elif kind is yaml.AliasEvent:
                done = self._alias(event)
            else:
                continue
            if done is not None:
                return done
        raise YamlError(
            "YAML parsing error: No content to map due to end-of-input\n"
            " at [Source: (StringReader); line: 1, column: 1] (at line 1)",
            1,
            1,
            "Write a flow with id, namespace and tasks.",
        )

    def _scalar(self, event: Any) -> Document | None:
        mark = event.start_mark
        if mark.column and self._text[mark.index - 1 : mark.index] == "\t":
            raise error_at(
                mark,
                "found character '\\t(TAB)' that cannot start any token",
                "Use blanks between a key and its value.",
            )
        text = event.value
        top = self._open[-1] if self._open else None
        if top is not None and top.key is None and isinstance(top.value, dict):
            self._count(1, len(text), mark)
            self._key(top, text, event)
            return None
        value = typed(event)
        self._count(1, len(text), mark)
        spot = Spot(mark.line + 1, mark.column + 1)
        if event.anchor:
            self._anchors[event.anchor] = (value, spot, 1, len(text))
        return self._put(value, spot)

    def _key(self, top: _Open, text: str, event: Any) -> None:
        if text in top.value:
            mark = event.end_mark
            raise YamlError(
                f"YAML parsing error: Duplicate field '{text}'\n at [Source: (StringReader); line: "
                f"{mark.line + 1}, column: {mark.column + 1}] (at line {mark.line + 1})",
                event.start_mark.line + 1,
                event.start_mark.column + 1,
                f"Keep one `{text}`.",
            )
        if event.anchor:
            mark = event.start_mark
            self._anchors[event.anchor] = (text, Spot(mark.line + 1, mark.column + 1), 1, len(text))
        top.key = text
        top.key_mark = event.start_mark

    def _start(self, event: Any, value: dict[str, Any] | list[Any]) -> None:
        mark = event.start_mark
        top = self._open[-1] if self._open else None
        if top is not None and top.key is None and isinstance(top.value, dict):
            raise error_at(
                mark,
                "Expected a field name (Scalar value in YAML), got this instead: "
                f"{type(event).__name__}",
                'Put quotes around an expression: "{{ ... }}".',
            )
        if len(self._open) >= self._limits.depth:
            raise error_at(mark, f"nested deeper than {self._limits.depth} levels", "Flatten it.")
        self._count(1, 0, mark)
        spot = Spot(mark.line + 1, mark.column + 1)
        spot.children = {}
        self._open.append(_Open(value, spot, event.anchor))

    def _end(self) -> Document | None:
        top = self._open.pop()
        if top.merged:
            self._merge(top)
        if top.anchor:
            self._anchors[top.anchor] = (top.value, top.spot, top.values, top.characters)
        if self._open:
            parent = self._open[-1]
            parent.values += top.values
            parent.characters += top.characters
        return self._put(top.value, top.spot)

    def _alias(self, event: Any) -> Document | None:
        mark = event.start_mark
        name = event.anchor
        top = self._open[-1] if self._open else None
        if any(entry.anchor == name for entry in self._open):
            raise error_at(mark, f"the alias *{name} stands inside what it names", "Write it out.")
        if name not in self._anchors:
            raise error_at(
                mark, f"found undefined alias {name}", f"Define &{name} before it is used."
            )
        value, spot, values, characters = self._anchors[name]
        self._count(values, characters, mark)
        if top is not None and top.key is None and isinstance(top.value, dict):
            if not isinstance(value, str):
                raise error_at(mark, "a key must be a text", "Write the key out.")
            self._key(
                top, value, yaml.ScalarEvent(None, None, (True, False), value, mark, event.end_mark)
            )
            return None
        here = Spot(mark.line + 1, mark.column + 1)
        here.children = spot.children
        return self._put(value, here)

    def _put(self, value: Any, spot: Spot) -> Document | None:
        if not self._open:
            return Document(value, spot)
        top = self._open[-1]
        if isinstance(top.value, list):
            assert top.spot.children is not None
            top.spot.children[len(top.value)] = spot
            top.value.append(value)
            return None
        assert top.key is not None
        assert top.spot.children is not None
        if top.key == "<<" and isinstance(value, dict | list):
            self._remember_merge(top, value, spot)
        else:
            spot.key_line = top.key_mark.line + 1
            spot.key_column = top.key_mark.column + 1
            top.spot.children[top.key] = spot
            top.value[top.key] = value
        top.key = None
        return None

    def _remember_merge(self, top: _Open, value: dict[str, Any] | list[Any], spot: Spot) -> None:
        sources = [(value, spot)] if isinstance(value, dict) else []
        if isinstance(value, list):
            assert spot.children is not None
            sources = [(item, spot.children[index]) for index, item in enumerate(value)]
        for source, source_spot in sources:
            if not isinstance(source, dict):
                raise YamlError(
                    "YAML parsing error: `<<` takes a mapping or a list of mappings",
                    spot.line,
                    spot.column,
                    "Name a mapping's anchor.",
                )
            top.merged.append((source, source_spot))

    def _merge(self, top: _Open) -> None:
        """Add what `<<` names; keys written out win, then the first source."""
        assert isinstance(top.value, dict)
        assert top.spot.children is not None
        for source, spot in top.merged:
            assert spot.children is not None
            for key, value in source.items():
                if key not in top.value:
                    top.value[key] = value
                    top.spot.children[key] = spot.children[key]

    def _count(self, values: int, characters: int, mark: Any) -> None:
        self._values += values
        self._characters += characters
        if self._open:
            self._open[-1].values += values
            self._open[-1].characters += characters
        if (
            self._values > self._limits.values
            or self._characters > self._limits.expanded_characters
        ):
            raise error_at(
                mark,
                "too many values once aliases are written out",
                "Use fewer or smaller aliases.",
            )
