"""Actions on many executions, by their ids or by a query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from litestar import Controller, delete, post

from api import actions
from api.actions import Action, Commands
from api.body import read_json
from api.bulk import carry_out, collect, counted
from api.context import context
from api.controllers.execution_actions import commands, raise_any, required_state
from api.controllers.filters import EXECUTION_FLAT
from api.controllers.http import Http
from api.labels import LabelBody, check_system_labels, checked_labels
from api.matching import every
from api.parameters import Parameters, read_query
from api.reading import find_execution
from api.reply import Reply
from domain.execution.commands import ExecutionCommand
from domain.execution.lifecycle import StateType
from domain.execution.state import Execution
from projections.executions.project import document_of
from projections.executions.query import RESOURCE

Make = Callable[[Execution], ExecutionCommand]


class SetLabelsByIds(msgspec.Struct, rename="camel"):
    """Executions and the labels they are to have."""

    executions_id: list[str]
    execution_labels: list[LabelBody]


async def by_ids(request: Http, action: Action, make: Make, ids: list[str]) -> Reply:
    """Act on the executions of some ids."""
    own = context(request)
    found = await collect(own, action, ids)
    for execution in found:
        raise_any(action.check(execution))
    return await carry_out(own, found, make)


async def by_query(request: Http, action: Action, make: Make) -> Reply:
    """Act on the executions that a query finds."""
    return await by_ids(request, action, make, await found_ids(request))


_FRESH: Final = 200
"""Executions that moved last: the index may not have them yet."""


async def found_ids(request: Http) -> list[str]:
    """Return the ids of the executions that a query finds.

    The index may be a moment behind: what it finds is held against the executions as they are, and
    those that moved last are looked at whether it finds them or not.
    """
    own = context(request)
    query = read_query(Parameters.of(request), EXECUTION_FLAT, paged=False)
    documents = []
    wanted = dict.fromkeys(await own.ports.queries.executions.ids(query))
    fresh = own.ports.window.latest(_FRESH)
    wanted.update(dict.fromkeys(item.id for item in reversed(fresh) if item.tenant == query.tenant))
    for execution_id in wanted:
        execution = await find_execution(own, execution_id)
        if execution is not None:
            documents.append(document_of(execution, 0))
    found = every(documents, query, RESOURCE, getattr, own.ports.now())
    return [document.id for document in found]


async def ids_of(request: Http) -> list[str]:
    """Return the ids in the body."""
    return await read_json(request, list[str], "executionsId")


async def _restart(request: Http, ids: list[str]) -> Reply:
    """Restart one after the other: one with nothing to restart ends it, those before it run."""
    own = context(request)
    found = await collect(own, actions.RESTART, ids)
    for execution in found:
        raise_any(actions.RESTART.check(execution))
        await carry_out(own, [execution], commands(request).restart)
    return counted(len(found))


class ExecutionBulk(Controller):
    """Routes of bulk actions."""

    path = "/api/v1/executions"
    tags = ["Executions"]  # noqa: RUF012 - Litestar's way

    @delete("/kill/by-ids", operation_id="killExecutionsByIds", status_code=200)
    async def kill_ids(self, request: Http) -> Reply:
        """Stop executions; their children are left alone."""
        return await by_ids(request, actions.KILL, _kill(request), await ids_of(request))

    @delete("/kill/by-query", operation_id="killExecutionsByQuery", status_code=200)
    async def kill_query(self, request: Http) -> Reply:
        """Stop the executions found; their children are left alone."""
        return await by_query(request, actions.KILL, _kill(request))

    @post("/pause/by-ids", operation_id="pauseExecutionsByIds", status_code=200)
    async def pause_ids(self, request: Http) -> Reply:
        """Hold executions."""
        make = commands(request).pause
        return await by_ids(request, actions.PAUSE, make, await ids_of(request))

    @post("/pause/by-query", operation_id="pauseExecutionsByQuery", status_code=200)
    async def pause_query(self, request: Http) -> Reply:
        """Hold the executions found."""
        return await by_query(request, actions.PAUSE, commands(request).pause)

    @post("/resume/by-ids", operation_id="resumeExecutionsByIds", status_code=200)
    async def resume_ids(self, request: Http) -> Reply:
        """Let paused executions go on."""
        make = commands(request).resume
        return await by_ids(request, actions.RESUME, make, await ids_of(request))

    @post("/resume/by-query", operation_id="resumeExecutionsByQuery", status_code=200)
    async def resume_query(self, request: Http) -> Reply:
        """Let the paused executions found go on."""
        return await by_query(request, actions.RESUME, commands(request).resume)

    @post("/restart/by-ids", operation_id="restartExecutionsByIds", status_code=200)
    async def restart_ids(self, request: Http) -> Reply:
        """Run again what failed in executions."""
        return await _restart(request, await ids_of(request))

    @post("/restart/by-query", operation_id="restartExecutionsByQuery", status_code=200)
    async def restart_query(self, request: Http) -> Reply:
        """Run again what failed in the executions found."""
        return await _restart(request, await found_ids(request))

    @post("/replay/by-ids", operation_id="replayExecutionsByIds", status_code=200)
    async def replay_ids(self, request: Http) -> Reply:
        """Begin other executions from these."""
        return await by_ids(request, actions.REPLAY, _replay(request), await ids_of(request))

    @post("/replay/by-query", operation_id="replayExecutionsByQuery", status_code=200)
    async def replay_query(self, request: Http) -> Reply:
        """Begin other executions from the ones found."""
        return await by_query(request, actions.REPLAY, _replay(request))

    @post("/force-run/by-ids", operation_id="forceRunByIds", status_code=200)
    async def force_run_ids(self, request: Http) -> Reply:
        """Run executions whatever holds them."""
        make = commands(request).force_run
        return await by_ids(request, actions.FORCE_RUN, make, await ids_of(request))

    @post("/force-run/by-query", operation_id="forceRunExecutionsByQuery", status_code=200)
    async def force_run_query(self, request: Http) -> Reply:
        """Run the executions found whatever holds them."""
        return await by_query(request, actions.FORCE_RUN, commands(request).force_run)

    @post("/unqueue/by-ids", operation_id="unqueueExecutionsByIds", status_code=200)
    async def unqueue_ids(self, request: Http) -> Reply:
        """Take executions out of their queues."""
        state = required_state(Parameters.of(request), "state")
        make = _unqueue(commands(request), state)
        return await by_ids(request, actions.UNQUEUE, make, await ids_of(request))

    @post("/unqueue/by-query", operation_id="unqueueExecutionsByQuery", status_code=200)
    async def unqueue_query(self, request: Http) -> Reply:
        """Take the executions found out of their queues."""
        parameters = Parameters.of(request)
        named = parameters.text("newState") is not None
        state = required_state(parameters, "newState") if named else StateType.RUNNING
        return await by_query(request, actions.UNQUEUE, _unqueue(commands(request), state))

    @post("/change-status/by-ids", operation_id="updateExecutionsStatusByIds", status_code=200)
    async def status_ids(self, request: Http) -> Reply:
        """Force the state of executions that have ended."""
        make = _status(request)
        return await by_ids(request, actions.CHANGE_STATUS, make, await ids_of(request))

    @post("/change-status/by-query", operation_id="updateExecutionsStatusByQuery", status_code=200)
    async def status_query(self, request: Http) -> Reply:
        """Force the state of the ended executions found."""
        return await by_query(request, actions.CHANGE_STATUS, _status(request))

    @post("/labels/by-ids", operation_id="setLabelsOnTerminatedExecutionsByIds", status_code=200)
    async def labels_ids(self, request: Http) -> Reply:
        """Replace the labels of executions that have ended."""
        body = await read_json(request, SetLabelsByIds, "setLabelsByIdsRequest")
        path = "setLabelsOnTerminatedExecutionsByIds.setLabelsByIds.executionLabels"
        make = _labels(request, body.execution_labels, path)
        return await by_ids(request, actions.SET_LABELS, make, body.executions_id)

    @post(
        "/labels/by-query", operation_id="setLabelsOnTerminatedExecutionsByQuery", status_code=200
    )
    async def labels_query(self, request: Http) -> Reply:
        """Replace the labels of the ended executions found."""
        body = await read_json(request, list[LabelBody], "setLabels")
        make = _labels(request, body, "setLabelsOnTerminatedExecutionsByQuery.setLabels")
        return await by_query(request, actions.SET_LABELS, make)

    @delete("/by-ids", operation_id="deleteExecutionsByIds", status_code=200)
    async def delete_ids(self, request: Http) -> Reply:
        """Delete executions; ones that have not ended only when that is asked for."""
        return await _delete(request, await ids_of(request), strict=True)

    @delete("/by-query", operation_id="deleteExecutionsByQuery", status_code=200)
    async def delete_query(self, request: Http) -> Reply:
        """Delete the executions found; ones that have not ended only when that is asked for."""
        return await _delete(request, await found_ids(request), strict=False)


async def _delete(request: Http, ids: list[str], *, strict: bool) -> Reply:
    """Delete executions; one that has not ended is refused when strict, else left out."""
    own = context(request)
    parameters = Parameters.of(request)
    all_states = parameters.truth("includeNonTerminated")
    if not strict and not all_states:
        known = [await find_execution(own, execution_id) for execution_id in ids]
        ids = [found.id for found in known if found and found.state.current.is_terminal]
    found = await collect(own, actions.DELETE, ids, ended_only=not all_states)
    return await carry_out(own, found, deletion(request, parameters))


def deletion(request: Http, parameters: Parameters) -> Make:
    """Return what makes the command to delete an execution, as the parameters say."""
    make = commands(request).delete
    logs = parameters.truth("deleteLogs", default=True)
    metrics = parameters.truth("deleteMetrics", default=True)
    storage = parameters.truth("deleteStorage", default=True)
    return lambda execution: make(execution, logs=logs, metrics=metrics, storage=storage)


def _kill(request: Http) -> Make:
    make = commands(request).kill
    return lambda execution: make(execution, cascade=False)


def _replay(request: Http) -> Make:
    own = context(request)
    make = commands(request).replay
    latest = Parameters.of(request).truth("latestRevision")

    def replay(execution: Execution) -> ExecutionCommand:
        revision = None
        if latest:
            flow = own.ports.flows.get(execution.tenant, execution.namespace, execution.flow_id)
            revision = None if flow is None else flow.revision
        return make(execution, revision=revision)

    return replay


def _unqueue(make: Commands, state: StateType) -> Make:
    return lambda execution: make.unqueue(execution, state)


def _status(request: Http) -> Make:
    status = required_state(Parameters.of(request), "newStatus")
    make = commands(request).status

    def change(execution: Execution) -> ExecutionCommand:
        raise_any(actions.check_status(execution, status))
        return make(execution, status)

    return change


def _labels(request: Http, body: list[LabelBody], path: str) -> Make:
    labels = checked_labels(body, path)
    make = commands(request).labels

    def change(execution: Execution) -> ExecutionCommand:
        check_system_labels(execution.labels, labels)
        return make(execution, labels)

    return change


ROUTES = [ExecutionBulk]
