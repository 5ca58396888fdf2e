"""What is wrong with a text that is no JSON, in the words that clients of the API know.

The words are those of the parser behind older servers: a reason, then the place it was found at.
"""

from __future__ import annotations

import re
from typing import Final

_SOURCE: Final = "Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)"
_VALUES: Final = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_TOKEN: Final = re.compile(r"[\w$]+")
_WORDS: Final = frozenset({"true", "false", "null"})


class JsonFault(Exception):
    """The reason that a text is no JSON; `path` has the list places that lead there."""

    def __init__(self, reason: str, path: tuple[int | str, ...] = ()) -> None:
        super().__init__(reason)
        self.path = path


def json_fault(text: str) -> JsonFault | None:
    """Return what is wrong with a text as JSON; None when nothing is, or nothing is known."""
    try:
        _Reader(text).read()
    except JsonFault as fault:
        return fault
    return None


class _Reader:
    """Walks a text without recursion: a deep one is no deeper for it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._open: list[tuple[str, int]] = []
        self._path: list[int | str] = []

    def read(self) -> None:
        self._value()
        while self._open:
            self._member()

    def _member(self) -> None:
        kind, start = self._open[-1]
        close = "}" if kind == "Object" else "]"
        first = self._path[-1] == ""
        letter = self._letter()
        if letter == "":
            marker = f"(start marker at {_place(self._text, start)})"
            raise self._end(f"expected close marker for {kind} {marker}")
        if letter == close:
            self._at += 1
            self._open.pop()
            self._path.pop()
            return
        if not first:
            if letter != ",":
                raise self._odd(f"was expecting comma to separate {kind} entries")
            self._at += 1
            if self._letter() == "":
                raise self._end("", f"within/between {kind} entries")
        elif letter == "," and kind == "Array":
            raise self._odd(f"expected a valid value {_VALUES}")
        if kind == "Array":
            self._path[-1] = 0 if first else int(self._path[-1]) + 1
            self._value()
            return
        if self._letter() != '"':
            raise self._odd("was expecting double-quote to start field name")
        self._path[-1] = self._string("a field name")
        if self._letter() != ":":
            if self._letter() == "":
                raise self._end("", f"within/between {kind} entries")
            raise self._odd("was expecting a colon to separate field name and value")
        self._at += 1
        self._value()

    def _value(self) -> None:
        letter = self._letter()
        if letter == "":
            raise self._end("", f"within/between {self._open[-1][0]} entries" if self._open else "")
        if letter in "{[":
            self._open.append(("Object" if letter == "{" else "Array", self._at))
            self._path.append("")
            self._at += 1
        elif letter == '"':
            self._string("a string value")
        else:
            self._scalar()

    def _scalar(self) -> None:
        token = _TOKEN.match(self._text, self._at)
        number = _NUMBER.match(self._text, self._at)
        if number is not None and (token is None or number.end() >= token.end()):
            self._at = number.end()
        elif token is None:
            raise self._odd(f"expected a valid value {_VALUES}")
        elif token.group() in _WORDS:
            self._at = token.end()
        else:
            self._at = token.end()
            raise self._fault(
                f"Unrecognized token '{token.group()[:256]}': was expecting {_VALUES}"
            )

    def _string(self, what: str) -> str:
        found = _STRING.match(self._text, self._at)
        if found is None:
            self._at = len(self._text)
            raise self._end(f"was expecting closing quote for {what}")
        self._at = found.end()
        return found.group()[1:-1]

    def _letter(self) -> str:
        """The next letter that is no space; empty at the end."""
        found = _SPACE.match(self._text, self._at)
        assert found is not None
        self._at = found.end()
        return self._text[self._at : self._at + 1]

    def _end(self, expected: str, where: str = "") -> JsonFault:
        reason = "Unexpected end-of-input" + (f" {where}" if where else "")
        return self._fault(f"{reason}: {expected}" if expected else reason)

    def _odd(self, expected: str) -> JsonFault:
        letter = self._text[self._at]
        return self._fault(f"Unexpected character ('{letter}' (code {ord(letter)})): {expected}")

    def _fault(self, reason: str) -> JsonFault:
        return JsonFault(f"{reason}\n at {_place(self._text, self._at)}", tuple(self._path))


def _place(text: str, at: int) -> str:
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return f"[{_SOURCE}; line: {line}, column: {column}]"
