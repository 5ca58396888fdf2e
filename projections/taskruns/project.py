"""Task runs to documents: pure functions of the folded state and the events of a step."""

from __future__ import annotations

from collections.abc import Iterable

from domain.execution import events as e
from domain.execution.state import Execution, TaskRun
from projections.store import Delete, DeleteWhere, Is, Upsert
from projections.taskruns.document import TASK_RUNS, TaskRunDocument

_TOUCHING = frozenset(
    {
        e.TaskRunCreated,
        e.TaskRunSubmitted,
        e.TaskRunStarted,
        e.TaskRunOpened,
        e.TaskRunEnded,
        e.TaskRunReopened,
        e.TaskRunRetryScheduled,
        e.TaskRunReset,
        e.TaskRunPaused,
        e.TaskRunSuspended,
        e.TaskRunRestarted,
        e.TaskRunStateForced,
        e.TaskRunOutputsSet,
    }
)
"""Events that change the one task run named by their `id`."""


class Touched:
    """Task runs of one execution whose documents are behind its state."""

    __slots__ = ("every", "removed", "sequences")

    def __init__(self) -> None:
        self.sequences: dict[str, int] = {}
        """By task run: the sequence of the last step that changed it."""
        self.removed: dict[str, int] = {}
        """Task runs taken out, by the sequence of that step."""
        self.every = 0
        """Sequence of the last step that moved places or brought task runs along; 0: none did."""

    def note(self, events: Iterable[e.ExecutionEvent], sequence: int) -> bool:
        """Take a step's events into account; returns whether they change any task run."""
        changed = False
        for event in events:
            kind = type(event)
            if kind in _TOUCHING:
                self.sequences[event.id] = sequence  # type: ignore[union-attr]
                changed = True
            elif isinstance(event, e.TaskRunsRemoved):
                self.removed.update(dict.fromkeys(event.ids, sequence))
                self.every = sequence
                changed = True
            elif kind is e.ExecutionCreated and event.task_runs:  # type: ignore[union-attr]
                self.every = sequence
                changed = True
        return changed


class Places:
    """Place of every task run in its execution, extended as task runs are added."""

    __slots__ = ("_by_id", "_removals")

    def __init__(self) -> None:
        self._by_id: dict[str, int] = {}
        self._removals = -1

    def of(self, execution: Execution) -> dict[str, int]:
        """Return the places as of this state, from 0 and without a gap."""
        runs = execution.task_runs
        if self._removals != execution.removals or len(self._by_id) > len(runs):
            self._by_id = {run_id: place for place, run_id in enumerate(runs)}
            self._removals = execution.removals
        elif len(self._by_id) < len(runs):
            fresh: list[str] = []
            for run_id in reversed(runs):  # new ones stand at the end
                if run_id in self._by_id:
                    break
                fresh.append(run_id)
            for run_id in reversed(fresh):
                self._by_id[run_id] = len(self._by_id)
        return self._by_id


def document_of(
    execution: Execution, run: TaskRun, position: int, sequence: int
) -> TaskRunDocument:
    """Return the document of a task run as of a step of its execution."""
    state = run.state
    return TaskRunDocument(
        id=run.id,
        tenant=execution.tenant,
        namespace=execution.namespace,
        flow_id=execution.flow_id,
        execution_id=execution.id,
        task_id=run.task_id,
        parent_id=run.parent_id,
        state=state.current.value,
        start_date=state.start_date,
        end_date=state.end_date,
        duration=state.duration_ms,
        position=position,
        sequence=sequence,
        body=run,
    )


def writes_of(
    execution: Execution, touched: Touched, places: Places
) -> list[Upsert | Delete | DeleteWhere]:
    """Return what brings the index up to the task runs of an execution's state."""
    if execution.deleted:
        return [DeleteWhere(TASK_RUNS, Is("execution_id", (execution.id,)))]
    runs = execution.task_runs
    writes: list[Upsert | Delete | DeleteWhere] = [
        Delete(TASK_RUNS, run_id, sequence, routing=execution.id)
        for run_id, sequence in touched.removed.items()
        if run_id not in runs
    ]
    wanted: Iterable[str] = runs if touched.every else touched.sequences
    place = places.of(execution) if touched.every or touched.sequences else {}
    for run_id in wanted:
        run = runs.get(run_id)
        if run is not None:
            sequence = max(touched.every, touched.sequences.get(run_id, 0))
            document = document_of(execution, run, place[run_id], sequence)
            writes.append(Upsert(TASK_RUNS, run_id, sequence, document))
    return writes
