"""Patterns of `java.time.format.DateTimeFormatter`: their letters, widths and errors.

Source: observed results in the golden data, and the table in `ecosystem.md` 6.4.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from domain.dates.arithmetic import InvalidDate


class Element(msgspec.Struct, frozen=True):
    """One piece of a pattern."""

    letter: str
    """Pattern letter; empty for literal text; `[` and `]` around an optional part."""
    width: int = 0
    """How often the letter stands there."""
    text: str = ""
    """The literal text."""
    pad: int = 0
    """Width to pad to with blanks; 0 for none."""


_WIDEST: Final = {
    "G": 5,
    "u": 19,
    "y": 19,
    "Y": 19,
    "D": 3,
    "M": 5,
    "L": 5,
    "d": 2,
    "g": 19,
    "Q": 5,
    "q": 5,
    "w": 2,
    "W": 1,
    "E": 5,
    "e": 5,
    "c": 5,
    "F": 1,
    "a": 1,
    "h": 2,
    "K": 2,
    "k": 2,
    "H": 2,
    "m": 2,
    "s": 2,
    "S": 9,
    "A": 19,
    "n": 19,
    "N": 19,
    "z": 4,
    "X": 5,
    "x": 5,
    "Z": 5,
}
_WIDTHS: Final = {
    "V": ((2,), "Pattern letter count must be 2: V"),
    "v": ((1, 4), "Wrong number of pattern letters: v"),
    "B": ((1, 4, 5), "Wrong number of pattern letters: B"),
    "O": ((1, 4), "Pattern letter count must be 1 or 4: O"),
}
_RESERVED: Final = "{}#"
_LONGEST: Final = 1_000
_WIDEST_PAD: Final = 1_000
_DEEPEST: Final = 20


@lru_cache(maxsize=512)
def parse_pattern(pattern: str) -> tuple[Element, ...]:
    """Return the elements of a pattern.

    Raises:
        InvalidDate: an unknown letter, a width that the letter has not, a reserved character, an
            unclosed quote or bracket.
    """
    if len(pattern) > _LONGEST:
        raise InvalidDate("The date pattern is too long")
    elements: list[Element] = []
    at = depth = 0
    while at < len(pattern):
        character = pattern[at]
        if character.isascii() and character.isalpha():
            at = _letters(pattern, at, elements)
        elif character == "'":
            text, at = _quoted(pattern, at)
            elements.append(Element("", text=text))
        elif character == "[":
            depth += 1
            if depth > _DEEPEST:
                raise InvalidDate("The date pattern is nested too deeply")
            elements.append(Element("["))
            at += 1
        elif character == "]":
            if depth == 0:
                raise InvalidDate("Pattern invalid as it contains ] without previous [")
            depth -= 1
            elements.append(Element("]"))
            at += 1
        elif character in _RESERVED:
            raise InvalidDate(f"Pattern includes reserved character: '{character}'")
        else:
            elements.append(Element("", text=character))
            at += 1
    elements.extend([Element("]")] * depth)
    return tuple(elements)


def _letters(pattern: str, at: int, elements: list[Element]) -> int:
    letter, end = pattern[at], _run_end(pattern, at)
    pad = 0
    if letter == "p":
        pad = end - at
        if end >= len(pattern) or not (pattern[end].isascii() and pattern[end].isalpha()):
            raise InvalidDate(f"Pad letter 'p' must be followed by valid pad pattern: {pattern}")
        letter, at = pattern[end], end
        end = _run_end(pattern, at)
    width = end - at
    _check(letter, width)
    elements.append(Element(letter, width, pad=min(pad, _WIDEST_PAD)))
    return end


def _run_end(pattern: str, at: int) -> int:
    end = at + 1
    while end < len(pattern) and pattern[end] == pattern[at]:
        end += 1
    return end


def _check(letter: str, width: int) -> None:
    if letter in _WIDTHS:
        widths, reason = _WIDTHS[letter]
        if width not in widths:
            raise InvalidDate(reason)
        return
    if letter not in _WIDEST:
        raise InvalidDate(f"Unknown pattern letter: {letter}")
    if letter == "S" and width > _WIDEST[letter]:
        raise InvalidDate(f"Minimum width must be from 0 to 9 inclusive but was {width}")
    if width > _WIDEST[letter]:
        raise InvalidDate(f"Too many pattern letters: {letter}")
    if letter == "c" and width == 2:
        raise InvalidDate('Invalid pattern "cc"')


def _quoted(pattern: str, at: int) -> tuple[str, int]:
    """Return the text of a quoted literal, and where it ends; two quotes are one."""
    if pattern.startswith("''", at):
        return "'", at + 2
    end = at + 1
    while (end := pattern.find("'", end)) >= 0:
        if not pattern.startswith("''", end):
            return pattern[at + 1 : end].replace("''", "'"), end + 1
        end += 2
    raise InvalidDate(f"Pattern ends with an incomplete string literal: {pattern}")
