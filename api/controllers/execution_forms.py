"""Executions begun, resumed and replayed by a form, and expressions rendered in them."""

from __future__ import annotations

from typing import Final, Literal

from litestar import Controller, post

from api import actions, reply
from api.actions import submit
from api.body import content_type, read_text
from api.context import context
from api.controllers.execution_actions import TWO, commands, raise_any, replay
from api.controllers.http import Http, Segment, in_both
from api.creation import Draft, begin, checked, require_revision, resolve, runnable_flow
from api.errors import unprocessable, unsupported_media_type
from api.evaluation import evaluate
from api.forms import read_form
from api.input_views import inputs_view
from api.parameters import Parameters
from api.pauses import resolve_resume, resolve_review, resume_validation
from api.reading import require_execution, require_named_execution
from api.reply import Reply
from domain.execution.state import Execution

_DECISIONS: Final[dict[str, Literal["APPROVED", "DENIED"]]] = {
    "APPROVED": "APPROVED",
    "DENIED": "DENIED",
}


_ALSO_FLOWS: Final = ("events", "file", "flow", "follow", "follow-dependencies", "graph")
"""Last words of paths of an execution that are no POST: a POST there names a flow."""


class ExecutionForms(Controller):
    """Routes that take forms, or expressions."""

    path = "/api/v1/executions"
    tags = ["Executions"]  # noqa: RUF012 - Litestar's way

    @post("/{namespace:str}/{flow_id:str}", operation_id="createExecution", status_code=200)
    async def create(self, request: Http, namespace: Segment, flow_id: Segment) -> Reply:
        """Begin an execution: one part of the form per input, named by its id."""
        return await begin(request, namespace, flow_id)

    @post(
        [f"/{{namespace:str}}/{word}" for word in _ALSO_FLOWS],
        operation_id="createExecutionAlike",
        status_code=200,
        include_in_schema=False,
    )
    async def create_alike(self, request: Http, namespace: Segment) -> Reply:
        """Begin an execution of a flow whose id is the last word of an execution's path."""
        return await begin(request, namespace, request.url.path.rpartition("/")[2])

    @post(
        "/trigger/{namespace:str}/{flow_id:str}", operation_id="triggerExecution", status_code=200
    )
    async def trigger(self, request: Http, namespace: Segment, flow_id: Segment) -> Reply:
        """Begin an execution; the path of older clients."""
        return await begin(request, namespace, flow_id)

    @post(
        "/{namespace:str}/{flow_id:str}/validate",
        operation_id="validateNewExecutionInputs",
        status_code=200,
    )
    async def validate(self, request: Http, namespace: Segment, flow_id: Segment) -> Reply:
        """Say what would become of the inputs of a new execution, input by input."""
        own = context(request)
        flow = runnable_flow(own, namespace, flow_id, Parameters.of(request).number("revision"))
        form = await read_form(request, own.options.limits)
        try:
            draft = Draft(own, flow, form)
            resolved = await draft.resolve(hides_secrets=True)
            failed = [] if resolved.errors else draft.failed_checks(resolved.values)
            return reply.json(inputs_view(flow.id, flow.namespace, resolved, failed))
        finally:
            form.close()

    @post("/{execution_id:str}/resume", operation_id="resumeExecution", status_code=200)
    async def resume(self, request: Http, execution_id: Segment) -> Reply:
        """Let a paused execution go on, with the inputs its Pause asks for."""
        await _resume(request, execution_id)
        return reply.empty(204)

    @post(
        "/{execution_id:str}/actions/resume",
        operation_id="resumeExecution_2",
        status_code=200,
        opt=TWO,
    )
    async def resume_2(self, request: Http, execution_id: Segment) -> Reply:
        """Let a paused execution go on, with the inputs its Pause asks for."""
        return reply.json(context(request).view(await _resume(request, execution_id)))

    @post(
        "/{execution_id:str}/actions/review",
        operation_id="reviewExecution",
        status_code=200,
        opt=TWO,
    )
    async def review(self, request: Http, execution_id: Segment) -> Reply:
        """Approve or deny what an Approval waits for: `decision`, `comment`, and its inputs."""
        return reply.json(context(request).view(await _review(request, execution_id)))

    @post(
        ["/{execution_id:str}/resume/validate", "/{execution_id:str}/actions/resume/validate"],
        operation_id=in_both("validateResumeExecutionInputs"),
        status_code=200,
    )
    async def validate_resume(self, request: Http, execution_id: Segment) -> Reply:
        """Say what would become of the inputs of a resume, input by input."""
        own = context(request)
        execution = await require_named_execution(own, execution_id)
        form = await read_form(request, own.options.limits)
        try:
            return reply.json(await resume_validation(own, execution, form))
        finally:
            form.close()

    @post(
        [
            "/{execution_id:str}/replay-with-inputs",
            "/{execution_id:str}/actions/replay-with-inputs",
        ],
        operation_id=in_both("replayExecutionWithinputs"),
        status_code=200,
    )
    async def replay_with_inputs(self, request: Http, execution_id: Segment) -> Reply:
        """Begin another execution from this one, with other inputs."""
        own = context(request)
        source = await require_execution(own, execution_id)
        revision = Parameters.of(request).number("revision") or source.flow_revision
        require_revision(own, source, revision)
        form = await read_form(request, own.options.limits)
        flow = runnable_flow(own, source.namespace, source.flow_id, revision)
        try:
            draft = Draft(own, flow, form)
            inputs = checked(
                await resolve(own, flow.inputs, {**source.inputs, **draft.raw}, draft.variables)
            )
            await draft.keep_files()
        finally:
            form.close()
        return await replay(request, source, inputs, draft.execution_id)

    @post(
        ["/{execution_id:str}/eval", "/{execution_id:str}/actions/eval"],
        operation_id=in_both("evalExpression"),
        status_code=200,
    )
    async def evaluate(self, request: Http, execution_id: Segment) -> Reply:
        """Render an expression as the execution would."""
        return await _evaluate(request, execution_id, None)

    @post(
        [
            "/{execution_id:str}/eval/{task_run_id:str}",
            "/{execution_id:str}/actions/eval/{task_run_id:str}",
        ],
        operation_id=in_both("evalTaskRunExpression"),
        status_code=200,
    )
    async def evaluate_task_run(
        self, request: Http, execution_id: Segment, task_run_id: Segment
    ) -> Reply:
        """Render an expression as a task run would."""
        return await _evaluate(request, execution_id, task_run_id)


async def _resume(request: Http, execution_id: str) -> Execution:
    own = context(request)
    execution = await require_named_execution(own, execution_id)
    raise_any(actions.RESUME.check(execution))
    form = await read_form(request, own.options.limits)
    try:
        inputs = await resolve_resume(own, execution, form)
    finally:
        form.close()
    return await submit(own, commands(request).resume(execution, inputs))


async def _review(request: Http, execution_id: str) -> Execution:
    own = context(request)
    execution = await require_named_execution(own, execution_id)
    raise_any(actions.RESUME.check(execution))
    parameters = Parameters.of(request)
    form = await read_form(request, own.options.limits)
    try:
        said = {
            name: parameters.text(name) or form.fields.pop(name, None)
            for name in ("decision", "comment", "taskRunId")
        }
        decision = _DECISIONS.get(said["decision"] or "")
        if decision is None:
            raise unprocessable("`decision` must be APPROVED or DENIED")
        inputs = await resolve_review(own, execution, said["taskRunId"], form)
    finally:
        form.close()
    command = commands(request).review(
        execution,
        decision,
        task_run_id=said["taskRunId"],
        comment=said["comment"],
        inputs=inputs,
    )
    return await submit(own, command)


async def _evaluate(request: Http, execution_id: str, task_run_id: str | None) -> Reply:
    kind = content_type(request)
    if kind and kind not in {"text/plain", "multipart/form-data"}:
        raise unsupported_media_type(kind, "multipart/form-data", "text/plain")
    own = context(request)
    execution = await require_named_execution(own, execution_id)
    return reply.json(await evaluate(own, execution, task_run_id, await read_text(request)))


ROUTES = [ExecutionForms]
