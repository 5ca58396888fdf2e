"""Executions as JSON: the order of members is the one that clients have always seen.

An execution of the window may move on another thread while it is shown: lists are copied before
they are walked, and a state is read from the end of its history.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from api.views.text import duration, instant
from domain.execution.lifecycle import StateType
from domain.execution.state import (
    Attempt,
    Breakpoint,
    Execution,
    ExecutionTrigger,
    Label,
    Metadata,
    Moment,
    State,
    TaskRun,
)

View = dict[str, Any]


def execution_view(execution: Execution, url: str | None = None) -> View:
    """Return an execution with its task runs; `url` is given by the routes that create one."""
    state = state_view(execution.state)  # before the task runs: it moves after them
    runs = [task_run_view(execution, run) for run in list(execution.task_runs.values())]
    return _view(execution, state, runs or None, execution.outputs, url)


def created_view(execution: Execution, url: str | None = None) -> View:
    """Return an execution as it was at its creation, whatever has happened to it since."""
    return _view(execution, _first(execution.state), None, None, url)


def moved_view(execution: Execution, state: StateType, outputs: Any = None) -> View:
    """Return an execution as it was when it last came into a state.

    An action answers with what it did, though its execution may be further by then.

    Args:
        execution: what is shown, as it is now.
        state: the state that the action brought it into.
        outputs: shown when it has none itself.
    """
    cut = _until(execution.state, state)
    at = cut.histories[-1].date
    runs = []
    for run in list(execution.task_runs.values()):
        moved = any(moment.state is state for moment in run.state.histories)
        if run.state.start_date >= at and not (moved and state is StateType.RESTARTED):
            continue
        view = task_run_view(execution, run)
        cut_run = _until(run.state, state)
        if not moved or cut_run.histories[-1].date < at:
            # it came there at another time: shown as it was when the execution moved
            cut_run = _moved_with(run.state, at)
        view["state"] = state_view(cut_run)
        runs.append(view)
    begun = runs if runs or state is StateType.CREATED else None
    return _view(execution, state_view(cut), begun, execution.outputs or outputs, None)


def webhook_view(execution: Execution, url: str | None = None, *, ended: bool = False) -> View:
    """Return what a webhook's caller learns of the execution it started."""
    view: View = {"tenantId": execution.tenant} | _head(execution)
    if execution.trigger is not None:
        view["trigger"] = trigger_view(execution.trigger)
    if ended and execution.outputs:
        view["outputs"] = execution.outputs
    view["labels"] = labels_view(execution.labels)
    view["state"] = state_view(execution.state) if ended else _first(execution.state)
    if url:
        view["url"] = url
    return view


def start_view(execution_id: str, now: str) -> View:
    """Return the first event of a stream: an execution of which only the id is known."""
    return {
        "id": execution_id,
        "labels": [],
        "originalId": execution_id,
        "deleted": False,
        "metadata": {"attemptNumber": 1, "originalCreatedDate": now},
    }


def status_event_view(execution: Execution) -> View:
    """Return the state of an execution, as streams of dependencies carry it."""
    return {
        "executionId": execution.id,
        "tenantId": execution.tenant,
        "namespace": execution.namespace,
        "flowId": execution.flow_id,
        "state": state_view(execution.state),
    }


def latest_view(execution: Execution) -> View:
    """Return the summary of a flow's last execution."""
    return {
        "id": execution.id,
        "flowId": execution.flow_id,
        "namespace": execution.namespace,
        "startDate": instant(execution.state.start_date),
        "status": execution.state.current.value,
    }


def task_run_view(execution: Execution, run: TaskRun) -> View:
    """Return a task run of an execution."""
    view: View = {
        "id": run.id,
        "executionId": execution.id,
        "namespace": execution.namespace,
        "flowId": execution.flow_id,
        "taskId": run.task_id,
    }
    if run.parent_id is not None:
        view["parentTaskRunId"] = run.parent_id
    if run.value is not None:
        view["value"] = run.value
    if run.attempts:
        view["attempts"] = [attempt_view(attempt) for attempt in run.attempts]
    view["outputs"] = run.outputs
    view["state"] = state = state_view(run.state)
    if run.outputs is None and ("endDate" in state or _has_ended_once(run.state)):
        view["outputs"] = {}
    if run.items is not None:
        view["items"] = run.items
    if run.iteration is not None:
        view["iteration"] = run.iteration
    if run.dynamic:
        view["dynamic"] = True
    if run.force_execution:
        view["forceExecution"] = True
    return view


def attempt_view(attempt: Attempt) -> View:
    """Return one attempt of a task run."""
    view: View = {"state": state_view(attempt.state)}
    if attempt.worker_id is not None:
        view["workerId"] = attempt.worker_id
    return view


def state_view(state: State) -> View:
    """Return a state with its history; end and duration only once it has ended or is paused."""
    histories = list(state.histories)
    last = histories[-1]  # says more surely than `current` where a state is while it moves
    view: View = {
        "current": last.state.value,
        "histories": [_moment(moment) for moment in histories],
    }
    start = histories[0].date
    if last.state.is_terminal or last.state is StateType.PAUSED:
        end = last.date
        view["duration"] = duration(end - start)
        view["startDate"] = instant(start)
        view["endDate"] = instant(end)
    else:
        view["startDate"] = instant(start)
    return view


def labels_view(labels: Iterable[Label]) -> list[dict[str, str]]:
    """Return labels as a list of pairs."""
    return [{"key": label.key, "value": label.value} for label in labels]


def trigger_view(trigger: ExecutionTrigger) -> View:
    """Return what started an execution."""
    view: View = {"id": trigger.id, "type": trigger.type}
    if trigger.variables:
        view["variables"] = trigger.variables
    return view


def _head(execution: Execution) -> View:
    return {
        "id": execution.id,
        "namespace": execution.namespace,
        "flowId": execution.flow_id,
        "flowRevision": execution.flow_revision,
    }


def _view(
    execution: Execution,
    state: View,
    runs: list[View] | None,
    outputs: Any,
    url: str | None,
) -> View:
    view = _head(execution)
    if runs is not None:
        view["taskRunList"] = runs
    if execution.inputs:
        view["inputs"] = execution.inputs
    if outputs:
        view["outputs"] = outputs
    view["labels"] = labels_view(execution.labels)
    if execution.variables:
        view["variables"] = execution.variables
    view["state"] = state
    if execution.parent_id is not None:
        view["parentId"] = execution.parent_id
    view["originalId"] = execution.original_id
    if execution.trigger is not None:
        view["trigger"] = trigger_view(execution.trigger)
    view["deleted"] = execution.deleted
    view["metadata"] = _metadata(execution.metadata)
    if execution.schedule_date is not None:
        view["scheduleDate"] = instant(execution.schedule_date)
    if execution.kind is not None:
        view["kind"] = execution.kind
    if execution.breakpoints:
        view["breakpoints"] = [_breakpoint(point) for point in execution.breakpoints]
    if url is not None:
        view["url"] = url
    return view


def _has_ended_once(state: State) -> bool:
    return any(moment.state.is_terminal for moment in state.histories)


def _first(state: State) -> View:
    """Return a state as it was at its first entry."""
    return state_view(State(state.histories[0].state, state.histories[:1]))


def _until(state: State, wanted: StateType) -> State:
    """Return a state as it was at the last entry of a kind; none such: at the first."""
    last = next(
        (i for i in reversed(range(len(state.histories))) if state.histories[i].state is wanted), 0
    )
    return State(state.histories[last].state, state.histories[: last + 1])


def _moved_with(state: State, at: datetime) -> State:
    """Return the state of a task run as it was when its execution moved, or at its first entry.

    What is copied was moved just before its execution; anything else by its first entry then.
    """
    past = [moment for moment in state.histories if moment.date < at]
    if not past or past[-1].state.is_terminal:
        past += [moment for moment in state.histories if moment.date == at][:1]
    past = past or state.histories[:1]
    return State(past[-1].state, past)


def _metadata(metadata: Metadata) -> View:
    return {
        "attemptNumber": metadata.attempt_number,
        "originalCreatedDate": instant(metadata.original_created_date),
    }


def _breakpoint(point: Breakpoint) -> View:
    return {"id": point.id} if point.value is None else {"id": point.id, "value": point.value}


def _moment(moment: Moment) -> View:
    return {"state": moment.state.value, "date": instant(moment.date)}
