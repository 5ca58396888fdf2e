"""What a flow says, compiled for the step: tasks with their place, rules, templates and references.

A plan is a function of its flow and is kept beside it: whoever bounds the number of parsed flows
bounds the number of plans.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final, cast

import msgspec

from domain.execution.state import MAIN_LANE
from domain.expression.references import (
    NOTHING,
    References,
    references,
    references_in,
)
from domain.flow import tasks as t
from domain.flow.common import Retry
from domain.flow.model import Flow
from domain.flow.tasks import Task

ERRORS: Final = "errors"
FINALLY: Final = "finally"
AFTER: Final = "afterExecution"
ON_PAUSE: Final = "onPause"
ON_WAIT: Final = "onWait"

_OWN_LANES: Final = frozenset({ERRORS, FINALLY, AFTER, ON_PAUSE, ON_WAIT})
_NEVER_IN_DOCUMENT: Final = ("spelling",)


class Branch(tuple["TaskPlan", ...]):
    """The enabled tasks of one branch, in order."""

    __slots__ = ()


class ItemsTask(Task, frozen=True, kw_only=True):
    """The part of a ForEachItem that starts the children."""

    owner: t.ForEachItem


SPLIT: Final = "_split"
ITEMS: Final = "_items"
MERGE: Final = "_merge"
_PARTS: Final = t.FLOW_PACKAGE + "ForEachItem$ForEachItem"


def parts_of(owner: t.ForEachItem) -> tuple[Task, ...]:
    """Return the three tasks that a ForEachItem consists of."""
    batch = owner.batch
    cut = {"bytes": batch.bytes, "partitions": batch.partitions, "rows": batch.rows}
    cut["regexPattern"] = batch.regex_pattern
    if all(value is None for value in cut.values()):
        cut["rows"] = 1
    cut["separator"] = batch.separator
    split = t.PluginTask(
        id=owner.id + SPLIT,
        type="io.kestra.plugin.core.storage.Split",
        worker_group=owner.worker_group,
        worker_selector=owner.worker_selector,
        properties={"from": owner.items} | {k: v for k, v in cut.items() if v is not None},
    )
    items = ItemsTask(id=owner.id + ITEMS, type=_PARTS + "Executable", owner=owner)
    merge = t.PluginTask(
        id=owner.id + MERGE,
        type="io.kestra.plugin.core.storage.Write",
        worker_group=owner.worker_group,
        worker_selector=owner.worker_selector,
        properties={"content": f"{{{{ {MERGED} }}}}", "extension": ".jsonl"},
    )
    return split, items, merge


MERGED: Final = "mergedOutputs"
"""Variable of the merge: the outputs of all children, one JSON object a line."""


class TaskPlan:
    """One task with its place."""

    def __init__(self, task: Task, parent: TaskPlan | None, branch: str, index: int) -> None:
        self.task = task
        self.id = task.id
        self.parent = parent
        self.branch = branch
        """Name in the flow: `tasks`, `then`, `cases.x`, `errors`..."""
        self.lane = branch if branch in _OWN_LANES else MAIN_LANE
        self.index = index
        """Position among the enabled tasks of its branch."""
        self.branches: dict[str, Branch] = {}
        self.run_if: str | None = None if task.run_if == "true" else task.run_if
        """None: always."""
        self.is_flowable = isinstance(task, t.Flowable)
        self.merges = False
        """Merges the outputs of a ForEachItem's children."""
        self.forced = False
        """Lies under afterExecution."""

    def tasks(self, branch: str) -> Branch:
        """Return the enabled tasks of a branch; none when the task has no such branch."""
        return self.branches.get(branch, _NO_BRANCH)

    @property
    def retry(self) -> Retry | None:
        """The retry of the task or of the nearest flowable around that has one."""
        place: TaskPlan | None = self
        while place is not None:
            if place.task.retry is not None:
                return place.task.retry
            place = place.parent
        return None

    @cached_property
    def document(self) -> dict[str, Any]:
        """The task as workers read it: members of the flow language, templates not rendered."""
        document = document_of(self.task)
        if isinstance(self.task, t.WorkingDirectory):
            # children with their defaults; the blocks around them are the executor's part
            document["tasks"] = [child.document for child in self.tasks("tasks")]
            document.pop(ERRORS, None)
            document.pop(FINALLY, None)
        return document

    @cached_property
    def references(self) -> References:
        """What the templates that a worker renders can reach; the small variables always."""
        return references_in(self.document) | _ALWAYS

    @cached_property
    def run_if_references(self) -> References:
        """What the condition can reach."""
        return NOTHING if self.run_if is None else references(self.run_if)


_ALWAYS: Final = References(
    frozenset({("flow",), ("execution",), ("task",), ("taskrun",)})
    # whose files may be read beside the execution's own
    | {("trigger", name) for name in ("executionId", "namespace", "flowId")}
)
_NO_BRANCH: Final = Branch()


def document_of(task: Task) -> dict[str, Any]:
    """Return a task as its source says it, properties of plugins beside the shared ones."""
    document: dict[str, Any] = _flat(msgspec.to_builtins(task))
    return document


def _flat(value: Any) -> Any:
    if isinstance(value, dict):
        flat = {key: _flat(item) for key, item in value.items() if key not in _NEVER_IN_DOCUMENT}
        properties = flat.pop("properties", None) if "id" in flat and "type" in flat else None
        if isinstance(properties, dict):
            for key, item in properties.items():
                flat.setdefault(key, item)
        return flat
    if isinstance(value, list):
        return [_flat(item) for item in value]
    return value


class FlowPlan:
    """A flow, compiled."""

    def __init__(self, flow: Flow) -> None:
        flow = flow.effective
        self.flow = flow
        self.tasks: dict[str, TaskPlan] = {}
        """By id, disabled ones left out."""
        self.lanes: dict[str, Branch] = {}
        """The blocks at the top."""
        for block, tasks in flow.blocks():
            self.lanes[block] = self._branch(tasks, None, block)

    def _branch(self, tasks: tuple[Task, ...], parent: TaskPlan | None, name: str) -> Branch:
        plans: list[TaskPlan] = []
        for task in tasks:
            if task.disabled:
                continue
            plan = TaskPlan(task, parent, name, len(plans))
            plan.forced = parent.forced if parent is not None else name == AFTER
            plans.append(plan)
            self.tasks[task.id] = plan
            for branch, children in task.branches():
                plan.branches[branch] = self._branch(children, plan, branch)
            if isinstance(plan.task, t.ForEachItem):
                parts = self._branch(parts_of(plan.task), plan, "tasks")
                parts[-1].merges = True
                plan.branches["tasks"] = parts
        return Branch(plans)

    @cached_property
    def sla_references(self) -> tuple[References, ...]:
        """What each SLA's assertion can reach, in order."""
        return tuple(references(sla.assert_ or "") for sla in self.flow.sla)

    @cached_property
    def output_references(self) -> References:
        """What the flow's outputs can reach."""
        return references_in([output.value for output in self.flow.outputs])

    @cached_property
    def base(self) -> dict[str, Any]:
        """The variable `flow`."""
        flow = self.flow
        return {
            "id": flow.id,
            "namespace": flow.namespace,
            "revision": flow.revision,
            "tenantId": flow.tenant_id,
        }


_KEY: Final = "plan"


def plan_of(flow: Flow) -> FlowPlan:
    """Return the plan of a flow, made once for each Flow object and kept beside it."""
    beside = vars(flow)
    found = beside.get(_KEY)
    if found is None:
        found = beside[_KEY] = FlowPlan(flow)
    return cast(FlowPlan, found)
