"""A new execution by hand: its inputs, labels, files and checks, and the command that begins it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from litestar import Request

from api import reply
from api.actions import submit
from api.breakpoints import read_breakpoints
from api.context import Context, context, user_name
from api.errors import ApiError, illegal_state, invalid_entity, not_found
from api.forms import Form, read_form
from api.input_views import given_inputs
from api.labels import creation_labels, nested
from api.parameters import Parameters, read_labels, read_moment
from api.reply import Reply
from api.stored_outputs import with_stored_outputs
from api.subflow_calls import Call, SubflowLookups, in_own_thread
from api.uploads import GivenInputs
from api.views.execution import created_view, execution_view
from domain.errors import InvalidInputs
from domain.execution.commands import CreateExecution
from domain.execution.state import Execution, Label
from domain.expression import Scope
from domain.flow.checks import Verdict, judge
from domain.flow.common import Check
from domain.flow.input_types import FormInput, Input
from domain.flow.inputs import ResolvedInputs, resolve_inputs
from domain.flow.model import Flow
from domain.ids import DEFAULT_TENANT

KINDS = frozenset({"NORMAL", "TEST", "PLAYGROUND"})
_FENCE = " errors:\n```"


class Draft:
    """An execution to be: its id, what was given, what becomes of it."""

    def __init__(self, own: Context, flow: Flow, form: Form, labels: Sequence[Label] = ()) -> None:
        self.execution_id = own.ports.new_id()
        self._own = own
        self._flow = flow
        self.variables = base_variables(own, flow, self.execution_id, labels)
        self._given = GivenInputs(own, flow, self.execution_id, flow.inputs, form)
        self.raw = self._given.raw

    async def resolve(self, *, hides_secrets: bool = False) -> ResolvedInputs:
        """Return the inputs with their values or mistakes."""
        return await resolve(
            self._own, self._flow.inputs, self.raw, self.variables, hides_secrets=hides_secrets
        )

    def failed_checks(self, inputs: Mapping[str, Any]) -> list[Check]:
        """Return the flow's checks that do not hold."""
        return failed_checks(self._own, self._flow, self.variables, inputs)

    async def keep_files(self) -> None:
        """Put the files that were given into internal storage."""
        await self._given.keep()


async def create(request: Request[Any, Any, Any], namespace: str, flow_id: str) -> Execution:
    """Create an execution as a request says, and return it as of its first step.

    Raises:
        ApiError: 404 no such flow, 409 it is disabled, 422 wrong inputs or labels, or a check
            forbids it. Nothing is stored then.
        LogUnavailable: nobody answered in time.
    """
    own, parameters = context(request), Parameters.of(request)
    flow = runnable_flow(own, namespace, flow_id, parameters.number("revision"))
    given = read_labels(parameters.every("labels"))
    form = await read_form(request, own.options.limits)
    try:
        draft = Draft(own, flow, form)
        labels = creation_labels(flow.labels, given, "api", draft.execution_id)
        draft.variables["labels"] = nested(labels)
        inputs = checked(await draft.resolve())
        error = blocked(draft.failed_checks(inputs)) if flow.checks else None
        await draft.keep_files()
    finally:
        form.close()
    date = parameters.text("scheduleDate")
    kind = parameters.text("kind")
    return await submit(
        own,
        msgspec.structs.replace(
            creation_of(flow, draft.execution_id, user_name(request), labels, inputs, error),
            schedule_date=None if date is None else read_moment(date),
            kind=kind if kind in KINDS and kind != "NORMAL" else None,
            breakpoints=read_breakpoints(parameters),
        ),
    )


async def begin(request: Request[Any, Any, Any], namespace: str, flow_id: str) -> Reply:
    """Answer a request that creates an execution: with it as created, or with its end (`wait`)."""
    own = context(request)
    execution = await create(request, namespace, flow_id)
    if not Parameters.of(request).truth("wait"):
        # by its history: it may have moved on, on another thread
        rejected = any(moment.state.is_terminal for moment in execution.state.histories[1:2])
        if rejected:
            return reply.json(execution_view(execution, own.url(execution)))
        view = created_view(execution, own.url(execution))
        flow = own.ports.flows.get(DEFAULT_TENANT, namespace, flow_id, execution.flow_revision)
        if flow is not None and "inputs" in view:
            view["inputs"] = given_inputs(flow.inputs, view["inputs"])
        return reply.json(view)
    ended = await own.ports.window.ended(execution.id, own.options.limits.wait_seconds)
    [shown] = await with_stored_outputs(own.ports.blobs, [ended or execution])
    return reply.json(execution_view(shown, own.url(execution)))


def runnable_flow(own: Context, namespace: str, flow_id: str, revision: int | None = None) -> Flow:
    """Return a flow that may be run; raises ApiError 404 or 409."""
    stored = own.ports.flows.revision(DEFAULT_TENANT, namespace, flow_id, revision)
    if stored is None or stored.deleted or stored.withdrawn:
        raise not_found("Requested Flow is not found.")
    flow = own.ports.flows.get(DEFAULT_TENANT, namespace, flow_id, revision)
    if flow is None:
        raise illegal_state("Requested Flow is not valid.")
    if flow.disabled:
        raise illegal_state("Requested Flow is disabled.")
    return flow


def require_revision(own: Context, execution: Execution, revision: int | None) -> None:
    """Raise ApiError 404 when an execution is to go on in a revision that there is not."""
    if revision is None:
        return
    namespace, flow_id = execution.namespace, execution.flow_id
    if own.ports.flows.revision(execution.tenant, namespace, flow_id, revision) is None:
        raise not_found(
            f"Unable to find revision {revision} on flow {flow_id} on namespace {namespace}"
        )


async def resolve(
    own: Context,
    inputs: Sequence[Input],
    raw: Mapping[str, Any],
    variables: Mapping[str, Any],
    *,
    hides_secrets: bool = False,
    depth: int = 1,
) -> ResolvedInputs:
    """Return inputs with their values or mistakes; on a thread where expressions may take time.

    `depth` is that of the calls of `subflow()` in them.
    """
    lookups = own.ports.lookups(variables)
    calls = _mention_subflow(inputs)
    if calls:
        loop = asyncio.get_running_loop()
        lookups = SubflowLookups(lookups, partial(run_subflow, own), loop, depth)

    def run() -> ResolvedInputs:
        return resolve_inputs(
            inputs,
            raw,
            variables,
            lookups=lookups,
            encrypt=own.ports.encrypt,
            hides_secrets=hides_secrets,
        )

    if calls:
        return await in_own_thread(run)
    return await asyncio.to_thread(run) if _asks(inputs) else run()


async def run_subflow(own: Context, call: Call) -> Execution | None:
    """Run what an expression calls; see `api.subflow_calls.Run`."""
    flow = runnable_flow(own, call.namespace, call.flow_id, call.revision)
    execution_id = own.ports.new_id()
    labels = creation_labels(flow.labels, call.labels.items(), "subflow", execution_id)
    variables = base_variables(own, flow, execution_id, labels)
    inputs = checked(await resolve(own, flow.inputs, call.inputs, variables, depth=call.depth + 1))
    error = blocked(failed_checks(own, flow, variables, inputs)) if flow.checks else None
    command = creation_of(flow, execution_id, "subflow", labels, inputs, error)
    execution = await submit(own, command)
    return await own.ports.window.ended(execution.id, call.seconds)


def creation_of(
    flow: Flow,
    execution_id: str,
    issuer: str,
    labels: list[Label],
    inputs: dict[str, Any],
    error: str | None,
) -> CreateExecution:
    """Return the command that creates an execution of a flow; `error`: it fails at once."""
    return CreateExecution(
        execution_id=execution_id,
        command_id=execution_id,
        issuer=issuer,
        tenant=DEFAULT_TENANT,
        namespace=flow.namespace,
        flow_id=flow.id,
        flow_revision=flow.revision or 1,
        labels=labels,
        inputs=inputs,
        error=error,
    )


def checked(resolved: ResolvedInputs) -> dict[str, Any]:
    """Return the values; raises ApiError 422 with the first mistake."""
    try:
        return resolved.checked()
    except InvalidInputs as error:
        _, fence, text = str(error).partition(_FENCE)
        raise invalid_entity(_FENCE + text if fence else str(error)) from None


def failed_checks(
    own: Context, flow: Flow, variables: Mapping[str, Any], inputs: Mapping[str, Any]
) -> list[Check]:
    """Return the checks of a flow that do not hold for these inputs."""
    scope = Scope({**variables, "inputs": inputs}, own.ports.lookups(variables))
    return list(judge(flow.checks, scope).failed)


def blocked(failed: Sequence[Check]) -> str | None:
    """Return why the execution is to fail at once, or None; raises ApiError 422 for a block."""
    verdict = Verdict(failed)
    if verdict.blocks is not None:
        raise ApiError(422, f"Illegal argument: {verdict.blocks}")
    return verdict.fails


def base_variables(
    own: Context, flow: Flow, execution_id: str, labels: Iterable[Label] = ()
) -> dict[str, Any]:
    """Return what expressions about an execution to be can see, besides its inputs."""
    settings = own.ports.settings
    return {
        "flow": {
            "id": flow.id,
            "namespace": flow.namespace,
            "revision": flow.revision,
            "tenantId": flow.tenant_id,
        },
        "execution": {"id": execution_id},
        "vars": flow.variables,
        "labels": nested(labels),
        "envs": settings.envs,
        "globals": settings.globals,
        "kestra": settings.kestra,
    }


def _mention_subflow(inputs: Iterable[Input]) -> bool:
    for declared in inputs:
        if isinstance(declared, FormInput):
            if _mention_subflow(declared.inputs):
                return True
            continue
        condition = declared.depends_on.condition if declared.depends_on is not None else None
        texts = (declared.defaults, getattr(declared, "expression", None), condition)
        # `render` may bring it from a variable
        if any(word in str(text) for text in texts if text for word in ("subflow", "render")):
            return True
    return False


def _asks(inputs: Iterable[Input]) -> bool:
    """True when an expression of the inputs may ask something that takes time."""
    for declared in inputs:
        if isinstance(declared, FormInput) and _asks(declared.inputs):
            return True
        texts = (declared.defaults, getattr(declared, "expression", None))
        if declared.depends_on is not None or any("{{" in str(text) for text in texts if text):
            return True
    return False
