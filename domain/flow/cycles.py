"""Cycles among things that depend on each other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping


def cyclic(depends: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the names that lie on a cycle or between two of them, in the mapping's order.

    Args:
        depends: each name with those it depends on; unknown names do not count.
    """
    onward = {
        name: {other for other in wanted if other in depends} for name, wanted in depends.items()
    }
    backward: dict[str, set[str]] = {name: set() for name in depends}
    for name, wanted in onward.items():
        for other in wanted:
            backward[other].add(name)
    left = _trimmed(_trimmed(set(depends), onward, backward), backward, onward)
    return [name for name in depends if name in left]


def _trimmed(
    names: set[str], onward: Mapping[str, set[str]], backward: Mapping[str, set[str]]
) -> set[str]:
    """Return the names without those from which every way ends."""
    count = {name: len(onward[name] & names) for name in names}
    ended = deque(name for name, ways in count.items() if ways == 0)
    left = set(names)
    while ended:
        name = ended.popleft()
        left.discard(name)
        for other in backward[name]:
            if other in left:
                count[other] -= 1
                if count[other] == 0:
                    ended.append(other)
    return left
