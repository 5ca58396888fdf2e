"""How the tasks inside a flowable are laid out in a graph, and what their edges say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from domain.flow import tasks as t
from domain.flow.tasks import Task

SEQUENTIAL: Final = "SEQUENTIAL"
PARALLEL: Final = "PARALLEL"
DYNAMIC: Final = "DYNAMIC"
CHOICE: Final = "CHOICE"


class Branch:
    """Tasks that follow each other, or stand side by side."""

    def __init__(
        self,
        tasks: Sequence[Task],
        kind: str,
        relation: str,
        *,
        first: str | None = None,
        value: str | None = None,
        branch_type: str | None = None,
        dag: Sequence[t.DagTask] = (),
        is_parallel: bool = False,
    ) -> None:
        self.tasks = tasks
        self.kind = kind
        self.relation = relation
        self.first = first
        self.value = value
        self.branch_type = branch_type
        self.dag = dag
        self.is_parallel = is_parallel


def branches_of(task: Task) -> tuple[Branch, ...] | None:
    """Return the branches that a task opens a cluster for; None: it is one node."""
    match task:
        case t.Dag():
            return (Branch((), PARALLEL, PARALLEL, first=PARALLEL, dag=task.tasks),)
        case t.Parallel():
            return (Branch(task.tasks, PARALLEL, PARALLEL, first=PARALLEL, is_parallel=True),)
        case t.EachParallel():
            return (Branch(task.tasks, DYNAMIC, DYNAMIC, first=DYNAMIC, is_parallel=True),)
        case t.ForEach() | t.EachSequential() | t.Loop():
            return (Branch(task.tasks, DYNAMIC, DYNAMIC, first=DYNAMIC),)
        case t.If() | t.Switch():
            return tuple(
                Branch(
                    tasks,
                    SEQUENTIAL,
                    CHOICE,
                    first=CHOICE,
                    value=name.removeprefix("cases."),
                )
                for name, tasks in task.main_branches()
            )
        case t.Pause():
            return (_chain(task.tasks),) if task.tasks else None
        case t.ForEachItem():
            return (_chain(_batch_tasks(task)),)
        case t.Approval():
            return None
        case t.Flowable():
            return tuple(_chain(tasks) for _, tasks in task.main_branches())
        case _:
            return None


def relation_of(task: Task) -> str:
    """Return how the cluster of a task holds what is in it."""
    match task:
        case t.Parallel():
            return PARALLEL
        case t.Dag() | t.EachParallel() | t.ForEach() | t.EachSequential() | t.Loop():
            return DYNAMIC
        case t.If() | t.Switch():
            return CHOICE
        case _:
            return SEQUENTIAL


def _chain(tasks: Sequence[Task]) -> Branch:
    return Branch(tasks, SEQUENTIAL, SEQUENTIAL, first=SEQUENTIAL)


def _batch_tasks(task: t.ForEachItem) -> tuple[Task, ...]:
    """Return the three steps that ForEachItem runs as."""
    steps = (
        ("split", "ForEachItemSplit"),
        ("items", "ForEachItemExecutable"),
        ("merge", "ForEachItemMergeOutputs"),
    )
    return tuple(
        t.PluginTask(id=f"{task.id}_{step}", type=f"{task.type}${name}") for step, name in steps
    )
