"""YAML as the flow language reads it: typed by its own table, with the place of everything.

libyaml gives the events; this module turns them into plain values without recursion, so that depth,
size, repeated keys and alias bombs are refused here and nowhere else. Aliases and merge keys work.

The typing of scalars is in `domain.flow.yaml_scalars`; keys are always text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import yaml

from domain.flow.yaml_scalars import YamlError, error_at, typed

__all__ = [
    "DEFAULT_LIMITS",
    "Document",
    "Segment",
    "Spot",
    "YamlError",
    "YamlLimits",
    "numbered_documents",
    "read_yaml",
    "split_documents",
]

Segment = str | int
"""One step of a path: a key of a mapping or an index of a list."""


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


class Spot:
    """Where a value stands in its text, with the spots of what it contains; counted from 1."""

    __slots__ = ("children", "column", "key_column", "key_line", "line")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column
        self.key_line = 0
        self.key_column = 0
        self.children: dict[Segment, Spot] | None = None

    def at(self, path: tuple[Segment, ...]) -> Spot:
        """Return the spot of the deepest value along a path that exists."""
        spot = self
        for segment in path:
            child = spot.children.get(segment) if spot.children is not None else None
            if child is None:
                break
            spot = child
        return spot


class Document(msgspec.Struct, frozen=True):
    """One YAML document: its value and the places of everything in it."""

    value: Any
    spot: Spot


_SURROGATES: Final = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_SEPARATOR: Final = re.compile(r"(?:^|\n)---(?=\s|$)[^\n]*(?:\n|$)")
_EXPLAINED: Final = 32_768
"""Longest text that is scanned a second time, slowly, for a better message."""


def read_yaml(text: str, limits: YamlLimits = DEFAULT_LIMITS) -> Document:
    """Read the first document of a text.

    Args:
        text: YAML.
        limits: what the text may cost.

    Returns:
        Its value in dicts with text keys, lists, str, int, float, bool, bytes and None, with spots.
        What an alias names is the same object as its anchor: never change what you get.

    Raises:
        YamlError: not YAML, or refused (see the module), with line and column from 1.
    """
    if len(text) > limits.characters:
        raise YamlError(
            f"YAML parsing error: the text has {len(text)} characters, the most is "
            f"{limits.characters}",
            1,
            1,
            "Move scripts and data into namespace files.",
        )
    try:
        return _built(text, limits)
    except yaml.MarkedYAMLError as error:
        if "escape code" in (error.problem or "") and _SURROGATES.search(text):
            return read_yaml(_SURROGATES.sub(_joined, text), limits)
        raise _explained(text, error) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise _unprintable(text) or YamlError(
            f"YAML parsing error: {error}", 1, 1, "Save the file as UTF-8."
        ) from None


def _built(text: str, limits: YamlLimits) -> Document:
    return _Builder(text, limits).build(yaml.parse(text, Loader=yaml.CSafeLoader))


def _joined(found: re.Match[str]) -> str:
    """Return the one escape that stands for two halves, as JSON writers split them."""
    high, low = int(found[1], 16), int(found[2], 16)
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def split_documents(text: str) -> list[str]:
    """Return the documents of a text that holds several, as the API splits them.

    Source: Kestra splits at a line that starts with three dashes, before YAML is read.
    """
    return [part for part, _ in numbered_documents(text)]


def numbered_documents(text: str) -> list[tuple[str, int]]:
    """Return the documents of a text as `split_documents` does, each with its first line."""
    found: list[tuple[str, int]] = []
    start = 0
    for mark in [*_SEPARATOR.finditer(text), None]:
        part = text[start : mark.start() if mark is not None else len(text)]
        if part.strip():
            found.append((part, text.count("\n", 0, start) + 1))
        start = mark.end() if mark is not None else len(text)
    return found or [(text, 1)]


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


class _Builder:
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


def _explained(text: str, error: yaml.MarkedYAMLError) -> YamlError:
    """Return the error in the words clients know: those of the scanner libyaml was made after."""
    if len(text) <= _EXPLAINED:
        try:
            for _ in yaml.parse(text, Loader=yaml.SafeLoader):
                pass
        except yaml.MarkedYAMLError as slow:
            error = slow
        except yaml.YAMLError:
            pass
    lines: list[str] = []
    if error.context:
        lines.append(error.context)
        if error.context_mark is not None:
            lines.append(_place(error.context_mark))
    if error.problem:
        lines.append(error.problem)
    remedy = _remedy(error)
    if error.problem_mark is None:
        return YamlError("YAML parsing error: " + "\n".join(lines), 1, 1, remedy)
    lines.append(_place(error.problem_mark))
    lines.append("")
    return error_at(error.problem_mark, "\n".join(lines), remedy)


def _unprintable(text: str) -> YamlError | None:
    """Return the error for the first character that YAML does not take; None: there is none."""
    found = _UNPRINTABLE.search(text)
    if found is None:
        return None
    line = text.count("\n", 0, found.start()) + 1
    column = found.start() - text.rfind("\n", 0, found.start())
    return YamlError(
        f"YAML parsing error: unacceptable character U+{ord(found[0]):04X}\n"
        f" at [Source: (StringReader); line: {line}, column: {column}] (at line {line})",
        line,
        column,
        "Remove it, or write it as an escape in double quotes.",
    )


def _place(mark: Any) -> str:
    where = f" in 'reader', line {mark.line + 1}, column {mark.column + 1}:"
    snippet = mark.get_snippet() if mark.buffer is not None else None
    return f"{where}\n{snippet}" if snippet else where


def _remedy(error: yaml.MarkedYAMLError) -> str:
    problem, context, begin = error.problem or "", error.context or "", error.context_mark
    if "mapping values" in problem:
        return (
            "Indent keys of one mapping alike, write a blank after each colon, and quote texts"
            " that hold a colon and a blank."
        )
    if "'\\t'" in problem:
        return "Indent with blanks, not with tabs."
    if "cannot start any token" in problem or "scanning an alias" in context:
        return "Put the value in quotes."
    if "could not find expected ':'" in problem:
        return "Write `key: value`; indent lines of a longer text more than its key."
    if begin is not None:
        place = f"line {begin.line + 1}, column {begin.column + 1}"
        if "quoted scalar" in context:
            return f"Close the quote that begins in {place}."
        if "flow sequence" in context or "flow mapping" in context:
            return f"Close the bracket that begins in {place}, or put the text in quotes."
        if "block" in context:
            return f"Indent the line like the others of the list or mapping that begins in {place}."
    return "Check indentation, brackets and quotes near that place."
