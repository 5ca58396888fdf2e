"""Executions begun by a request to a URL that holds a webhook's key."""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request

from api.actions import submit
from api.context import Context, context
from api.creation import base_variables, blocked, checked, creation_of, failed_checks, resolve
from api.errors import ApiError, illegal_state, not_found
from api.labels import CORRELATION_ID, FROM, SYSTEM_PREFIX, nested
from api.parameters import Parameters
from domain.execution.lifecycle import StateType
from domain.execution.state import Execution, ExecutionTrigger, Label
from domain.expression import ExpressionError, Scope, compile_template, render_deep
from domain.flow.model import Flow
from domain.flow.triggers import Webhook
from domain.ids import DEFAULT_TENANT
from domain.trigger.condition import Facts, all_hold, when_holds

MASK = "******"
_CREDENTIALS = frozenset({"Authorization", "Proxy-Authorization", "Cookie"})
_FAILED = frozenset({StateType.FAILED, StateType.KILLED, StateType.CANCELLED})


class ConditionFalse(Exception):
    """The trigger's conditions do not hold: nothing begins."""


@dataclass(frozen=True)
class Call:
    """A request to a webhook: its trigger, and the execution that it began."""

    trigger: Webhook
    execution: Execution
    """As of its first step; of a trigger that waits, as of its end."""
    ended: bool


async def receive(request: Request[Any, Any, Any], namespace: str, flow_id: str, key: str) -> Call:
    """Begin an execution as a request to a webhook says.

    Raises:
        ApiError: 404 no such flow or key, 409 the flow is disabled, 422 its inputs cannot be made
            or a check forbids it.
        ConditionFalse: the conditions do not hold.
        LogUnavailable: nobody answered in time.
    """
    own = context(request)
    flow = _flow(own, namespace, flow_id)
    execution_id = own.ports.new_id()
    variables = base_variables(own, flow, execution_id)
    trigger = _trigger(own, flow, key, variables)
    about = await _about(request)
    variables["trigger"] = about
    scope = Scope(variables, own.ports.lookups(variables), zone=own.ports.settings.zone)
    if not _wanted(trigger, flow, scope):
        raise ConditionFalse
    labels = _labels(flow, trigger, scope, execution_id)
    variables["labels"] = nested(labels)
    inputs, error = await _inputs(own, flow, trigger, scope, variables)
    failing = error
    if error is None and flow.checks:
        failing = blocked(failed_checks(own, flow, variables, inputs))
    execution = await submit(
        own,
        msgspec.structs.replace(
            creation_of(flow, execution_id, "webhook", labels, inputs, failing),
            trigger=ExecutionTrigger(trigger.id, trigger.type, about),
        ),
    )
    if error is not None:
        raise ApiError(422, f"Invalid entity: {error}")
    if not trigger.wait:
        return Call(trigger, execution, ended=False)
    ended = await own.ports.window.ended(execution_id, own.options.limits.wait_seconds)
    return Call(trigger, ended or execution, ended=ended is not None)


def response_status(own: Context, call: Call) -> int:
    """Return the status of an answer: what the trigger says, or 500 for a failed execution."""
    code = call.trigger.response_code
    if code is not None:
        variables = {"outputs": call.execution.outputs or {}, "inputs": call.execution.inputs}
        scope = Scope(variables, own.ports.lookups(variables))
        try:
            status = int(compile_template(str(code)).render(scope))
        except (ExpressionError, ValueError):
            return 500
        return status if 200 <= status <= 599 else 500
    return 500 if call.execution.state.current in _FAILED else 200


def _flow(own: Context, namespace: str, flow_id: str) -> Flow:
    flow = own.ports.flows.get(DEFAULT_TENANT, namespace, flow_id)
    if flow is None:
        raise not_found("Flow not found")
    if flow.disabled:
        raise illegal_state("Cannot execute a disabled flow")
    return flow


def _trigger(own: Context, flow: Flow, key: str, variables: Mapping[str, Any]) -> Webhook:
    for trigger in flow.effective.triggers:
        if isinstance(trigger, Webhook) and not trigger.disabled:
            expected = trigger.key
            if "{" in expected:
                try:
                    scope = Scope(variables, own.ports.lookups(variables))
                    expected = compile_template(expected).render(scope)
                except ExpressionError:
                    continue
            if hmac.compare_digest(expected.strip().encode(), key.encode()):
                return trigger
    raise not_found("Webhook not found")


async def _about(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Return the variables of the trigger: body, headers, parameters."""
    about: dict[str, Any] = {}
    body = await request.body()
    if body:
        about["body"] = _body(body)
    headers: dict[str, list[str]] = {}
    for raw, value in request.scope["headers"]:
        name = "-".join(part.capitalize() for part in raw.decode("latin-1").split("-"))
        shown = MASK if name in _CREDENTIALS else value.decode("latin-1")
        headers.setdefault(name, []).append(shown)
    about["headers"] = headers
    parameters: dict[str, list[str]] = {}
    for name, text in Parameters.of(request).items():
        parameters.setdefault(name, []).append(text)
    about["parameters"] = parameters
    return about


def _body(raw: bytes) -> Any:
    if raw.lstrip()[:1] in (b"{", b"["):
        try:
            return msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return base64.b64encode(raw).decode()


def _wanted(trigger: Webhook, flow: Flow, scope: Scope) -> bool:
    if trigger.when is not None and not when_holds(trigger.when, scope):
        return False
    return not trigger.conditions or all_hold(trigger.conditions, Facts(flow, scope))


def _labels(flow: Flow, trigger: Webhook, scope: Scope, execution_id: str) -> list[Label]:
    labels = {
        label.key: Label(label.key, label.value)
        for label in flow.labels
        if not label.key.startswith(SYSTEM_PREFIX)
    }
    for label in trigger.labels:
        try:
            value = compile_template(label.value).render(scope)
        except ExpressionError:
            continue  # a label that cannot be told is dropped, as one that is empty
        if value:
            labels[label.key] = Label(label.key, value)
    return [Label(FROM, "trigger"), *labels.values(), Label(CORRELATION_ID, execution_id)]


async def _inputs(
    own: Context, flow: Flow, trigger: Webhook, scope: Scope, variables: Mapping[str, Any]
) -> tuple[dict[str, Any], str | None]:
    """Return the inputs, or why there are none: such an execution is created FAILED."""
    if not flow.inputs:
        return {}, None
    try:
        raw = trigger.inputs or {}
        if raw:
            raw = await asyncio.to_thread(render_deep, raw, scope)
        return checked(await resolve(own, flow.inputs, raw, variables)), None
    except (ExpressionError, ApiError) as error:
        return {}, str(error).removeprefix("Invalid entity: ")
