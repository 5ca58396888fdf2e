"""Breakpoints in a query: `task` or `task.value`, joined by commas."""

from __future__ import annotations

from api.parameters import Parameters
from domain.execution.state import Breakpoint


def read_breakpoints(parameters: Parameters) -> list[Breakpoint]:
    """Return the breakpoints that a query names."""
    points = []
    for text in parameters.texts("breakpoints"):
        task, dot, value = text.partition(".")
        points.append(Breakpoint(task, value if dot else None))
    return points
