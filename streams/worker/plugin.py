"""What a runnable task type is to a worker: properties, and a function that runs with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from domain.errors import BrokenInvariant
from domain.execution.lifecycle import StateType
from streams.worker.context import RunContext


class Ended(msgspec.Struct, frozen=True):
    """What a task may return instead of bare outputs: the state to end in."""

    state: StateType
    outputs: Any = None


class TaskPlugin(msgspec.Struct, frozen=True, kw_only=True):
    """One task type."""

    name: str
    """Full type name as flows write it."""
    properties: type[msgspec.Struct]
    """Own properties; what is common to all tasks is not among them."""
    run: Callable[[RunContext, Any], Any]
    """Called with the context and the converted properties; returns outputs (a Struct, a dict with
    text keys, or None) or `Ended`. May block; must heed `context.interrupted`."""
    raw: frozenset[str] = frozenset()
    """Properties handed over as the flow has them, templates not rendered."""
    typed: frozenset[str] = frozenset()
    """Properties in which a text that is one expression keeps the type of its value."""


class Plugins:
    """The task types that a worker can run, by name."""

    def __init__(self, plugins: Iterable[TaskPlugin]) -> None:
        self._by_name: dict[str, TaskPlugin] = {}
        for plugin in plugins:
            if plugin.name in self._by_name:
                raise BrokenInvariant(f"two task types are called {plugin.name}")
            self._by_name[plugin.name] = plugin

    def get(self, name: str) -> TaskPlugin | None:
        """The task type of a name; None when it is not installed."""
        return self._by_name.get(name)

    def __iter__(self) -> Iterator[TaskPlugin]:
        return iter(self._by_name.values())
