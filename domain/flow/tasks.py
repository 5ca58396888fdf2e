"""Tasks: flowables with typed children, and everything a worker or the executor runs, kept raw.

`AnyTask` is the closed union: a new flowable is a new Struct here and a line in `FLOWABLES`.
Templates are never rendered in this room, so a property that may be one is `Any` or text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from domain.flow.common import Label, Model, Output, Retry, TaskCache, WorkerGroup, WorkerSelector
from domain.flow.input_types import Input

LogLevel = Literal["ERROR", "WARN", "INFO", "DEBUG", "TRACE"]
FLOW_PACKAGE: Final = "io.kestra.plugin.core.flow."
EXECUTION_PACKAGE: Final = "io.kestra.plugin.core.execution."


class Task(Model, frozen=True, kw_only=True):
    """What all tasks share."""

    id: str
    type: str
    """Canonical name of 1.3, whatever the source says."""
    spelling: str | None = None
    """Type as the source wrote it where that was an alias; else None. Never written as such."""
    version: str | None = None
    description: str | None = None
    retry: Retry | None = None
    timeout: str | None = None
    """Template or ISO duration: longest time of one attempt; Pause: of the pause."""
    disabled: bool = False
    worker_group: WorkerGroup | None = None
    worker_selector: WorkerSelector | None = None
    log_level: LogLevel | None = None
    """Least level of log lines kept."""
    allow_failure: bool = False
    log_to_file: bool = False
    run_if: str = "true"
    """Template; a falsy result skips the task. Written `when` in 2.0."""
    allow_warning: bool = False
    task_cache: TaskCache | None = None
    assets: Any = None
    plugin_defaults_ref: str | None = None
    on_worker_lost: Literal["RESUBMIT", "FAIL"] = "RESUBMIT"
    """An attempt whose worker is gone: RESUBMIT runs it again, FAIL counts it as a failure."""

    def branches(self) -> Iterator[tuple[str, tuple[Task, ...]]]:
        """Yield the branches in order of reading: name and tasks.

        Names: `tasks`, `then`, `else`, `cases.<key>`, `defaults`, `onPause` and the like, then
        `errors`, `finally`.
        """
        yield from ()


class PluginTask(Task, frozen=True, kw_only=True):
    """A task that a worker runs; `properties` is what the source says beyond the shared fields."""

    properties: dict[str, Any] = msgspec.field(default_factory=dict)


class ExecutorTask(Task, frozen=True, kw_only=True):
    """A task that the executor itself carries out; `type` says which, see `EXECUTOR_TYPES`."""

    properties: dict[str, Any] = msgspec.field(default_factory=dict)


class Flowable(Task, frozen=True, kw_only=True):
    """A task that has tasks: it runs nothing, it says what runs next."""

    errors: tuple[Task, ...] = ()
    finally_: tuple[Task, ...] = msgspec.field(name="finally", default=())

    def main_branches(self) -> Iterator[tuple[str, tuple[Task, ...]]]:
        """Yield the branches other than `errors` and `finally`."""
        yield from ()

    def branches(self) -> Iterator[tuple[str, tuple[Task, ...]]]:
        """Yield the main branches, then errors and finally where there are any."""
        yield from self.main_branches()
        if self.errors:
            yield "errors", self.errors
        if self.finally_:
            yield "finally", self.finally_


class TaskList(Flowable, frozen=True, kw_only=True):
    """A flowable with one list of tasks."""

    tasks: tuple[Task, ...] = ()

    def main_branches(self) -> Iterator[tuple[str, tuple[Task, ...]]]:
        """Yield `tasks`."""
        yield "tasks", self.tasks


class Sequential(TaskList, frozen=True, kw_only=True):
    """One after the other."""


class AllowFailure(TaskList, frozen=True, kw_only=True):
    """One after the other; a failure inside ends it WARNING."""


class WorkingDirectory(TaskList, frozen=True, kw_only=True):
    """Runnable tasks, one after the other, on one worker and in one folder."""

    input_files: Any = None
    output_files: Any = None
    namespace_files: Any = None
    cache: Any = None


CHILD_FAILURE: Final = ("FAIL", "CANCEL", "CONTINUE", "FAILED", "CANCELLED")
"""What `onChildFailure` may say, in any case: FAIL and CANCEL interrupt running siblings, which end
FAILED or CANCELLED, CONTINUE lets them end. The longer words are those of 2.0.0."""


class Parallel(TaskList, frozen=True, kw_only=True):
    """All at once."""

    concurrent: int = 0
    """Most children at once; 0: no limit."""
    on_child_failure: str | None = None
    """2.0, see `CHILD_FAILURE`. None: written in 1.x, where running siblings go on."""


class DagTask(Model, frozen=True, kw_only=True):
    """A task of a Dag and the ids of those before it."""

    task: Task
    depends_on: tuple[str, ...] = ()


class Dag(Flowable, frozen=True, kw_only=True):
    """Each as soon as those it depends on have ended well."""

    concurrent: int = 0
    on_child_failure: str | None = None
    tasks: tuple[DagTask, ...] = ()

    def main_branches(self) -> Iterator[tuple[str, tuple[Task, ...]]]:
        """Yield the tasks in the order of the source."""
        yield "tasks", tuple(entry.task for entry in self.tasks)


class If(Flowable, frozen=True, kw_only=True):
    """One of two branches."""

    condition: Any
    then: tuple[Task, ...] = ()
    else_: tuple[Task, ...] = msgspec.field(name="else", default=())

    def main_branches(self) -> Iterator[tuple[str, tuple[Task, ...]]]:
        """Yield `then`, and `else` where there is one."""
        yield "then", self.then
        if self.else_:
            yield "else", self.else_


class Switch(Flowable, frozen=True, kw_only=True):
    """The branch whose key is the rendered value."""

    value: Any
    cases: dict[str, tuple[Task, ...]] = msgspec.field(default_factory=dict)
    defaults: tuple[Task, ...] = ()

    def main_branches(self) -> Iterator[tuple[str, tuple[Task, ...]]]:
        """Yield `cases.<key>` for each case, then `defaults` where there are any."""
        for key, tasks in self.cases.items():
            yield f"cases.{key}", tasks
        if self.defaults:
            yield "defaults", self.defaults


class ForEach(TaskList, frozen=True, kw_only=True):
    """The tasks once per value."""

    values: Any
    concurrency_limit: int = 1
    """Most iterations at once; 0: no limit."""


class EachSequential(TaskList, frozen=True, kw_only=True):
    """Old ForEach, one value after the other."""

    value: Any


class EachParallel(TaskList, frozen=True, kw_only=True):
    """Old ForEach, all values at once."""

    value: Any
    concurrent: int = 0


class Loop(TaskList, frozen=True, kw_only=True):
    """2.0's ForEach: an iteration sees nothing of the others."""

    values: Any
    concurrency_limit: int = 0
    transmit_failed: bool = True
    outputs: tuple[Output, ...] = ()
    fetch_type: Literal["AUTO", "FETCH", "STORE"] = "AUTO"
    break_when: str | None = None


class CheckFrequency(Model, frozen=True, kw_only=True):
    """How often and how long a LoopUntil looks; each may be a template."""

    max_iterations: Any = None
    max_duration: Any = None
    interval: Any = None
    """None: a minute."""


class LoopUntil(TaskList, frozen=True, kw_only=True):
    """The tasks again and again until a condition holds."""

    condition: Any
    fail_on_max_reached: Any = False
    check_frequency: CheckFrequency = CheckFrequency()


class Batch(Model, frozen=True, kw_only=True):
    """How ForEachItem cuts a file."""

    rows: Any = None
    partitions: Any = None
    bytes: Any = None
    regex_pattern: Any = None
    separator: str = "\n"


class ForEachItem(Flowable, frozen=True, kw_only=True):
    """A subflow per batch of a file's lines."""

    items: Any
    batch: Batch = Batch()
    namespace: str
    flow_id: str
    revision: int | None = None
    inputs: dict[str, Any] | None = None
    labels: Any = None
    inherit_labels: Any = False
    wait: bool = True
    transmit_failed: bool = True
    schedule_date: Any = None
    restart_behavior: Literal["RETRY_FAILED", "NEW_EXECUTION"] = "RETRY_FAILED"
    concurrency_limit: int | None = None


class Subflow(Task, frozen=True, kw_only=True):
    """An execution of another flow."""

    namespace: str
    flow_id: str
    revision: int | None = None
    inputs: dict[str, Any] | None = None
    labels: Any = None
    """List or mapping, templates inside."""
    inherit_labels: Any = False
    wait: bool = True
    transmit_failed: bool = True
    schedule_date: Any = None
    restart_behavior: Literal["RETRY_FAILED", "NEW_EXECUTION"] = "RETRY_FAILED"
    outputs: dict[str, Any] | None = None
    """Deprecated: rendered with the child's outputs."""


class Pause(Flowable, frozen=True, kw_only=True):
    """Holds the execution until someone resumes it, or a time has passed."""

    pause_duration: Any = None
    """Template or duration; written `delay` before 0.23. None: until resumed."""
    behavior: Any = "RESUME"
    """RESUME, WARN, FAIL or CANCEL once the duration has passed."""
    on_resume: tuple[Input, ...] = ()
    on_pause: Task | None = None
    tasks: tuple[Task, ...] = ()
    """Deprecated: run after the resume."""

    def main_branches(self) -> Iterator[tuple[str, tuple[Task, ...]]]:
        """Yield `onPause` and `tasks` where there are any."""
        if self.on_pause is not None:
            yield "onPause", (self.on_pause,)
        if self.tasks:
            yield "tasks", self.tasks


class Approval(Flowable, frozen=True, kw_only=True):
    """2.0: a Pause that a person approves or denies."""

    inputs: tuple[Input, ...] = ()
    decisions: Any = None
    comment_required: str = "NEVER"
    auto_approve: Any = False
    approve_behavior: str = "CONTINUE"
    deny_behavior: str = "CANCEL"
    expire_behavior: str = "CANCEL"
    due: Any = None
    on_wait: tuple[Task, ...] = ()
    on_approve: tuple[Task, ...] = ()
    on_deny: tuple[Task, ...] = ()

    def main_branches(self) -> Iterator[tuple[str, tuple[Task, ...]]]:
        """Yield `onWait`, `onApprove` and `onDeny` where there are any."""
        if self.on_wait:
            yield "onWait", self.on_wait
        if self.on_approve:
            yield "onApprove", self.on_approve
        if self.on_deny:
            yield "onDeny", self.on_deny


AnyTask = (
    PluginTask
    | ExecutorTask
    | Sequential
    | Parallel
    | Dag
    | If
    | Switch
    | ForEach
    | EachSequential
    | EachParallel
    | ForEachItem
    | Loop
    | LoopUntil
    | Pause
    | Approval
    | Subflow
    | WorkingDirectory
    | AllowFailure
)

FLOWABLES: Final[dict[str, type[Task]]] = {
    FLOW_PACKAGE + struct.__name__: struct
    for struct in (
        Sequential,
        Parallel,
        Dag,
        If,
        Switch,
        ForEach,
        EachSequential,
        EachParallel,
        ForEachItem,
        Loop,
        LoopUntil,
        Pause,
        Approval,
        Subflow,
        WorkingDirectory,
        AllowFailure,
    )
}
"""Tasks with a Struct of their own, by canonical type."""

LABELS: Final = EXECUTION_PACKAGE + "Labels"
SET_VARIABLES: Final = EXECUTION_PACKAGE + "SetVariables"
UNSET_VARIABLES: Final = EXECUTION_PACKAGE + "UnsetVariables"
EXIT: Final = EXECUTION_PACKAGE + "Exit"
FAIL: Final = EXECUTION_PACKAGE + "Fail"
ASSERT: Final = EXECUTION_PACKAGE + "Assert"

EXECUTOR_TYPES: Final = frozenset({LABELS, SET_VARIABLES, UNSET_VARIABLES, EXIT, FAIL, ASSERT})
"""Types of `ExecutorTask`."""


def labels_of(value: Any) -> tuple[Label, ...]:
    """Return labels written as a mapping or as a list of key and value, in their order.

    Values that are not texts become the text that YAML and JSON have for them; other shapes give
    nothing.
    """
    if isinstance(value, dict):
        return tuple(Label(key=str(key), value=_text(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(
            Label(key=str(item["key"]), value=_text(item.get("value")))
            for item in value
            if isinstance(item, dict) and "key" in item
        )
    return ()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
