"""Actions on one execution: the 1.x paths, and the 2.0 paths under `actions/`."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, delete, post

from api import actions, reply
from api.actions import Action, Commands, replayed, submit
from api.body import content_type, read_json
from api.breakpoints import read_breakpoints
from api.context import context, user_name
from api.controllers.http import Http, Segment, in_both
from api.creation import begin, require_revision, runnable_flow
from api.errors import ApiError
from api.forms import FORM
from api.labels import LabelBody, check_system_labels, checked_labels
from api.parameters import Parameters
from api.reading import require_execution
from api.reply import Reply
from domain.execution.commands import ExecutionCommand
from domain.execution.lifecycle import StateType
from domain.execution.state import Execution

STATE_TYPE = "io.kestra.core.models.flows.State.Type"
TWO = {"dialect": "2.0"}


class StateRequest(msgspec.Struct, rename="camel"):
    """A task run and the state to force on it."""

    task_run_id: str
    state: StateType


def commands(request: Http) -> Commands:
    """Return what makes commands in the name of the caller."""
    return Commands(context(request), user_name(request))


async def act(
    request: Http, action: Action, execution: Execution, command: ExecutionCommand
) -> Execution:
    """Check, command, and return the execution after it."""
    refusal = action.check(execution)
    if refusal is not None:
        raise refusal
    return await submit(context(request), command)


class ExecutionActions(Controller):
    """Routes of one execution's life."""

    path = "/api/v1/executions/{execution_id:str}"
    tags = ["Executions"]  # noqa: RUF012 - Litestar's way

    @delete("/kill", operation_id="killExecution", status_code=200)
    async def kill(self, request: Http, execution_id: Segment) -> Reply:
        """Stop an execution, and its children unless told otherwise."""
        await _kill(request, execution_id)
        return reply.empty(202)

    @delete("/actions/kill", operation_id="killExecution_2", status_code=200, opt=TWO)
    async def kill_2(self, request: Http, execution_id: Segment) -> Reply:
        """Stop an execution, and its children unless told otherwise."""
        return reply.json(context(request).view(await _kill(request, execution_id)))

    @post("/pause", operation_id="pauseExecution", status_code=200)
    async def pause(self, request: Http, execution_id: Segment) -> Reply:
        """Hold a running execution."""
        await _pause(request, execution_id)
        return reply.empty()

    @post("/actions/pause", operation_id="pauseExecution_2", status_code=200, opt=TWO)
    async def pause_2(self, request: Http, execution_id: Segment) -> Reply:
        """Hold a running execution."""
        return reply.json(context(request).view(await _pause(request, execution_id)))

    @post("/resume-from-breakpoint", operation_id="resumeExecutionFromBreakpoint", status_code=200)
    async def resume_breakpoint(self, request: Http, execution_id: Segment) -> Reply:
        """Let an execution go on from its breakpoint."""
        await _resume_breakpoint(request, execution_id)
        return reply.empty()

    @post(
        "/actions/resume-from-breakpoint",
        operation_id="resumeExecutionFromBreakpoint_2",
        status_code=200,
        opt=TWO,
    )
    async def resume_breakpoint_2(self, request: Http, execution_id: Segment) -> Reply:
        """Let an execution go on from its breakpoint."""
        return reply.json(context(request).view(await _resume_breakpoint(request, execution_id)))

    @post(
        ["/restart", "/actions/restart"], operation_id=in_both("restartExecution"), status_code=200
    )
    async def restart(self, request: Http, execution_id: Segment) -> Reply:
        """Run what failed again: in the same execution, with a revision in another one."""
        own = context(request)
        execution = await require_execution(own, execution_id)
        revision = Parameters.of(request).number("revision")
        if revision is None:
            command = commands(request).restart(execution)
            after = await act(request, actions.RESTART, execution, command)
        else:
            raise_any(actions.RESTART.check(execution))
            require_revision(own, execution, revision)
            runnable_flow(own, execution.namespace, execution.flow_id, revision)
            after = await replayed(own, commands(request).restart_anew(execution, revision))
        return reply.json(own.moved(after, StateType.RESTARTED))

    @post(["/replay", "/actions/replay"], operation_id=in_both("replayExecution"), status_code=200)
    async def replay(self, request: Http, execution_id: Segment) -> Reply:
        """Begin another execution from this one, from its start or from a task run."""
        own = context(request)
        source = await require_execution(own, execution_id)
        return await replay(request, source)

    @post(
        ["/change-status", "/actions/change-status"],
        operation_id=in_both("updateExecutionStatus"),
        status_code=200,
    )
    async def change_status(self, request: Http, execution_id: Segment) -> Reply:
        """Force the state of an execution that has ended."""
        status = required_state(Parameters.of(request), "status")
        own = context(request)
        execution = await require_execution(own, execution_id)
        raise_any(actions.check_status(execution, status))
        after = await submit(own, commands(request).status(execution, status))
        return reply.json(context(request).moved(after, status))

    @post(["/state", "/actions/state"], operation_id=in_both("updateTaskRunState"), status_code=200)
    async def task_run_state(self, request: Http, execution_id: Segment) -> Reply:
        """Force the state of a task run, and go on from there.

        A form on the first path begins an execution of a flow that has the name `state`.
        """
        if content_type(request) == FORM:
            return await begin(request, execution_id, "state")
        body = await read_json(request, StateRequest, "stateRequest")
        own = context(request)
        execution = await require_execution(own, execution_id)
        raise_any(actions.check_task_run_state(execution, body.task_run_id))
        command = commands(request).task_run_state(execution, body.task_run_id, body.state)
        return reply.json(context(request).moved(await submit(own, command), StateType.RESTARTED))

    @post(
        ["/labels", "/actions/labels"],
        operation_id=in_both("setLabelsOnTerminatedExecution"),
        status_code=200,
    )
    async def labels(self, request: Http, execution_id: Segment) -> Reply:
        """Replace the labels of an execution that has ended, all but the system's."""
        body = await read_json(request, list[LabelBody], "labels")
        labels = checked_labels(body, "setLabelsOnTerminatedExecution.labels")
        execution = await require_execution(context(request), execution_id)
        if actions.SET_LABELS.check(execution) is not None:
            return Reply(400, b"The execution is not terminated", b"application/json")
        check_system_labels(execution.labels, labels)
        after = await submit(context(request), commands(request).labels(execution, labels))
        return reply.json(context(request).view(after))

    @post(
        ["/force-run", "/actions/force-run"],
        operation_id=in_both("forceRunExecution"),
        status_code=200,
    )
    async def force_run(self, request: Http, execution_id: Segment) -> Reply:
        """Run an execution whatever holds it."""
        execution = await require_execution(context(request), execution_id)
        command = commands(request).force_run(execution)
        after = await act(request, actions.FORCE_RUN, execution, command)
        return reply.json(context(request).moved(after, StateType.RUNNING))

    @post(
        ["/unqueue", "/actions/unqueue"], operation_id=in_both("unqueueExecution"), status_code=200
    )
    async def unqueue(self, request: Http, execution_id: Segment) -> Reply:
        """Take an execution out of its queue."""
        state = required_state(Parameters.of(request), "state")
        execution = await require_execution(context(request), execution_id)
        command = commands(request).unqueue(execution, state)
        after = await act(request, actions.UNQUEUE, execution, command)
        return reply.json(context(request).moved(after, state))


def required_state(parameters: Parameters, name: str) -> StateType:
    """Return the state that a parameter names; raises ApiError."""
    parameters.require(name)
    state = parameters.choice(name, StateType, STATE_TYPE)
    assert state is not None
    return state


async def replay(
    request: Http,
    source: Execution,
    inputs: dict[str, Any] | None = None,
    new_id: str | None = None,
) -> Reply:
    """Begin another execution from one as the parameters say, and answer with the new one.

    Args:
        request: with the parameters.
        source: what is replayed.
        inputs: other inputs; None: the same.
        new_id: id of the new execution; None: a fresh one.
    """
    own, parameters = context(request), Parameters.of(request)
    task_run_id = parameters.text("taskRunId")
    raise_any(actions.check_replay(source, task_run_id))
    require_revision(own, source, parameters.number("revision"))
    command = commands(request).replay(
        source,
        task_run_id=task_run_id,
        revision=parameters.number("revision"),
        inputs=inputs,
        new_id=new_id,
        breakpoints=read_breakpoints(parameters),
    )
    after = await replayed(own, command)
    first = StateType.CREATED if task_run_id is None else StateType.RESTARTED
    return reply.json(own.moved(after, first, source.outputs))


async def _kill(request: Http, execution_id: str) -> Execution:
    own = context(request)
    execution = await require_execution(own, execution_id)
    cascade = Parameters.of(request).truth("isOnKillCascade", default=True)
    raise_any(actions.check_kill(execution, cascade=cascade))
    outcome = await own.ports.gateway.submit(
        commands(request).kill(execution, cascade=cascade), own.options.submit_seconds
    )
    return outcome.execution or execution


async def _pause(request: Http, execution_id: str) -> Execution:
    execution = await require_execution(context(request), execution_id)
    return await act(request, actions.PAUSE, execution, commands(request).pause(execution))


async def _resume_breakpoint(request: Http, execution_id: str) -> Execution:
    execution = await require_execution(context(request), execution_id)
    points = read_breakpoints(Parameters.of(request))
    command = commands(request).resume_breakpoint(execution, points)
    return await act(request, actions.RESUME_BREAKPOINT, execution, command)


def raise_any(error: ApiError | None) -> None:
    """Raise a refusal, if it is one."""
    if error is not None:
        raise error


ROUTES = [ExecutionActions]
