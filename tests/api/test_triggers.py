"""Triggers over HTTP, decided by the domain as the scheduler does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from api.options import ApiOptions
from domain.execution.commands import CreateExecution
from domain.ids import DEFAULT_TENANT
from domain.ports.gateway import TriggerOutcome
from domain.trigger.commands import RecordUpstream, RegisterTrigger, TriggerCommand
from domain.trigger.decide import ScheduleCommand, decide
from domain.trigger.definition import Definition, Firing
from domain.trigger.events import TriggerCommandRejected
from domain.trigger.evolve import evolve
from domain.trigger.state import Trigger, TriggerKey
from projections.triggers.project import write_of
from tests.support.api_world import ApiClient, World, client_of

pytestmark = pytest.mark.anyio

ROOT = "/api/v1/main/triggers"
HOURLY = {"namespace": "gold.team", "flowId": "timed", "triggerId": "hourly"}
KNOWN = {"tenantId": "main", **HOURLY}
KEY = TriggerKey(DEFAULT_TENANT, "gold.team", "timed", "hourly")
FLOW = """\
id: timed
namespace: gold.team
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: hi
triggers:
  - id: hourly
    type: io.kestra.plugin.core.trigger.Schedule
    cron: "0 * * * *"
"""
HOUR = timedelta(hours=1)


def on_the_hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def never_asked(firing: Firing) -> CreateExecution:
    raise AssertionError(firing)


DEFINITION = Definition(
    kind="io.kestra.plugin.core.trigger.Schedule",
    fingerprint="f",
    next_after=lambda moment: on_the_hour(moment) + HOUR,
    last_before=lambda moment: on_the_hour(moment - timedelta(microseconds=1)),
    create=never_asked,
)


class Scheduler:
    """TriggerGateway that decides at once, and brings the index up to date."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.states: dict[TriggerKey, Trigger] = {}
        self.commands: list[TriggerCommand] = []

    async def submit(self, command: TriggerCommand, timeout: float = 10.0) -> TriggerOutcome:  # noqa: ASYNC109
        self.commands.append(command)
        assert not isinstance(command, RecordUpstream)
        return self.step(command)

    def step(self, command: ScheduleCommand) -> TriggerOutcome:
        now = self._world.now
        state = self.states.get(command.key)
        events = decide(DEFINITION, state, command, now)
        for event in events:
            if isinstance(event, TriggerCommandRejected):
                return TriggerOutcome(False, event.code, event.message, state)
        state = self.states.setdefault(command.key, Trigger(key=command.key))
        for event in events:
            evolve(state, event, now)
        state.updated = now
        self._world.store.bulk([write_of(state)])
        return TriggerOutcome(True, trigger=state)


@pytest.fixture
def scheduler(world: World) -> Scheduler:
    made = Scheduler(world)
    made.step(
        RegisterTrigger(key=KEY, command_id="r", flow_revision=1, fingerprint="f", issuer="test")
    )
    return made


async def save(client: ApiClient) -> None:
    headers = {"content-type": "application/x-yaml"}
    assert (await client.post("/api/v1/main/flows", content=FLOW, headers=headers)).is_success


@pytest.fixture
async def client(world: World, scheduler: Scheduler) -> AsyncIterator[ApiClient]:
    async with client_of(world, triggers=scheduler) as made:
        await save(made)
        yield made


async def begin_backfill(client: ApiClient, **more: Any) -> Any:
    backfill = {"start": "2026-11-20T00:00:00Z", "end": "2026-11-21T00:00:00Z", **more}
    return await client.put(ROOT, json={**KNOWN, "backfill": backfill})


async def test_triggers_are_found_with_their_definitions(client: ApiClient) -> None:
    page = (await client.get(f"{ROOT}/search?page=1&size=10&namespace=gold")).json()
    assert page["total"] == 1
    [found] = page["results"]
    assert list(found) == ["abstractTrigger", "triggerContext"]
    assert found["abstractTrigger"]["cron"] == "0 * * * *"
    assert found["triggerContext"] == {
        **KNOWN,
        "date": "2026-11-23T12:00:00.123456Z",
        "nextExecutionDate": "2026-11-23T13:00:00Z",
        "disabled": False,
    }
    page = (await client.get(f"{ROOT}/gold.team/timed")).json()
    assert page == {"results": [found["triggerContext"]], "total": 1}


async def test_a_trigger_is_switched_off_and_on(client: ApiClient, scheduler: Scheduler) -> None:
    answer = (await client.put(ROOT, json={**KNOWN, "disabled": True})).json()
    assert answer["disabled"] is True
    assert "nextExecutionDate" not in answer
    again = await client.put(ROOT, json={**KNOWN, "disabled": True})
    assert (again.status_code, again.json()["disabled"]) == (200, True)
    assert (await client.put(ROOT, json={**KNOWN, "disabled": False})).json()["disabled"] is False
    assert {command.issuer for command in scheduler.commands} == {"root@root.com"}


async def test_a_trigger_that_no_flow_declares_is_a_404(
    client: ApiClient, scheduler: Scheduler
) -> None:
    answer = await client.put(ROOT, json={**KNOWN, "triggerId": "none", "disabled": True})
    assert answer.status_code == 404
    assert answer.json()["message"] == "Not Found: Flow timed has no trigger none"
    answer = await client.put(ROOT, json={**KNOWN, "flowId": "none", "disabled": True})
    assert answer.json()["message"] == "Not Found: Flow of trigger hourly not found"
    assert scheduler.commands == []


async def test_a_backfill_is_begun_held_let_go_on_and_given_up(client: ApiClient) -> None:
    answer = (await begin_backfill(client)).json()
    assert answer["backfill"]["start"] == "2026-11-20T00:00:00Z"
    assert answer["backfill"]["paused"] is False
    held = (await client.put(f"{ROOT}/backfill/pause", json=KNOWN)).json()
    assert held["backfill"]["paused"] is True
    on = (await client.put(f"{ROOT}/backfill/unpause", json=KNOWN)).json()
    assert on["backfill"]["paused"] is False
    over = (await client.post(f"{ROOT}/backfill/delete", json=KNOWN)).json()
    assert "backfill" not in over
    answer = await client.post(f"{ROOT}/backfill/delete", json=KNOWN)
    assert answer.status_code == 400
    assert answer.json()["message"] == "Bad Request: No backfill found"


async def test_labels_of_a_backfill_are_checked(client: ApiClient, scheduler: Scheduler) -> None:
    answer = await begin_backfill(client, labels=[{"key": "team", "value": ""}])
    assert answer.status_code == 422
    assert scheduler.commands == []


async def test_many_are_counted(client: ApiClient) -> None:
    body = {"triggers": [HOURLY, {**HOURLY, "triggerId": "none"}], "disabled": True}
    answer = await client.post(f"{ROOT}/set-disabled/by-triggers", json=body)
    assert answer.json() == {"count": 1}
    answer = await client.post(f"{ROOT}/set-disabled/by-query?namespace=gold&disabled=false")
    assert answer.json() == {"count": 1}
    answer = await client.post(f"{ROOT}/unlock/by-triggers", json=[HOURLY])
    assert answer.json() == {"count": 0}


async def test_deletions_by_query_that_find_nothing_are_an_empty_object(client: ApiClient) -> None:
    answer = await client.request("DELETE", f"{ROOT}/delete/by-query?namespace=none")
    assert answer.json() == {}
    answer = await client.request("DELETE", f"{ROOT}/delete/by-query?namespace=gold")
    assert answer.json() == {"count": 1}
    assert (await client.get(f"{ROOT}/search")).json()["total"] == 0


async def test_a_trigger_that_is_not_locked_cannot_be_unlocked(client: ApiClient) -> None:
    answer = await client.post(f"{ROOT}/gold.team/timed/hourly/unlock")
    assert answer.status_code == 409
    assert (await client.post(f"{ROOT}/gold.team/timed/none/unlock")).status_code == 404


async def test_a_trigger_is_forgotten(client: ApiClient) -> None:
    answer = await client.delete(f"{ROOT}/gold.team/timed/hourly")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await client.delete(f"{ROOT}/gold.team/timed/hourly")).status_code == 404


async def test_version_two_has_routes_and_members_of_its_own(
    world: World, scheduler: Scheduler
) -> None:
    options = ApiOptions(version="2.0.0")
    async with client_of(world, options, triggers=scheduler) as client:
        await save(client)
        answer = (
            await client.put(f"{ROOT}/set-disabled", json={**HOURLY, "disabled": True})
        ).json()
        assert (answer["disabled"], answer["locked"]) == (True, False)
        await client.put(f"{ROOT}/set-disabled", json={**HOURLY, "disabled": False})
        body = {**HOURLY, "backfill": {"start": "2026-11-20T00:00:00Z"}}
        answer = (await client.put(f"{ROOT}/backfill/create", json=body)).json()
        assert answer["backfill"]["paused"] is False
        assert answer["nextEvaluationDate"] == "2026-11-20T00:00:00Z"
