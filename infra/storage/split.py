"""A file of lines cut into parts: by rows, by bytes, into so many parts, or by what lines hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from domain.errors import InvalidInput

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?b?)\s*", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_OPEN_PARTS = 256


def parse_size(text: str | int) -> int:
    """Return bytes: a number, or a text such as `10MB` or `1.5 KiB` (units of 1,024).

    Raises:
        InvalidInput: neither.
    """
    found = _SIZE.fullmatch(str(text))
    if found is None:
        raise InvalidInput(f"{str(text)[:50]!r} is no size, such as 10MB.")
    return int(float(found[1]) * _UNITS[found[2].lower().rstrip("b").rstrip("i")])


def lines_of(file: BinaryIO, separator: bytes) -> Iterator[bytes]:
    """Yield the lines of a file, each with its separator; the last one as it is."""
    if separator == b"\n":
        yield from file
        return
    rest = b""
    while block := file.read(1024 * 1024):
        *whole, rest = (rest + block).split(separator)
        for line in whole:
            yield line + separator
    if rest:
        yield rest


class Splitter:
    """Writes lines to parts in a folder.

    Args:
        folder: where the parts come.
        suffix: end of their names.
        check: called now and then; raises when the work is to stop.
    """

    def __init__(self, folder: Path, suffix: str, check: Callable[[], None]) -> None:
        self._folder = folder
        self._suffix = suffix
        self._check = check

    def by_rows(self, lines: Iterator[bytes], rows: int) -> list[Path]:
        """Every part has so many lines, the last one maybe fewer."""
        _positive(rows, "rows")
        return self._by_turns(lines, lambda count, _: count >= rows)

    def by_bytes(self, lines: Iterator[bytes], limit: int) -> list[Path]:
        """A part ends with the line that takes it to so many bytes."""
        _positive(limit, "bytes")
        return self._by_turns(lines, lambda _, size: size >= limit)

    def into(self, lines: Iterator[bytes], partitions: int) -> list[Path]:
        """Lines go round so many parts; parts without a line are left out."""
        _positive(partitions, "partitions")
        return self._by_name(lines, lambda number, _: str(number % partitions))

    def by_pattern(self, lines: Iterator[bytes], pattern: str) -> list[Path]:
        """Lines with the same first group of a pattern share a part; others are left out."""
        try:
            wanted = re.compile(pattern)
        except re.error as error:
            raise InvalidInput(f"The pattern {pattern!r} cannot be read: {error}.") from error
        if wanted.groups < 1:
            raise InvalidInput(f"The pattern {pattern!r} has no group.")

        def name(number: int, line: bytes) -> str | None:
            del number
            found = wanted.search(line.decode(errors="replace"))
            return found[1] if found is not None else None

        return self._by_name(lines, name)

    def _path(self, number: int) -> Path:
        return self._folder / f"part-{number}{self._suffix}"

    def _by_turns(self, lines: Iterator[bytes], full: Callable[[int, int], bool]) -> list[Path]:
        parts: list[Path] = []
        part: BinaryIO | None = None
        count = size = 0
        try:
            for line in lines:
                if part is None or full(count, size):
                    if part is not None:
                        part.close()
                    self._check()
                    parts.append(self._path(len(parts)))
                    part = parts[-1].open("wb")
                    count = size = 0
                part.write(line)
                count += 1
                size += len(line)
        finally:
            if part is not None:
                part.close()
        return parts

    def _by_name(
        self, lines: Iterator[bytes], name_of: Callable[[int, bytes], str | None]
    ) -> list[Path]:
        parts: dict[str, Path] = {}
        opened: dict[str, BinaryIO] = {}
        try:
            for number, line in enumerate(lines):
                name = name_of(number, line)
                if name is None:
                    continue
                part = opened.get(name)
                if part is None:
                    self._check()
                    if len(opened) >= _OPEN_PARTS:
                        opened.pop(next(iter(opened))).close()
                    path = parts.setdefault(name, self._path(len(parts)))
                    part = opened[name] = path.open("ab")
                part.write(line)
        finally:
            for part in opened.values():
                part.close()
        return list(parts.values())


def _positive(number: int, name: str) -> None:
    if number <= 0:
        raise InvalidInput(f"`{name}` must be above 0.")
