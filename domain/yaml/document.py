"""What a YAML text holds: its value, and where everything in it stands."""

from __future__ import annotations

from typing import Any

import msgspec

Segment = str | int
"""One step of a path: a key of a mapping or an index of a list."""


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
