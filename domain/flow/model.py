"""A flow, read: what the source of one revision means.

A Flow is a function of its source, so it never travels: the log carries the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal

import msgspec

from domain.errors import NotFound
from domain.flow.common import (
    Check,
    Concurrency,
    Label,
    Model,
    Output,
    PluginDefault,
    Quota,
    Retry,
    Sla,
    WorkerGroup,
    WorkerSelector,
)
from domain.flow.input_types import Input
from domain.flow.tasks import Task
from domain.flow.triggers import Trigger
from domain.ids import DEFAULT_TENANT

Block = Literal["tasks", "errors", "finally", "afterExecution"]
"""The four lists of tasks at the top of a flow."""


class Placement(msgspec.Struct, frozen=True):
    """Where a task stands in its flow."""

    task: Task
    parent: Task | None
    """None: at the top."""
    branch: str
    """Which of the parent's branches, or which block at the top: `tasks`, `then`, `cases.x`..."""
    block: Block
    """The top-level block it lies under, at any depth."""
    ancestors: tuple[str, ...]
    """Ids from the top down to the parent."""
    index: int
    """Position in its branch, from 0."""


class Flow(Model, frozen=True, kw_only=True, dict=True):
    """One revision of a flow.

    `dict=True` holds the index of tasks, which is no part of the value.
    """

    id: str
    namespace: str
    tenant_id: str = DEFAULT_TENANT
    revision: int | None = None
    """None: not stored yet."""
    description: str | None = None
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    disabled: bool = False
    draft: bool = False
    deleted: bool = False
    labels: tuple[Label, ...] = ()
    variables: dict[str, Any] = msgspec.field(default_factory=dict)
    worker_group: WorkerGroup | None = None
    worker_selector: WorkerSelector | None = None
    tasks: tuple[Task, ...] = ()
    errors: tuple[Task, ...] = ()
    finally_: tuple[Task, ...] = msgspec.field(name="finally", default=())
    after_execution: tuple[Task, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    plugin_defaults: tuple[PluginDefault, ...] = ()
    """Written `taskDefaults` before 0.18."""
    concurrency: Concurrency | None = None
    retry: Retry | None = None
    sla: tuple[Sla, ...] = ()
    checks: tuple[Check, ...] = ()
    quotas: tuple[Quota, ...] = ()
    policy_refs: tuple[str, ...] = ()

    def blocks(self) -> Iterator[tuple[Block, tuple[Task, ...]]]:
        """Yield the four lists of tasks at the top, empty ones included."""
        yield "tasks", self.tasks
        yield "errors", self.errors
        yield "finally", self.finally_
        yield "afterExecution", self.after_execution

    @cached_property
    def placements(self) -> dict[str, Placement]:
        """Every task at any depth with its place, by id, in order of reading."""
        found: dict[str, Placement] = {}
        for block, tasks in self.blocks():
            _place(tasks, None, block, block, (), found)
        return found

    def all_tasks(self) -> Iterator[Task]:
        """Yield every task at any depth, in order of reading."""
        return (placement.task for placement in self.placements.values())

    @property
    def effective(self) -> Flow:
        """The flow that runs: with plugin defaults applied; itself where there are none."""
        found = self.__dict__.get("_effective")
        return found if isinstance(found, Flow) else self

    @property
    def defaults(self) -> int:
        """Number of the set of plugin defaults that it was read with; 0: none."""
        return int(self.__dict__.get("_defaults", 0))

    def run_as(self, effective: Flow, defaults: int) -> None:
        """Say what this flow runs as; done once, by the reader.

        Args:
            effective: the flow with plugin defaults applied.
            defaults: number of their set.
        """
        if effective is not self:
            self.__dict__["_effective"] = effective
        if defaults:
            self.__dict__["_defaults"] = effective.__dict__["_defaults"] = defaults

    def find_task(self, task_id: str) -> Task | None:
        """Return the task, at whatever depth, or None."""
        placement = self.placements.get(task_id)
        return placement.task if placement else None

    def task_by_id(self, task_id: str) -> Task:
        """Return the task, at whatever depth.

        Raises:
            NotFound: the flow has no such task.
        """
        task = self.find_task(task_id)
        if task is None:
            raise NotFound(
                f"Can't find task with id '{task_id}' on flow '{self.namespace}.{self.id}'"
            )
        return task

    def parent_of(self, task_id: str) -> Task | None:
        """Return the task that a task stands in; None at the top or when there is no such task."""
        placement = self.placements.get(task_id)
        return placement.parent if placement else None

    def block_of(self, task_id: str) -> Block | None:
        """Return the top-level block that a task lies under, None when there is no such task."""
        placement = self.placements.get(task_id)
        return placement.block if placement else None

    def find_trigger(self, trigger_id: str) -> Trigger | None:
        """Return the trigger, or None."""
        return next((trigger for trigger in self.triggers if trigger.id == trigger_id), None)


def _place(
    tasks: tuple[Task, ...],
    parent: Task | None,
    branch: str,
    block: Block,
    ancestors: tuple[str, ...],
    found: dict[str, Placement],
) -> None:
    for index, task in enumerate(tasks):
        found[task.id] = Placement(task, parent, branch, block, ancestors, index)
        for name, children in task.branches():
            _place(children, task, name, block, (*ancestors, task.id), found)
