"""ForEachItem: a subflow per batch of a file.

Three task runs of its own: `<id>_split` cuts the file (a worker does), `<id>_items` starts the
children, `<id>_merge` puts their outputs into one file (a worker again).
"""

from __future__ import annotations

from typing import Final

import msgspec

from domain.errors import TidewheelError
from domain.execution import timers
from domain.execution.ending import finish
from domain.execution.events import (
    SubflowRestarted,
    SubflowStarted,
    TaskRunOpened,
    TaskRunOutputsSet,
)
from domain.execution.flowables.contract import FlowableRule
from domain.execution.flowables.foreach import BATCH
from domain.execution.flowables.sequential import OneAfterTheOther
from domain.execution.flowables.subflow import FlowDisabled, child_of, state_of
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.plan import ItemsTask, TaskPlan
from domain.execution.state import Child, TaskRun
from domain.execution.turn import Turn
from domain.flow import tasks as t
from domain.ids import derived
from domain.log import Level

_S = StateType
BATCHES: Final = "numberOfBatches"
ITERATIONS: Final = "iterations"
_SHOWN: Final = ("CREATED", "RUNNING")
_BY_WEIGHT: Final = (_S.KILLED, _S.FAILED, _S.WARNING)


class ForEachItemRule(OneAfterTheOther):
    """Split, items, merge: one after the other."""


class ItemsRule(FlowableRule):
    """The children, up to a limit side by side; its outputs count them by state."""

    def open(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Begin with the batches of the split; a restart runs the failed children again."""
        items = task.task
        assert isinstance(items, ItemsTask)
        failed = _failed_children(turn, run)
        if failed and items.owner.restart_behavior == "RETRY_FAILED":
            turn.emit(TaskRunOpened(id=run.id))
            for child_id in failed:
                turn.emit(SubflowRestarted(task_run_id=run.id, child_id=child_id))
            counts = dict((run.outputs or {})[ITERATIONS])
            counts["FAILED"] -= len(failed)
            counts["RUNNING"] = counts.get("RUNNING", 0) + len(failed)
            turn.emit(TaskRunOutputsSet(id=run.id, outputs={ITERATIONS: counts}))
            return
        uris = self._batches(turn, task, run)
        shown = _SHOWN if items.owner.wait else _SHOWN[1:]
        outputs = {BATCHES: len(uris), ITERATIONS: dict.fromkeys(shown, 0)}
        turn.emit(TaskRunOpened(id=run.id, values=uris, outputs=outputs if uris else None))

    @staticmethod
    def _batches(turn: Turn, task: TaskPlan, run: TaskRun) -> list[str]:
        assert isinstance(task.task, ItemsTask)
        split_id = f"{task.task.owner.id}_split"
        for sibling in turn.scope(turn.parent_of(run)).runs():
            if sibling.task_id == split_id:
                outputs = turn.outputs_of(sibling)
                return [str(uri) for uri in outputs.get("uris", ())]
        return []

    def resolve(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Start children while there is room; end when all of them have ended."""
        items = task.task
        assert isinstance(items, ItemsTask)
        if turn.waits_for(timers.CONTINUE, run):
            return
        owner = items.owner
        values = run.values or []
        counts: dict[str, int] = dict((run.outputs or {}).get(ITERATIONS, {}))
        begun = sum(counts.values())
        active = counts.get("CREATED", 0) + counts.get("RUNNING", 0)
        limit = owner.concurrency_limit or 0
        room = limit - active if limit > 0 and owner.wait else len(values)
        last = min(len(values), begun + max(room, 0), begun + BATCH)
        try:
            creations = [
                child_of(
                    turn,
                    task,
                    run,
                    owner,
                    derived("subflow", turn.state.id, run.id, len(run.attempts), number),
                    items={"items": values[number], "iteration": number},
                )
                for number in range(begun, last)
            ]
        except TidewheelError as error:
            turn.record_answers()
            turn.log(Level.ERROR, str(error), run)
            finish(turn, task, run, _S.FAILED, retriable=not isinstance(error, FlowDisabled))
            return
        turn.record_answers()
        for number, creation in enumerate(creations, begun):
            turn.emit(
                SubflowStarted(
                    task_run_id=run.id, creation=creation, index=number, waited=owner.wait
                )
            )
        if creations:
            state = "CREATED" if owner.wait else "SUCCESS"
            counts[state] = counts.get(state, 0) + len(creations)
            turn.emit(TaskRunOutputsSet(id=run.id, outputs={ITERATIONS: counts}))
        if last == begun + BATCH and last < len(values):
            turn.schedule(timers.CONTINUE, turn.now, run)
            return
        active = counts.get("CREATED", 0) + counts.get("RUNNING", 0)
        if last == len(values) and (not active or not owner.wait):
            finish(turn, task, run, self._outcome(counts, owner), retriable=False)

    @staticmethod
    def _outcome(counts: dict[str, int], owner: t.ForEachItem) -> StateType:
        for state in _BY_WEIGHT:
            if counts.get(state.value):
                return state_of(state, transmits=owner.transmit_failed)
        return _S.SUCCESS


def count_child(turn: Turn, run: TaskRun, old: StateType, new: StateType) -> None:
    """Note in the outputs of the items that one of the children changed its state."""
    counts: dict[str, int] = dict((run.outputs or {}).get(ITERATIONS, {}))
    before = "CREATED" if old is _S.CREATED else "RUNNING" if old not in TERMINAL else old.value
    if counts.get(before):
        counts[before] -= 1
    counts[new.value] = counts.get(new.value, 0) + 1
    turn.emit(TaskRunOutputsSet(id=run.id, outputs={ITERATIONS: counts}))


def _failed_children(turn: Turn, run: TaskRun) -> list[str]:
    """Return the children to be run again when a person restarted the task run."""
    if run.state.current is not _S.RESTARTED:
        return []
    latest = _latest(turn.state.children, run.id)
    return [name for name, child in latest if child.state is _S.FAILED]


def _latest(children: dict[str, Child], run_id: str) -> list[tuple[str, Child]]:
    """Return the children of a task run by position; of several the one begun last."""
    found = {
        child.index: (name, child)
        for name, child in children.items()
        if child.task_run_id == run_id
    }
    return [found[index] for index in sorted(found)]


def merged_outputs(children: dict[str, Child], run_id: str) -> str:
    """Return the outputs of the children of a task run, one JSON object a line, in order."""
    outputs = (child.outputs for _, child in _latest(children, run_id))
    lines = (msgspec.json.encode(each).decode() for each in outputs if each)
    return "".join(line + "\n" for line in lines)
