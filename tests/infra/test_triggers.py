"""Commands of persons to triggers, and what they are told."""

from __future__ import annotations

import asyncio

import pytest

from domain.errors import LogUnavailable
from domain.ids import DEFAULT_TENANT
from domain.ports.gateway import TriggerOutcome
from domain.trigger.commands import SetTriggerDisabled, TriggerCommand, UnlockTrigger
from domain.trigger.state import TriggerKey
from infra.triggers import LogTriggerGateway
from tests.support.triggers import SchedulerWorld

KEY = TriggerKey(DEFAULT_TENANT, "n", "f", "t")
FLOW = """
id: f
namespace: n
tasks: [{id: a, type: io.kestra.plugin.core.log.Log, message: hello}]
triggers: [{id: t, type: io.kestra.plugin.core.trigger.Schedule, cron: '0 * * * *'}]
"""


def submit(world: SchedulerWorld, command: TriggerCommand) -> TriggerOutcome:
    gateway = LogTriggerGateway(world.log)
    gateway.start()

    async def both() -> TriggerOutcome:
        waiting = asyncio.ensure_future(gateway.submit(command))
        await asyncio.sleep(0)
        world.run()
        return await waiting

    try:
        return asyncio.run(both())
    finally:
        gateway.close()


def test_accepted_command_answers_with_the_trigger_after_it() -> None:
    world = SchedulerWorld()
    world.flows.save(FLOW)
    world.run()
    outcome = submit(world, SetTriggerDisabled(key=KEY, command_id="1", disabled=True))
    assert outcome.accepted
    assert outcome.trigger is not None
    assert outcome.trigger.disabled


def test_refused_command_says_why_and_changes_nothing() -> None:
    world = SchedulerWorld()
    world.flows.save(FLOW)
    world.run()
    before = world.state().next_date
    outcome = submit(world, UnlockTrigger(key=KEY, command_id="1"))
    assert (outcome.accepted, outcome.message) == (False, "Trigger is not locked")
    assert outcome.trigger is not None
    assert outcome.trigger.next_date == before


def test_command_to_no_trigger_is_refused() -> None:
    outcome = submit(SchedulerWorld(), UnlockTrigger(key=KEY, command_id="1"))
    assert (outcome.accepted, outcome.code, outcome.trigger) == (False, "TRIGGER010", None)


def test_refusal_of_a_command_to_no_trigger_makes_none() -> None:
    world = SchedulerWorld()
    submit(world, UnlockTrigger(key=KEY, command_id="1"))
    world.restart()
    assert world.stepper.state(KEY) is None
    world.flows.save(FLOW)
    world.run()
    assert world.state().sequence == 1


def test_silent_scheduler_is_told_as_such() -> None:
    gateway = LogTriggerGateway(SchedulerWorld().log)
    with pytest.raises(LogUnavailable):
        asyncio.run(gateway.submit(UnlockTrigger(key=KEY, command_id="1"), timeout=0.01))
