"""The page about states, drawn from the tables of `lifecycle`: `docs/states.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from domain.execution.lifecycle import (
    EXECUTION_TRANSITIONS,
    TASK_RUN_TRANSITIONS,
    TERMINAL,
    StateType,
)

_MEANINGS: Final[Mapping[StateType, str]] = {
    StateType.CREATED: "exists, and waits: for its date, its slot, or to be started",
    StateType.SUBMITTED: "task runs: a worker was asked",
    StateType.RUNNING: "under way",
    StateType.PAUSED: "waits for a person, a time, or the next round of a loop",
    StateType.RESTARTED: "about to run again",
    StateType.KILLING: "was told to stop; workers have still to answer",
    StateType.SUCCESS: "ended well",
    StateType.WARNING: "ended well, but something in it did not",
    StateType.FAILED: "ended badly",
    StateType.KILLED: "was stopped",
    StateType.CANCELLED: "was called off",
    StateType.QUEUED: "waits for a slot of its flow's concurrency limit",
    StateType.RETRYING: "waits for its next attempt",
    StateType.RETRIED: "was superseded by a new execution of the flow's retry",
    StateType.SKIPPED: "was not wanted: its condition did not hold",
    StateType.BREAKPOINT: "is held at a breakpoint",
    StateType.RESUBMITTED: "attempts: the worker was gone, another attempt follows",
}

_HEAD: Final = """\
# States

Drawn from `domain/execution/lifecycle.py` by `domain/execution/diagram.py`; a test compares the
two, and the laws (`tests/laws`) hold every history of random executions to these tables.

An execution or a task run leaves a state that ends it only when somebody wants so: by a restart, a
forced state, or, after FAILED, by a retry: the arrows marked "again".

| state | meaning | ends |
|---|---|---|
"""


def diagram(table: Mapping[StateType, frozenset[StateType]]) -> str:
    """Return a Mermaid state diagram of a transition table."""
    lines = ["stateDiagram-v2", "    [*] --> CREATED"]
    for state in StateType:
        for following in StateType:
            if following in table.get(state, ()):
                again = " : again" if state in TERMINAL else ""
                lines.append(f"    {state.value} --> {following.value}{again}")
    return "\n".join(lines)


def page() -> str:
    """Return the whole page."""
    rows = "".join(
        f"| {state.value} | {_MEANINGS[state]} | {'yes' if state in TERMINAL else ''} |\n"
        for state in StateType
    )
    parts = [_HEAD + rows]
    for title, table in (
        ("Executions", EXECUTION_TRANSITIONS),
        ("Task runs", TASK_RUN_TRANSITIONS),
    ):
        parts.append(f"\n## {title}\n\n```mermaid\n{diagram(table)}\n```\n")
    return "".join(parts)
