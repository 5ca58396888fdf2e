"""Which variables a template can reach, told from its text alone.

A path names a variable and the keys taken from it as far as they are known: texts, or the number of
a loop around the task (0: its own value, 1: that of the nearest loop's outside, ...). The first key
that is not known ends a path, which then stands for everything below.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec

from domain.expression import syntax as s
from domain.expression.errors import TemplateSyntaxError
from domain.expression.tags import parse_template

Path = tuple[str | int, ...]
"""Name of a variable, then keys."""

HERE: Final = -1
"""Key that stands for the values of all the loops around, outermost first."""

_OF_EVERYTHING: Final = frozenset({"render", "renderOnce", "printContext", "fetchContext"})
_EXTRA: Final[dict[str, tuple[Path, ...]]] = {
    "tasksWithState": (("tasks",),),
    "currentEachOutput": (("parents",), ("taskrun",)),
    "iterationOutput": (("outputs",), ("parents",), ("taskrun",), ("task",)),
    "parentOutput": (("parent",), ("parents",)),
    "secret": (("flow",),),
    "kv": (("flow",),),
}


class References(msgspec.Struct, frozen=True):
    """What some templates can reach."""

    paths: frozenset[Path] = frozenset()
    everything: bool = False
    """True: nothing can be ruled out; `paths` is empty then."""

    def __or__(self, other: References) -> References:
        """Return what either can reach."""
        if self.everything or other.everything:
            return EVERYTHING
        return References(self.paths | other.paths)

    def names(self) -> frozenset[str]:
        """Names of the variables; meaningless with `everything`."""
        return frozenset(str(path[0]) for path in self.paths)


NOTHING: Final = References()
EVERYTHING: Final = References(everything=True)


def references_in(value: Any) -> References:
    """Return what the templates inside a value can reach.

    Args:
        value: any nesting of maps and lists; texts in it, keys too, are templates.
    """
    found = NOTHING
    for text in _texts(value):
        if "{" in text:
            found |= references(text)
            if found.everything:
                break
    return found


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


@lru_cache(maxsize=4096)
def references(text: str) -> References:
    """Return what a template can reach; everything when it cannot be read."""
    try:
        body = parse_template(text)
    except (TemplateSyntaxError, RecursionError):
        return EVERYTHING
    found: set[Path] = set()
    if not _visit(body, found):
        return EVERYTHING
    return References(frozenset(found))


def _visit(node: Any, found: set[Path]) -> bool:
    """Collect the paths below a node; False when everything can be reached."""
    if isinstance(node, tuple | list):
        # each is visited, whatever the others say
        return min((_visit(item, found) for item in node), default=True)
    if isinstance(node, s.Name):
        found.add((node.name,))
        return True
    if isinstance(node, s.Attribute):
        return _attribute(node, found)
    if isinstance(node, s.Function):
        if node.name in _OF_EVERYTHING:
            return False
        found.update(_EXTRA.get(node.name, ()))
        if node.name == "currentEachOutput" and len(node.arguments.positional) == 1:
            path = _path(node.arguments.positional[0])
            if path is not None and len(path) == 2:
                found.add((*path, HERE))
                return True
        return _visit(node.arguments, found)
    if isinstance(node, msgspec.Struct):
        fields = (getattr(node, field) for field in node.__struct_fields__)
        return min((_visit(field, found) for field in fields), default=True)
    return True


def _attribute(node: s.Attribute, found: set[Path]) -> bool:
    path = _path(node)
    if path is not None:
        found.add(path)
    # keys are expressions of their own: what they read must be there, too
    complete = True
    target: Any = node
    while isinstance(target, s.Attribute):
        if not isinstance(target.key, s.Literal):
            complete = _visit(target.key, found) and complete
        target = target.target
    if path is None:
        complete = _visit(target, found) and complete
    return complete


def _path(node: Any) -> Path | None:
    """Return the path of `a.b[c]` as far as it is known; None when it starts with no name."""
    steps: list[Any] = []
    while isinstance(node, s.Attribute):
        steps.append(node.key)
        node = node.target
    if not isinstance(node, s.Name):
        return None
    path: list[str | int] = [node.name]
    for key in reversed(steps):
        step = _key(key)
        if step is None:
            break
        path.append(step)
    return tuple(path)


def _key(key: Any) -> str | int | None:
    """Return a literal key, or the number of the loop whose value is the key; None: not known."""
    if isinstance(key, s.Literal):
        return key.value if isinstance(key.value, str) else None
    if not isinstance(key, s.Attribute) or key.name != "value":
        return None
    run = key.target
    if isinstance(run, s.Name):
        return 0 if run.name == "taskrun" else None
    if not isinstance(run, s.Attribute) or run.name != "taskrun":
        return None
    owner = run.target
    if isinstance(owner, s.Name):
        return 1 if owner.name == "parent" else None
    if (
        isinstance(owner, s.Attribute)
        and isinstance(owner.target, s.Name)
        and owner.target.name == "parents"
        and isinstance(owner.key, s.Literal)
        and isinstance(owner.key.value, int)
    ):
        return owner.key.value + 1
    return None
