"""Names that every controller uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Request
from litestar.params import FromPath

Http = Request[Any, Any, Any]
"""A request."""

Segment = FromPath[str]
"""A path parameter."""


def in_both(name: str, mark: str = "actions", *, of_one: bool = False) -> Callable[..., str]:
    """Return what names the operation of a route that has a 1.x and a 2.0 path.

    Args:
        name: what both versions call the operation; the 2.0 path adds `_2` to it.
        mark: the path segment that tells the two paths apart.
        of_one: whether it is the 1.x path that has the segment.
    """

    def operation_id(_: Any, __: Any, components: list[Any]) -> str:
        return name if (mark in components) is of_one else f"{name}_2"

    return operation_id
