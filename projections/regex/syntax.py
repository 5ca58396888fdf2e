"""Patterns to trees."""

from __future__ import annotations

import msgspec

from domain.errors import InvalidQuery

MAX_LENGTH = 512
_MAX_STATES = 2_000
_MOST_CASED = 1_000
_LAST = 0x10FFFF

Ranges = tuple[tuple[int, int], ...]
"""Code points, both ends included."""


class Letter(msgspec.Struct, frozen=True):
    """One letter of these ranges (inclusive code points)."""

    ranges: Ranges


class Sequence(msgspec.Struct, frozen=True):
    """One after the other."""

    nodes: tuple[Node, ...]


class Choice(msgspec.Struct, frozen=True):
    """One of them."""

    nodes: tuple[Node, ...]


class Repeat(msgspec.Struct, frozen=True):
    """The same so many times; `most` None: any number."""

    node: Node
    least: int
    most: int | None


class Begin(msgspec.Struct, frozen=True):
    """The begin of the text."""


class End(msgspec.Struct, frozen=True):
    """The end of the text."""


Node = Letter | Sequence | Choice | Repeat | Begin | End

_DIGIT = ((48, 57),)
_WORD = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE = ((9, 13), (32, 32))
ANY = Letter(((0, 9), (11, _LAST)))


def _normal(ranges: list[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def _inverse(ranges: Ranges) -> Ranges:
    result: list[tuple[int, int]] = []
    at = 0
    for low, high in _normal(list(ranges)):
        if low > at:
            result.append((at, low - 1))
        at = high + 1
    if at <= _LAST:
        result.append((at, _LAST))
    return tuple(result)


def _is_one(ranges: Ranges) -> bool:
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]


_CLASSES = {
    "d": _DIGIT,
    "D": _inverse(_DIGIT),
    "w": _WORD,
    "W": _inverse(_WORD),
    "s": _SPACE,
    "S": _inverse(_SPACE),
}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


class _Parser:
    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.ignore_case = False

    def fail(self, why: str) -> InvalidQuery:
        return InvalidQuery(f"Invalid regular expression '{self.pattern}': {why} near {self.at}")

    def peek(self) -> str:
        return self.pattern[self.at] if self.at < len(self.pattern) else ""

    def take(self) -> str:
        letter = self.peek()
        self.at += 1
        return letter

    def parse(self) -> Node:
        if self.pattern.startswith("(?i)"):
            self.ignore_case = True
            self.at = 4
        node = self.choice(0)
        if self.at < len(self.pattern):
            raise self.fail("an unexpected )")
        return node

    def choice(self, depth: int) -> Node:
        if depth > 50:
            raise self.fail("groups too deep")
        branches = [self.sequence(depth)]
        while self.peek() == "|":
            self.take()
            branches.append(self.sequence(depth))
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def sequence(self, depth: int) -> Node:
        nodes: list[Node] = []
        while self.peek() not in {"", "|", ")"}:
            nodes.append(self.repeat(self.atom(depth)))
        return nodes[0] if len(nodes) == 1 else Sequence(tuple(nodes))

    def repeat(self, node: Node) -> Node:
        while (letter := self.peek()) and letter in "*+?{":
            if isinstance(node, Begin | End):
                raise self.fail("a repeated anchor")
            if letter == "{":
                least, most = self.bounds()
            else:
                self.take()
                least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[letter]
            node = Repeat(node, least, most)
            if self.peek() and self.peek() in "?+":
                self.take()
        return node

    def bounds(self) -> tuple[int, int | None]:
        end = self.pattern.find("}", self.at)
        least, comma, most = self.pattern[self.at + 1 : max(end, 0)].partition(",")
        if end < 0 or not least.isdecimal() or not (most == "" or most.isdecimal()):
            raise self.fail("a wrong {n,m}")
        self.at = end + 1
        low = int(least)
        high = low if not comma else (int(most) if most else None)
        if low > 200 or (high is not None and (high > 200 or high < low)):
            raise self.fail("a repetition out of bounds (at most 200)")
        return low, high

    def atom(self, depth: int) -> Node:
        letter = self.take()
        match letter:
            case "(":
                if self.peek() == "?":
                    self.take()
                    if self.take() != ":":
                        raise self.fail("only (?: is understood of the (? groups")
                node = self.choice(depth + 1)
                if self.take() != ")":
                    raise self.fail("a missing )")
                return node
            case "[":
                return self.letters()
            case ".":
                return ANY
            case "^":
                return Begin()
            case "$":
                return End()
            case "\\":
                return Letter(self.escape())
            case "*" | "+" | "?" | "{":
                raise self.fail("nothing to repeat")
            case _:
                return Letter(self.literal(letter))

    def literal(self, letter: str) -> Ranges:
        forms = {letter}
        if self.ignore_case:
            forms |= {form for form in (letter.lower(), letter.upper()) if len(form) == 1}
        return _normal([(ord(form), ord(form)) for form in forms])

    def cased(self, ranges: Ranges) -> Ranges:
        """Both cases of every letter, where case does not count."""
        if not self.ignore_case or sum(high - low for low, high in ranges) > _MOST_CASED:
            return ranges
        codes = (code for low, high in ranges for code in range(low, high + 1))
        return _normal([pair for code in codes for pair in self.literal(chr(code))])

    def escape(self) -> Ranges:
        letter = self.take()
        if not letter:
            raise self.fail("a lone backslash")
        if letter in _CLASSES:
            return _CLASSES[letter]
        if letter in _CONTROLS:
            return self.literal(_CONTROLS[letter])
        if letter.isalnum():
            raise self.fail(f"\\{letter}, which is not understood")
        return self.literal(letter)

    def letters(self) -> Node:
        inverted = self.peek() == "^"
        if inverted:
            self.take()
        ranges: list[tuple[int, int]] = []
        first = True
        while first or self.peek() != "]":
            first = False
            letter = self.take()
            if not letter:
                raise self.fail("a missing ]")
            if letter == "[":
                raise self.fail("a [ inside of [ ]")
            found = self.escape() if letter == "\\" else ((ord(letter), ord(letter)),)
            if self.peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in {"]", ""}:
                self.take()
                last = self.take()
                until = self.escape() if last == "\\" else ((ord(last), ord(last)),)
                if not _is_one(found) or not _is_one(until) or found[0][0] > until[0][0]:
                    raise self.fail("a wrong range")
                found = ((found[0][0], until[0][0]),)
            ranges.extend(self.cased(found))
        self.take()
        merged = _normal(ranges)
        return Letter(_inverse(merged) if inverted else merged)


def parse(pattern: str) -> Node:
    """Read a pattern; raises InvalidQuery where it is wrong or uses what is not understood."""
    if len(pattern) > MAX_LENGTH:
        raise InvalidQuery(f"Invalid regular expression: longer than {MAX_LENGTH} letters")
    node = _Parser(pattern).parse()
    if _weight(node) > _MAX_STATES:
        raise InvalidQuery(f"Invalid regular expression '{pattern}': its repetitions are too many")
    return node


def _weight(node: Node) -> int:
    match node:
        case Sequence(nodes=nodes) | Choice(nodes=nodes):
            return 1 + sum(map(_weight, nodes))
        case Repeat(node=inner, least=least, most=most):
            return 1 + _weight(inner) * max(least, most or least + 1, 1)
        case _:
            return 1
