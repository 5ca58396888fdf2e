"""Trees to the equal expressions of Lucene."""

from __future__ import annotations

from domain.errors import InvalidQuery
from projections.regex.syntax import (
    ANY,
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


def to_lucene(pattern: str) -> str:
    """Return the equal Lucene expression, which always spans the whole value.

    Raises:
        InvalidQuery: also for an anchor in the middle of a pattern, which Lucene cannot say.
    """
    branches = _branches(parse(pattern))
    return "|".join(f"({_anchored(branch, pattern)})" for branch in branches)


def _branches(node: Node) -> tuple[Node, ...]:
    return node.nodes if isinstance(node, Choice) else (node,)


def _anchored(node: Node, pattern: str) -> str:
    nodes = list(node.nodes) if isinstance(node, Sequence) else [node]
    before, after = ".*", ".*"
    while nodes and isinstance(nodes[0], Begin):
        before = ""
        nodes.pop(0)
    while nodes and isinstance(nodes[-1], End):
        after = ""
        nodes.pop()
    return before + "".join(_lucene(inner, pattern) for inner in nodes) + after


def _lucene(node: Node, pattern: str) -> str:
    match node:
        case Letter(ranges=ranges):
            return _lucene_set(ranges)
        case Sequence(nodes=nodes):
            return "(" + "".join(_lucene(inner, pattern) for inner in nodes) + ")"
        case Choice(nodes=nodes):
            return "(" + "|".join(_lucene(inner, pattern) for inner in nodes) + ")"
        case Repeat(node=inner, least=least, most=most):
            bounds = f"{{{least},{'' if most is None else most}}}"
            return f"({_lucene(inner, pattern)}){bounds}"
        case Begin() | End():
            raise InvalidQuery(
                f"Invalid regular expression '{pattern}': ^ and $ only at the ends of the pattern"
                " or of its alternatives"
            )


def _lucene_set(ranges: Ranges) -> str:
    if ranges == ANY.ranges:
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
