"""Triggers: where they stand, switched, run over the past, unlocked, forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec
from litestar import Controller, delete, get, post, put

from api import reply
from api.body import read_json
from api.context import Context, context, user_name
from api.controllers.execution_actions import TWO
from api.controllers.http import Http, Segment
from api.errors import ApiError, illegal_state, not_found
from api.export import columns, csv, each
from api.labels import LabelBody, checked_labels
from api.parameters import Parameters, read_page, read_query, read_sorts
from api.reply import Reply
from api.views.trigger import trigger_state_view, trigger_view
from domain.flow.model import Flow
from domain.flow.render_json import trigger_json
from domain.ids import DEFAULT_TENANT
from domain.trigger.commands import (
    CreateBackfill,
    DeleteBackfill,
    DeleteTrigger,
    PauseBackfill,
    RestartTrigger,
    SetTriggerDisabled,
    TriggerCommand,
    UnlockTrigger,
)
from domain.trigger.state import Trigger, TriggerKey

_FLAT = frozenset({"q", "scope", "namespace", "flowId", "triggerId", "workerId"})
_NO_TRIGGER = frozenset({"TRIGGER010", "TRIGGER012"})
"""Refusals: there is no such trigger, or none that has backfills."""
_NOTHING_TO_DO = frozenset({"TRIGGER011", "TRIGGER013"})
"""Refusals: it is as wanted already."""
Make = Callable[[TriggerKey], TriggerCommand]


class TriggerId(msgspec.Struct, rename="camel"):
    """Names a trigger."""

    namespace: str
    flow_id: str
    trigger_id: str
    tenant_id: str | None = None

    @property
    def key(self) -> TriggerKey:
        """The trigger's key."""
        return TriggerKey(DEFAULT_TENANT, self.namespace, self.flow_id, self.trigger_id)


class BackfillBody(msgspec.Struct):
    """A span to be gone through."""

    start: datetime
    end: datetime | None = None
    inputs: dict[str, Any] | None = None
    labels: list[LabelBody] | None = None
    paused: bool = False


class TriggerBody(TriggerId, rename="camel"):
    """A trigger as it is to be."""

    disabled: bool | None = None
    backfill: BackfillBody | None = None


class SetDisabledBody(msgspec.Struct):
    """Triggers to be switched."""

    triggers: list[TriggerId]
    disabled: bool


class Triggers(Controller):
    """Routes of triggers."""

    path = "/api/v1/triggers"
    tags = ["Triggers"]  # noqa: RUF012 - Litestar's way

    @get("/search", operation_id="searchTriggers", status_code=200)
    async def search(self, request: Http) -> Reply:
        """Return a page of the triggers that filters find, with their definitions."""
        own = context(request)
        query = read_query(Parameters.of(request), _FLAT)
        found = await own.ports.queries.triggers.search(query)
        return reply.page([_declared_view(own, trigger) for trigger in found.results], found.total)

    @get("/export/by-query/csv", operation_id="exportTriggers", status_code=200)
    async def export(self, request: Http) -> Reply:
        """Return the triggers found as CSV."""
        query = read_query(Parameters.of(request), _FLAT, paged=False)
        found = await context(request).ports.queries.triggers.every(query)
        views = [trigger_view(trigger) for trigger in found]
        return csv("triggers.csv", columns(views), each(views))

    @get("/{namespace:str}/{flow_id:str}", operation_id="searchTriggersForFlow", status_code=200)
    async def of_flow(self, request: Http, namespace: Segment, flow_id: Segment) -> Reply:
        """Return a page of a flow's triggers."""
        parameters = Parameters.of(request)
        found = await context(request).ports.queries.triggers.of_flow(
            DEFAULT_TENANT,
            namespace,
            flow_id,
            text=parameters.text("q"),
            sorts=read_sorts(parameters),
            page=read_page(parameters),
        )
        return reply.page([trigger_view(trigger) for trigger in found.results], found.total)

    @put("/", operation_id="updateTrigger", status_code=200)
    async def update(self, request: Http) -> Reply:
        """Switch a trigger, or begin a backfill."""
        own = context(request)
        body = await read_json(request, TriggerBody, "newTrigger")
        await _declared(own, body.key)
        command = _wanted(request, body)
        if command is None:
            return reply.json(trigger_view(await _known(own, body.key)))
        return reply.json(trigger_view(await submit(own, command)))

    @post("/set-disabled/by-triggers", operation_id="disabledTriggersByIds", status_code=200)
    async def set_disabled_many(self, request: Http) -> Reply:
        """Switch triggers; answer how many."""
        body = await read_json(request, SetDisabledBody, "setDisabledRequest")
        keys = [trigger.key for trigger in body.triggers]
        return await _each(request, keys, _switch(request, disabled=body.disabled))

    @post("/set-disabled/by-query", operation_id="disabledTriggersByQuery", status_code=200)
    async def set_disabled_found(self, request: Http) -> Reply:
        """Switch the triggers found; answer how many."""
        disabled = Parameters.of(request).truth("disabled", default=True)
        return await _each(request, await _found(request), _switch(request, disabled=disabled))

    @put("/backfill/pause", operation_id="pauseBackfill", status_code=200)
    async def pause_backfill(self, request: Http) -> Reply:
        """Hold a backfill."""
        return await _on_backfill(request, _pause(request, paused=True))

    @put("/backfill/unpause", operation_id="unpauseBackfill", status_code=200)
    async def unpause_backfill(self, request: Http) -> Reply:
        """Let a backfill go on."""
        return await _on_backfill(request, _pause(request, paused=False))

    @post("/backfill/delete", operation_id="deleteBackfill", status_code=200)
    async def delete_backfill(self, request: Http) -> Reply:
        """Give a backfill up."""
        return await _on_backfill(request, _give_up(request))

    @post("/backfill/pause/by-triggers", operation_id="pauseBackfillByIds", status_code=200)
    async def pause_backfills(self, request: Http) -> Reply:
        """Hold backfills; answer how many."""
        return await _each(request, await _named(request), _pause(request, paused=True))

    @post("/backfill/pause/by-query", operation_id="pauseBackfillByQuery", status_code=200)
    async def pause_backfills_found(self, request: Http) -> Reply:
        """Hold the backfills found; answer how many."""
        return await _each(request, await _found(request), _pause(request, paused=True))

    @post("/backfill/unpause/by-triggers", operation_id="unpauseBackfillByIds", status_code=200)
    async def unpause_backfills(self, request: Http) -> Reply:
        """Let backfills go on; answer how many."""
        return await _each(request, await _named(request), _pause(request, paused=False))

    @post("/backfill/unpause/by-query", operation_id="unpauseBackfillByQuery", status_code=200)
    async def unpause_backfills_found(self, request: Http) -> Reply:
        """Let the backfills found go on; answer how many."""
        return await _each(request, await _found(request), _pause(request, paused=False))

    @post("/backfill/delete/by-triggers", operation_id="deleteBackfillByIds", status_code=200)
    async def delete_backfills(self, request: Http) -> Reply:
        """Give backfills up; answer how many."""
        return await _each(request, await _named(request), _give_up(request))

    @post("/backfill/delete/by-query", operation_id="deleteBackfillByQuery", status_code=200)
    async def delete_backfills_found(self, request: Http) -> Reply:
        """Give the backfills found up; answer how many."""
        return await _each(request, await _found(request), _give_up(request), silent=True)

    @delete("/delete/by-triggers", operation_id="deleteTriggersByIds", status_code=200)
    async def delete_many(self, request: Http) -> Reply:
        """Forget triggers; answer how many."""
        return await _each(request, await _named(request), _forget(request))

    @delete("/delete/by-query", operation_id="deleteTriggersByQuery", status_code=200)
    async def delete_found(self, request: Http) -> Reply:
        """Forget the triggers found; answer how many."""
        return await _each(request, await _found(request), _forget(request), silent=True)

    @post("/unlock/by-triggers", operation_id="unlockTriggersByIds", status_code=200)
    async def unlock_many(self, request: Http) -> Reply:
        """Forget the running executions of triggers; answer how many were locked."""
        return await _each(request, await _named(request), _unlock(request))

    @post("/unlock/by-query", operation_id="unlockTriggersByQuery", status_code=200)
    async def unlock_found(self, request: Http) -> Reply:
        """Forget the running executions of the triggers found; answer how many were locked."""
        return await _each(request, await _found(request), _unlock(request))

    @delete(
        "/{namespace:str}/{flow_id:str}/{trigger_id:str}",
        operation_id="deleteTrigger",
        status_code=200,
    )
    async def remove(
        self, request: Http, namespace: Segment, flow_id: Segment, trigger_id: Segment
    ) -> Reply:
        """Forget a trigger; one that its flow declares begins anew."""
        key = TriggerKey(DEFAULT_TENANT, namespace, flow_id, trigger_id)
        await _submit_any(context(request), DeleteTrigger(**_of(request, key)))
        return reply.empty(204)

    @post(
        "/{namespace:str}/{flow_id:str}/{trigger_id:str}/unlock",
        operation_id="unlockTrigger",
        status_code=200,
    )
    async def unlock(
        self, request: Http, namespace: Segment, flow_id: Segment, trigger_id: Segment
    ) -> Reply:
        """Forget the running executions of a trigger."""
        key = TriggerKey(DEFAULT_TENANT, namespace, flow_id, trigger_id)
        own = context(request)
        if not (await _known(own, key)).is_locked:
            raise illegal_state("Trigger is not locked")
        return reply.json(trigger_view(await submit(own, UnlockTrigger(**_of(request, key)))))

    @post(
        "/{namespace:str}/{flow_id:str}/{trigger_id:str}/restart",
        operation_id="restartTrigger",
        status_code=200,
    )
    async def restart(
        self, request: Http, namespace: Segment, flow_id: Segment, trigger_id: Segment
    ) -> Reply:
        """Forget the running executions of a trigger, and take the next date from now."""
        key = TriggerKey(DEFAULT_TENANT, namespace, flow_id, trigger_id)
        own = context(request)
        view = trigger_view(await submit(own, RestartTrigger(**_of(request, key))))
        view.pop("date", None)  # it begins anew
        return reply.json(view)


class TriggersOfTwo(Controller):
    """Routes of triggers that 1.x does not have, and answers otherwise."""

    path = "/api/v1/triggers"
    tags = ["Triggers"]  # noqa: RUF012 - Litestar's way

    @put("/set-disabled", operation_id="disableTriggerById", status_code=200, opt=TWO)
    async def set_disabled(self, request: Http) -> Reply:
        """Switch a trigger."""
        body = await read_json(request, TriggerBody, "disableTriggerRequest")
        own = context(request)
        await _declared(own, body.key)
        command = SetTriggerDisabled(**_of(request, body.key), disabled=bool(body.disabled))
        return reply.json(trigger_state_view(await submit(own, command)))

    @put("/backfill/create", operation_id="createBackfill", status_code=200, opt=TWO)
    async def create_backfill(self, request: Http) -> Reply:
        """Begin a backfill."""
        own = context(request)
        body = await read_json(request, TriggerBody, "createBackfillRequest")
        await _declared(own, body.key)
        command = _wanted(request, body)
        if command is None:
            raise not_found()
        return reply.json(trigger_state_view(await submit(own, command)))


async def submit(own: Context, command: TriggerCommand) -> Trigger:
    """Send a command and return the trigger after it; raises ApiError, LogUnavailable."""
    trigger = await _submit_any(own, command)
    if trigger is None:
        raise not_found()
    return trigger


async def _submit_any(own: Context, command: TriggerCommand) -> Trigger | None:
    outcome = await own.ports.triggers.submit(command, own.options.submit_seconds)
    if outcome.accepted:
        return outcome.trigger
    if outcome.code in _NOTHING_TO_DO:
        return await _known(own, command.key)
    raise not_found() if outcome.code in _NO_TRIGGER else illegal_state(outcome.message)


def _of(request: Http, key: TriggerKey) -> dict[str, Any]:
    own = context(request)
    return {"key": key, "command_id": own.ports.new_id(), "issuer": user_name(request)}


def _wanted(request: Http, body: TriggerBody) -> TriggerCommand | None:
    if body.backfill is not None:
        labels = checked_labels(body.backfill.labels or [], "updateTrigger.backfill.labels")
        return CreateBackfill(
            **_of(request, body.key),
            start=body.backfill.start,
            end=body.backfill.end,
            inputs=body.backfill.inputs or {},
            labels=labels,
            paused=body.backfill.paused,
        )
    if body.disabled is None:
        return None
    return SetTriggerDisabled(**_of(request, body.key), disabled=body.disabled)


def _switch(request: Http, *, disabled: bool) -> Make:
    return lambda key: SetTriggerDisabled(**_of(request, key), disabled=disabled)


def _pause(request: Http, *, paused: bool) -> Make:
    return lambda key: PauseBackfill(**_of(request, key), paused=paused)


def _give_up(request: Http) -> Make:
    return lambda key: DeleteBackfill(**_of(request, key))


def _forget(request: Http) -> Make:
    return lambda key: DeleteTrigger(**_of(request, key))


def _unlock(request: Http) -> Make:
    return lambda key: UnlockTrigger(**_of(request, key))


async def _on_backfill(request: Http, make: Make) -> Reply:
    own = context(request)
    body = await read_json(request, TriggerId, "trigger")
    if body.tenant_id is None and not own.options.is_two:
        raise not_found()  # so 1.x, whose clients send the tenant
    if (await _known(own, body.key)).backfill is None:
        raise ApiError(400, "Bad Request: No backfill found")
    return reply.json(trigger_view(await submit(own, make(body.key))))


async def _each(
    request: Http, keys: Iterable[TriggerKey], make: Make, *, silent: bool = False
) -> Reply:
    """Send a command to each of some triggers and count those that took it.

    `silent`: no hit is answered by an empty object, as clients have always seen.
    """
    own = context(request)
    count = 0
    for key in keys:
        outcome = await own.ports.triggers.submit(make(key), own.options.submit_seconds)
        count += outcome.accepted or outcome.code in _NOTHING_TO_DO
    return reply.json({} if silent and not count else {"count": count})


async def _named(request: Http) -> list[TriggerKey]:
    return [item.key for item in await read_json(request, list[TriggerId], "triggers")]


async def _found(request: Http) -> list[TriggerKey]:
    query = read_query(Parameters.of(request), _FLAT, paged=False)
    found = await context(request).ports.queries.triggers.every(query)
    return [trigger.key for trigger in found]


async def _known(own: Context, key: TriggerKey) -> Trigger:
    trigger = await own.ports.queries.triggers.get(key)
    if trigger is None:
        raise not_found()
    return trigger


async def _declared(own: Context, key: TriggerKey) -> None:
    """Raise ApiError 404 unless a flow declares the trigger."""
    flow = _flow(own, key)
    if flow is None:
        raise not_found(f"Flow of trigger {key.trigger_id} not found")
    if flow.find_trigger(key.trigger_id) is None:
        raise not_found(f"Flow {key.flow_id} has no trigger {key.trigger_id}")


def _flow(own: Context, key: TriggerKey) -> Flow | None:
    return own.ports.flows.get(key.tenant, key.namespace, key.flow_id)


def _declared_view(own: Context, trigger: Trigger) -> dict[str, Any]:
    flow = _flow(own, trigger.key)
    declared = None if flow is None else flow.find_trigger(trigger.key.trigger_id)
    view: dict[str, Any] = {}
    if declared is not None:
        view["abstractTrigger"] = trigger_json(declared)
    return view | {"triggerContext": trigger_view(trigger)}


ROUTES = [Triggers]
TWO_ONLY = [TriggersOfTwo]
