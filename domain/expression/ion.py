"""Ion text in and out: all of Ion 1.0's text notation is read, plain data is written on one line.

Read as: structs maps, lists and s-expressions lists, symbols and strings texts, decimals Decimal,
floats float, timestamps aware date-times (dates where no time is given), blobs bytes. Annotations
and types of null are dropped.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from domain.expression.errors import Fault, LimitFault
from domain.expression.text import (
    data_text,
    datetime_text,
    decimal_text,
    duration_number,
    float_text,
    inner_java_text,
    json_string,
    to_text,
)

_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_KEYWORDS: Final = frozenset({"null", "true", "false", "nan"})
_BLANKS: Final = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_TIMESTAMP: Final = re.compile(
    r"(\d{4})(?:T|-(\d\d)(?:T|-(\d\d)(?:T(?:(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?"
    r"(Z|[+-]\d\d:\d\d))?)?))"
)
_NUMBER: Final = re.compile(
    r"(-?)(?:0[xX]([0-9a-fA-F][0-9a-fA-F_]*)|0[bB]([01][01_]*)"
    r"|(\d[\d_]*)(\.[\d_]*)?(?:([eEdD])([-+]?\d{1,6}))?)"
)
_NULL: Final = re.compile(r"null(?:\.[a-z]+)?")
_ESCAPES: Final = {
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "t": "\t",
    "n": "\n",
    "f": "\f",
    "r": "\r",
    "v": "\v",
    '"': '"',
    "'": "'",
    "?": "?",
    "\\": "\\",
    "/": "/",
    "\n": "",
}
_HEX_LENGTHS: Final = {"x": 2, "u": 4, "U": 8}
_DEEPEST: Final = 200
_MOST_DIGITS: Final = 1_000


def read_ion(text: str) -> list[Any]:
    """Return every value of an Ion text, in order.

    Raises:
        Fault: it is no Ion text.
    """
    return _Reader(text).all()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def all(self) -> list[Any]:
        values: list[Any] = []
        while True:
            self._blanks()
            if self._at >= len(self._text):
                return values
            if self._text.startswith("$ion_1_0", self._at):
                self._at += len("$ion_1_0")
                continue
            values.append(self._value())

    def _fail(self, reason: str) -> Fault:
        return Fault(f"Invalid Ion at character {self._at}: {reason}")

    def _blanks(self) -> None:
        found = _BLANKS.match(self._text, self._at)
        if found:
            self._at = found.end()

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _value(self) -> Any:
        self._blanks()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._fail("nested too deeply")
        value = self._unannotated()
        self._depth -= 1
        return value

    def _unannotated(self) -> Any:
        while True:
            start = self._at
            character = self._peek()
            if character != "'" and not _IDENTIFIER.match(self._text, start):
                break
            if self._text.startswith("'''", start):
                break
            symbol = self._symbol()
            after = self._at
            self._blanks()
            if not self._text.startswith("::", self._at):
                if character == "'":
                    self._at = after
                    return symbol
                self._at = start
                break
            self._at += 2
            self._blanks()
        return self._plain()

    def _plain(self) -> Any:
        text, at = self._text, self._at
        character = self._peek()
        if character == "{":
            return self._blob() if text.startswith("{{", at) else self._struct()
        if character in ("[", "("):
            return self._sequence("]" if character == "[" else ")")
        if character == '"':
            return self._quoted('"')
        if text.startswith("'''", at):
            return self._long_string()
        found = _NULL.match(text, at)
        if found and not _IDENTIFIER.match(text, found.end()):
            self._at = found.end()
            return None
        for word, value in (("true", True), ("false", False), ("nan", math.nan)):
            found = _IDENTIFIER.match(text, at)
            if found and found.group() == word:
                self._at = found.end()
                return value
        if text.startswith(("+inf", "-inf"), at):
            self._at += 4
            return math.inf if character == "+" else -math.inf
        if found := _TIMESTAMP.match(text, at):
            self._at = found.end()
            return self._timestamp(found)
        if found := _NUMBER.match(text, at):
            self._at = found.end()
            return self._number(found)
        if _IDENTIFIER.match(text, at):
            return self._symbol()
        raise self._fail("a value is expected")

    def _symbol(self) -> str:
        if self._peek() == "'":
            return self._quoted("'")
        found = _IDENTIFIER.match(self._text, self._at)
        if found is None:
            raise self._fail("a symbol is expected")
        self._at = found.end()
        return found.group()

    def _quoted(self, quote: str) -> str:
        self._at += 1
        parts: list[str] = []
        while True:
            character = self._peek()
            if not character or character == "\n":
                raise self._fail("unclosed string")
            if character == quote:
                self._at += 1
                return "".join(parts)
            parts.append(self._escape() if character == "\\" else character)
            if character != "\\":
                self._at += 1

    def _long_string(self) -> str:
        parts: list[str] = []
        end = self._at
        while self._text.startswith("'''", self._at):
            self._at += 3
            while not self._text.startswith("'''", self._at):
                character = self._peek()
                if not character:
                    raise self._fail("unclosed string")
                parts.append(self._escape() if character == "\\" else character)
                if character != "\\":
                    self._at += 1
            self._at += 3
            end = self._at
            self._blanks()
        self._at = end
        return "".join(parts)

    def _escape(self) -> str:
        letter = self._text[self._at + 1 : self._at + 2]
        self._at += 2
        if letter in _HEX_LENGTHS:
            digits = self._text[self._at : self._at + _HEX_LENGTHS[letter]]
            try:
                self._at += len(digits)
                letter = chr(int(digits, 16))
                return "\ufffd" if "\ud800" <= letter <= "\udfff" else letter
            except (ValueError, OverflowError):
                raise self._fail("bad escape") from None
        if letter not in _ESCAPES:
            raise self._fail("bad escape")
        return _ESCAPES[letter]

    def _struct(self) -> dict[str, Any]:
        self._at += 1
        members: dict[str, Any] = {}
        while True:
            self._blanks()
            if self._peek() == "}":
                self._at += 1
                return members
            if members:
                self._expect(",")
                if self._peek() == "}":
                    continue
            name = self._field_name()
            self._expect(":")
            members[name] = self._value()

    def _field_name(self) -> str:
        if self._text.startswith("'''", self._at):
            return self._long_string()
        return self._quoted('"') if self._peek() == '"' else self._symbol()

    def _expect(self, character: str) -> None:
        self._blanks()
        if self._peek() != character:
            raise self._fail(f"'{character}' is expected")
        self._at += 1
        self._blanks()

    def _sequence(self, closing: str) -> list[Any]:
        self._at += 1
        items: list[Any] = []
        while True:
            self._blanks()
            if self._peek() == closing:
                self._at += 1
                return items
            if items and closing == "]":
                self._expect(",")
                if self._peek() == closing:
                    continue
            items.append(self._value())

    def _blob(self) -> bytes | str:
        self._at += 2
        self._blanks()
        if self._peek() in ('"', "'"):
            value: bytes | str = self._quoted('"') if self._peek() == '"' else self._long_string()
            self._blanks()
        else:
            end = self._text.find("}}", self._at)
            try:
                value = base64.b64decode("".join(self._text[self._at : end].split()), validate=True)
            except (binascii.Error, ValueError):
                raise self._fail("bad blob") from None
            self._at = max(end, self._at)
        if not self._text.startswith("}}", self._at):
            raise self._fail("unclosed blob")
        self._at += 2
        return value

    def _timestamp(self, found: re.Match[str]) -> datetime | date:
        year, month, day, hour, minute, second, fraction, offset = found.groups()
        try:
            if hour is None:
                return date(int(year), int(month or 1), int(day or 1))
            span = timedelta()
            if offset != "Z":
                span = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
                span = -span if offset[0] == "-" else span
            micros = int((fraction or "").ljust(6, "0")[:6])
            clock = int(hour), int(minute), int(second or 0), micros
            return datetime(int(year), int(month), int(day), *clock, tzinfo=timezone(span)).replace(
                tzinfo=timezone(span) if span else UTC
            )
        except ValueError:
            raise self._fail("no such date") from None

    def _number(self, found: re.Match[str]) -> Any:
        sign, hexadecimal, binary, whole, fraction, kind, exponent = found.groups()
        after = self._text[self._at : self._at + 1]
        if after and (after.isalnum() or after in "_$\"'"):
            raise self._fail("a number is followed by a letter")
        digits = (hexadecimal or binary or whole).replace("_", "")
        if len(digits) > _MOST_DIGITS:
            raise self._fail("a number has too many digits")
        factor = -1 if sign else 1
        if hexadecimal or binary:
            return factor * int(digits, 16 if hexadecimal else 2)
        if fraction is None and kind is None:
            return factor * int(digits)
        text = f"{sign}{digits}{(fraction or '').replace('_', '')}"
        if kind in ("e", "E"):
            return float(f"{text}e{exponent}")
        try:
            return Decimal(f"{text}e{exponent or 0}")
        except InvalidOperation:
            raise self._fail("bad number") from None


def write_ion(value: Any, longest: int) -> str:
    """Return a value as Ion text.

    Raises:
        LimitFault: the text would be longer than `longest` characters.
        Fault: a value that Ion has no notation for.
    """
    out = _Writer(longest)
    out.write(value)
    return "".join(out.parts)


class _Writer:
    def __init__(self, longest: int) -> None:
        self.parts: list[str] = []
        self._left = longest

    def _add(self, text: str) -> None:
        self._left -= len(text) + 8  # many tiny parts cannot take endless time
        if self._left < 0:
            raise LimitFault("The text is longer than allowed.")
        self.parts.append(text)

    def write(self, value: Any) -> None:
        match value:
            case None:
                self._add("null")
            case str():
                self._add(json_string(value))
            case bool():
                self._add("true" if value else "false")
            case float():
                self._add(_float(value))
            case Decimal():
                self._add(_decimal(value))
            case datetime() if value.tzinfo is not None:
                self._add(datetime_text(value))
            case date() if not isinstance(value, datetime):
                self._add(value.isoformat())
            case timedelta():
                self._add(duration_number(value))
            case bytes():
                self._add("{{" + base64.b64encode(value).decode() + "}}")
            case Mapping():
                for index, (key, item) in enumerate(value.items()):
                    self._add("," if index else "{")
                    self._add(_field(inner_java_text(key)) + ":")
                    self.write(item)
                self._add("}" if value else "{}")
            case list() | tuple() | AbstractSet():
                for index, item in enumerate(value):
                    self._add("," if index else "[")
                    self.write(item)
                self._add("]" if value else "[]")
            case int():
                self._add(to_text(value))
            case _:
                self._add(json_string(data_text(value)))


def _float(value: float) -> str:
    if math.isnan(value) or math.isinf(value):
        return "nan" if math.isnan(value) else "+inf" if value > 0 else "-inf"
    # Ion knows double precision only
    text = float_text(float(value))
    return text if "E" in text else text.removesuffix(".0") + "e0"


def _decimal(value: Decimal) -> str:
    text = decimal_text(value).replace("E+", "d").replace("E", "d")
    return text if "d" in text or "." in text else text + "."


def _field(name: str) -> str:
    if _IDENTIFIER.fullmatch(name) and name not in _KEYWORDS:
        return name
    escaped = json_string(name)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{escaped}'"
