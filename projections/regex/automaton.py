"""Trees to automata, which look at every letter of a text once."""

from __future__ import annotations

from collections.abc import Callable

from projections.regex.syntax import (
    Begin,
    Choice,
    End,
    Letter,
    Node,
    Ranges,
    Repeat,
    Sequence,
    parse,
)

_MAX_DFA = 4_000


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

    def build(self, node: Node, start: int) -> int:
        """Add a node behind a state; return the state in which it is done."""
        match node:
            case Letter(ranges=ranges):
                letter, done = self.state(), self.state()
                self.empty[start].append(letter)
                self.moves[letter] = (ranges, done)
                return done
            case Begin():
                done = self.state()
                self.begin[start].append(done)
                return done
            case End():
                done = self.state()
                self.end[start].append(done)
                return done
            case Sequence(nodes=nodes):
                for inner in nodes:
                    start = self.build(inner, start)
                return start
            case Choice(nodes=nodes):
                done = self.state()
                for inner in nodes:
                    branch = self.state()
                    self.empty[start].append(branch)
                    self.empty[self.build(inner, branch)].append(done)
                return done
            case Repeat(node=inner, least=least, most=most):
                return self.repeat(inner, least, most, start)

    def repeat(self, node: Node, least: int, most: int | None, start: int) -> int:
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
