"""Rules about the spans of time over which flow triggers gather executions."""

from __future__ import annotations

from typing import Any, Final

from domain.flow.reading import Path, Reading
from domain.flow.triggers import DependencyWindow, TimeWindow

_Parts = tuple[tuple[str, str], ...]
"""Attribute, and its name in a sentence."""

_ALL: Final[_Parts] = (
    ("deadline", "a deadline"),
    ("window", "a window"),
    ("window_advance", "a window advance"),
    ("start_time", "a start time"),
    ("end_time", "an end time"),
)
_TAKEN: Final[dict[str, frozenset[str]]] = {
    "DURATION_WINDOW": frozenset({"window", "window_advance"}),
    "DAILY_TIME_DEADLINE": frozenset({"deadline"}),
    "DAILY_TIME_WINDOW": frozenset({"start_time", "end_time"}),
    "SLIDING_WINDOW": frozenset({"window"}),
}
_NEEDED: Final[dict[str, frozenset[str]]] = {
    "DAILY_TIME_DEADLINE": frozenset({"deadline"}),
    "DAILY_TIME_WINDOW": frozenset({"start_time", "end_time"}),
    "SLIDING_WINDOW": frozenset({"window"}),
}

_ALL_DEPENDENCY: Final[_Parts] = (
    ("deadline", "a deadline"),
    ("every", "an every duration"),
    ("offset", "an offset"),
    ("from_", "a from time"),
    ("to", "a to time"),
    ("lookback", "a lookback duration"),
)
_TAKEN_DEPENDENCY: Final[dict[str, frozenset[str]]] = {
    "DURATION_WINDOW": frozenset({"every", "offset"}),
    "DAILY_TIME_DEADLINE": frozenset({"deadline"}),
    "DAILY_TIME_WINDOW": frozenset({"from_", "to"}),
    "SLIDING_WINDOW": frozenset({"lookback"}),
}


def check_time_window(window: TimeWindow, path: Path, reading: Reading) -> None:
    """Report what a 1.x window has too much or lacks."""
    kind = window.type
    if kind not in _TAKEN:
        return
    title = f"Time window of type `{kind}`"
    _refuse(window, title, _ALL, _TAKEN[kind], path, reading)
    for attribute, words in _ALL:
        if attribute in _NEEDED.get(kind, ()) and getattr(window, attribute) is None:
            reading.rule(path, f"{title} must have {words}.", f"Add `{_wire(attribute)}`.")


def check_dependency_window(window: DependencyWindow, path: Path, reading: Reading) -> None:
    """Report what a 2.0 window has too much or lacks; its members say which kind it is."""
    kind = "DURATION_WINDOW"
    if window.deadline is not None:
        kind = "DAILY_TIME_DEADLINE"
    elif window.from_ is not None or window.to is not None:
        kind = "DAILY_TIME_WINDOW"
    elif window.lookback is not None:
        kind = "SLIDING_WINDOW"
    title = f"Window of type `{kind}`"
    _refuse(window, title, _ALL_DEPENDENCY, _TAKEN_DEPENDENCY[kind], path, reading)
    if kind == "DAILY_TIME_WINDOW":
        if window.from_ is None:
            reading.rule(path, f"{title} must have a from time.", "Add `from`.")
        if window.to is None:
            reading.rule(path, f"{title} must have a to time.", "Add `to`.")
    if kind == "DURATION_WINDOW" and window.offset is not None and window.every is None:
        reading.rule((*path, "offset"), "belongs to `every`", "Add `every`.")


def _refuse(
    window: Any, title: str, parts: _Parts, taken: frozenset[str], path: Path, reading: Reading
) -> None:
    for attribute, words in parts:
        if attribute not in taken and getattr(window, attribute) is not None:
            reading.rule(
                path,
                f"{title} cannot have {words}.",
                f"Remove `{_wire(attribute)}`.",
                at=(*path, _wire(attribute)),
            )


def _wire(attribute: str) -> str:
    first, *rest = attribute.rstrip("_").split("_")
    return first + "".join(part.title() for part in rest)
