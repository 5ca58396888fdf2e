"""Regular expressions of filters: a safe common part of Java's, in time linear in the text.

Both engines get the same pattern: SQLite runs the automaton below, OpenSearch the equal Lucene
expression. Left out on purpose: back references and look-around. Possessive and lazy marks are read
and ignored: they change nothing for a yes-or-no match.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from domain.errors import InvalidQuery

MAX_LENGTH = 512
_MAX_STATES = 2_000
_MOST_CASED = 1_000
_MAX_DFA = 4_000
_LAST = 0x10FFFF


Ranges = tuple[tuple[int, int], ...]
"""Code points, both ends included."""


class _Set(msgspec.Struct, frozen=True):
    """One letter of these ranges (inclusive code points)."""

    ranges: Ranges


class _Sequence(msgspec.Struct, frozen=True):
    nodes: tuple[_Node, ...]


class _Choice(msgspec.Struct, frozen=True):
    nodes: tuple[_Node, ...]


class _Repeat(msgspec.Struct, frozen=True):
    node: _Node
    least: int
    most: int | None


class _Begin(msgspec.Struct, frozen=True):
    pass


class _End(msgspec.Struct, frozen=True):
    pass


_Node = _Set | _Sequence | _Choice | _Repeat | _Begin | _End

_DIGIT = ((48, 57),)
_WORD = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE = ((9, 13), (32, 32))
_ANY = _Set(((0, 9), (11, _LAST)))


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

    def parse(self) -> _Node:
        if self.pattern.startswith("(?i)"):
            self.ignore_case = True
            self.at = 4
        node = self.choice(0)
        if self.at < len(self.pattern):
            raise self.fail("an unexpected )")
        return node

    def choice(self, depth: int) -> _Node:
        if depth > 50:
            raise self.fail("groups too deep")
        branches = [self.sequence(depth)]
        while self.peek() == "|":
            self.take()
            branches.append(self.sequence(depth))
        return branches[0] if len(branches) == 1 else _Choice(tuple(branches))

    def sequence(self, depth: int) -> _Node:
        nodes: list[_Node] = []
        while self.peek() not in {"", "|", ")"}:
            nodes.append(self.repeat(self.atom(depth)))
        return nodes[0] if len(nodes) == 1 else _Sequence(tuple(nodes))

    def repeat(self, node: _Node) -> _Node:
        while (letter := self.peek()) and letter in "*+?{":
            if isinstance(node, _Begin | _End):
                raise self.fail("a repeated anchor")
            if letter == "{":
                least, most = self.bounds()
            else:
                self.take()
                least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[letter]
            node = _Repeat(node, least, most)
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

    def atom(self, depth: int) -> _Node:
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
                return _ANY
            case "^":
                return _Begin()
            case "$":
                return _End()
            case "\\":
                return _Set(self.escape())
            case "*" | "+" | "?" | "{":
                raise self.fail("nothing to repeat")
            case _:
                return _Set(self.literal(letter))

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

    def letters(self) -> _Node:
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
        return _Set(_inverse(merged) if inverted else merged)


def parse(pattern: str) -> _Node:
    """Read a pattern; raises InvalidQuery where it is wrong or uses what is not understood."""
    if len(pattern) > MAX_LENGTH:
        raise InvalidQuery(f"Invalid regular expression: longer than {MAX_LENGTH} letters")
    node = _Parser(pattern).parse()
    if _weight(node) > _MAX_STATES:
        raise InvalidQuery(f"Invalid regular expression '{pattern}': its repetitions are too many")
    return node


def _weight(node: _Node) -> int:
    match node:
        case _Sequence(nodes=nodes) | _Choice(nodes=nodes):
            return 1 + sum(map(_weight, nodes))
        case _Repeat(node=inner, least=least, most=most):
            return 1 + _weight(inner) * max(least, most or least + 1, 1)
        case _:
            return 1


# -- the automaton ----------------------------------------------------------------------------


class _Automaton:
    """Thompson's construction; states are numbers, moves are by letter or empty."""

    def __init__(self) -> None:
        self.empty: list[list[int]] = []
        self.begin: list[list[int]] = []
        self.end: list[list[int]] = []
        self.moves: list[tuple[Ranges, int] | None] = []

    def state(self) -> int:
        self.empty.append([])
        self.begin.append([])
        self.end.append([])
        self.moves.append(None)
        return len(self.moves) - 1

    def build(self, node: _Node, start: int) -> int:
        """Add a node behind a state; return the state in which it is done."""
        match node:
            case _Set(ranges=ranges):
                letter, done = self.state(), self.state()
                self.empty[start].append(letter)
                self.moves[letter] = (ranges, done)
                return done
            case _Begin():
                done = self.state()
                self.begin[start].append(done)
                return done
            case _End():
                done = self.state()
                self.end[start].append(done)
                return done
            case _Sequence(nodes=nodes):
                for inner in nodes:
                    start = self.build(inner, start)
                return start
            case _Choice(nodes=nodes):
                done = self.state()
                for inner in nodes:
                    branch = self.state()
                    self.empty[start].append(branch)
                    self.empty[self.build(inner, branch)].append(done)
                return done
            case _Repeat(node=inner, least=least, most=most):
                return self.repeat(inner, least, most, start)

    def repeat(self, node: _Node, least: int, most: int | None, start: int) -> int:
        for _ in range(least):
            start = self.build(node, start)
        done = self.state()
        if most is None:
            loop = self.state()
            self.empty[start].append(loop)
            self.empty[self.build(node, loop)].append(loop)
            self.empty[loop].append(done)
            return done
        for _ in range(most - least):
            self.empty[start].append(done)
            start = self.build(node, start)
        self.empty[start].append(done)
        return done

    def closure(self, states: frozenset[int], *, begin: bool, end: bool) -> frozenset[int]:
        todo = list(states)
        seen = set(states)
        while todo:
            at = todo.pop()
            following = list(self.empty[at])
            if begin:
                following += self.begin[at]
            if end:
                following += self.end[at]
            for other in following:
                if other not in seen:
                    seen.add(other)
                    todo.append(other)
        return frozenset(seen)


def matcher(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether the pattern is found anywhere in a text."""
    automaton = _Automaton()
    start = automaton.state()
    accept = automaton.build(parse(pattern), start)
    origin = frozenset({start})
    fresh = automaton.closure(origin, begin=False, end=False)
    memory: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def found(text: str) -> bool:
        current = automaton.closure(origin, begin=True, end=False)
        if accept in current:
            return True
        for letter in text:
            following = memory.get((current, letter))
            if following is None:
                following = step(current, ord(letter))
                if len(memory) >= _MAX_DFA:
                    memory.clear()
                memory[(current, letter)] = following
            current = following
            if accept in current:
                return True
        return accept in automaton.closure(current, begin=not text, end=True)

    def step(current: frozenset[int], code: int) -> frozenset[int]:
        reached: set[int] = set()
        for state in current:
            move = automaton.moves[state]
            if move is not None and any(low <= code <= high for low, high in move[0]):
                reached.add(move[1])
        return automaton.closure(frozenset(reached), begin=False, end=False) | fresh

    return found


# -- Lucene -----------------------------------------------------------------------------------


def to_lucene(pattern: str) -> str:
    """Return the equal Lucene expression, which always spans the whole value.

    Raises:
        InvalidQuery: also for an anchor in the middle of a pattern, which Lucene cannot say.
    """
    branches = _branches(parse(pattern))
    return "|".join(f"({_anchored(branch, pattern)})" for branch in branches)


def _branches(node: _Node) -> tuple[_Node, ...]:
    return node.nodes if isinstance(node, _Choice) else (node,)


def _anchored(node: _Node, pattern: str) -> str:
    nodes = list(node.nodes) if isinstance(node, _Sequence) else [node]
    before, after = ".*", ".*"
    while nodes and isinstance(nodes[0], _Begin):
        before = ""
        nodes.pop(0)
    while nodes and isinstance(nodes[-1], _End):
        after = ""
        nodes.pop()
    return before + "".join(_lucene(inner, pattern) for inner in nodes) + after


def _lucene(node: _Node, pattern: str) -> str:
    match node:
        case _Set(ranges=ranges):
            return _lucene_set(ranges)
        case _Sequence(nodes=nodes):
            return "(" + "".join(_lucene(inner, pattern) for inner in nodes) + ")"
        case _Choice(nodes=nodes):
            return "(" + "|".join(_lucene(inner, pattern) for inner in nodes) + ")"
        case _Repeat(node=inner, least=least, most=most):
            bounds = f"{{{least},{'' if most is None else most}}}"
            return f"({_lucene(inner, pattern)}){bounds}"
        case _Begin() | _End():
            raise InvalidQuery(
                f"Invalid regular expression '{pattern}': ^ and $ only at the ends of the pattern"
                " or of its alternatives"
            )


def _lucene_set(ranges: Ranges) -> str:
    if ranges == _ANY.ranges:
        return "."
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _letter(ranges[0][0])
    parts = [
        _letter(low) if low == high else f"{_letter(low)}-{_letter(high)}" for low, high in ranges
    ]
    return "[" + "".join(parts) + "]"


def _letter(code: int) -> str:
    letter = chr(code)
    return letter if (letter.isalnum() and letter.isascii()) or code > 127 else f"\\{letter}"
