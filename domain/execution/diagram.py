"""The page about states, drawn from the tables of `lifecycle`: `docs/states.md`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from domain.execution.lifecycle import (
    ATTEMPT_TRANSITIONS,
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

A replay from a task run, and a restart on another revision, begin a new execution with the
histories of the one they go on from, whatever its state was; RESTARTED follows, and RUNNING for
the task runs around what is run again. The tables hold for what comes after.

| state | meaning | ends |
|---|---|---|
"""

_LOST: Final = """
## Lost attempts

A worker that dies, hangs or is stopped leaves attempts behind. Whoever takes their requests over
does not run them, but says so (`task.lost`), and the executor decides:

- An attempt that nobody reported as begun is asked for again under its number. Only what took less
  than `report_start_after_seconds` can have been begun unseen.
- An attempt that was begun ends RESUBMITTED, and the next one follows at once. It is no failure: it
  neither counts against `maxAttempts` nor makes the task a WARNING with `warningOnRetry`.
- With `onWorkerLost: FAIL` on the task (or by `pluginDefaults`) it is a failure: the attempt ends
  FAILED, and `retry`, `allowFailure`, `errors` do what they do for any other. Such a task reports
  its start before its first line runs: nothing of it is ever begun unseen.
- After ten lost attempts in a row the next one counts as a failure as well: a task that takes its
  worker down does not do so for ever.
- Of an execution that is being killed the attempt ends KILLED.

So a task runs at least once. With `onWorkerLost: FAIL` and no `retry`, no attempt is begun again
after its worker has died; one that hangs for longer than its session and wakes up may still go on
with what counts as lost by then. A report of an attempt that was lost changes nothing any more.
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
        ("Attempts", ATTEMPT_TRANSITIONS),
    ):
        parts.append(f"\n## {title}\n\n```mermaid\n{diagram(table)}\n```\n")
    return "".join(parts) + _LOST
