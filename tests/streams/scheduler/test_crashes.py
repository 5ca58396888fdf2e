"""Exactly once: a scheduler that dies at any moment starts every execution, and none twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.execution.lifecycle import StateType
from domain.ids import DEFAULT_TENANT
from domain.ports.log import Delivery
from domain.record.envelope import Outgoing
from domain.record.topics import EXECUTION_COMMANDS, TRIGGER_EVENTS
from domain.trigger.commands import CreateBackfill, RecordTriggerEnd
from domain.trigger.state import TriggerKey
from infra.snapshots import SqliteSnapshots
from streams.scheduler.declared import outgoing
from tests.support.memory_log import MemoryLog
from tests.support.triggers import Died, SchedulerWorld, at

FLOW = """
id: f
namespace: n
tasks: [{id: a, type: io.kestra.plugin.core.log.Log, message: hello}]
triggers:
  - {id: t, type: io.kestra.plugin.core.trigger.Schedule, cron: '0 * * * *', allowConcurrent: true}
  - {id: u, type: io.kestra.plugin.core.trigger.Schedule, cron: '20 * * * *', allowConcurrent: true}
"""


class MortalLog(MemoryLog):
    """Kills its process at the nth record, just before or just after the record is durable."""

    def __init__(self, partitions: int) -> None:
        super().__init__(partitions)
        self.left = -1
        self.after = False

    def send(self, record: Outgoing, delivered: Delivery | None = None) -> None:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Died
        super().send(record, delivered)
        if self.left == 0:
            raise Died


class MortalWorld(SchedulerWorld):
    """Starts a new scheduler where the old one died; the clock goes on meanwhile."""

    def __init__(self, die_at: int, *, after: bool) -> None:
        super().__init__(partitions=2)
        self.deaths = 0
        mortal = MortalLog(2)
        self.log = mortal
        self.boot()
        mortal.left, mortal.after = die_at, after

    def live_until(self, text: str) -> None:
        """Run to an instant, through the death."""
        while True:
            try:
                self.advance_to(text)
            except Died:
                self.deaths += 1
                self.kill()
                self.boot()
            else:
                return


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("die_at", range(1, 40))
def test_every_date_starts_exactly_one_execution_wherever_the_scheduler_dies(
    die_at: int, after: bool
) -> None:
    world = MortalWorld(die_at, after=after)
    try:
        world.flows.save(FLOW)
    except Died:
        # the flow itself is saved: only its news died with the scheduler
        world.deaths += 1
        world.kill()
        world.boot()
    world.live_until("2024-01-01T03:30:00")
    expected = sorted(
        [f"2024-01-01T0{hour}:00:00" for hour in (1, 2, 3)]
        + [f"2024-01-01T0{hour}:20:00" for hour in (0, 1, 2, 3)]
    )
    assert sorted(world.dates()) == expected
    assert len({one.execution_id for one in world.creations()}) == len(expected)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("die_at", range(1, 16))
def test_backfill_makes_each_execution_once_wherever_the_scheduler_dies(
    die_at: int, after: bool
) -> None:
    world = MortalWorld(-1, after=after)
    world.flows.save(FLOW)
    world.run()
    world.log.send(outgoing(BACKFILL))
    assert isinstance(world.log, MortalLog)
    world.log.left = die_at
    world.live_until("2024-01-01T00:10:00")
    assert sorted(world.dates()) == [f"2023-01-01T0{hour}:00:00" for hour in (0, 1, 2)]
    assert world.deaths <= 1


def test_commands_stepped_before_a_snapshot_do_nothing_when_they_come_again(
    tmp_path: Path,
) -> None:
    world = SchedulerWorld("2024-01-10T00:30:00", partitions=1)
    world.snapshots = SqliteSnapshots(tmp_path / "triggers.sqlite")
    world.restart()
    world.flows.save(FLOW.replace(", allowConcurrent: true", ""))
    world.run()
    world.log.send(outgoing(BACKFILL))
    for index in range(3):
        world.run()
        execution_id = world.creations()[index].execution_id
        command_id = f"end-{execution_id}"
        end = RecordTriggerEnd(
            key=KEY, command_id=command_id, execution_id=execution_id, state=StateType.SUCCESS
        )
        world.log.send(outgoing(end))
    world.run()
    before = world.state()
    assert before.backfill is None
    world.stepper.close()
    world.committed.clear()
    world.restart()
    world.run()
    assert world.state() == before
    assert len(world.dates()) == 3


def test_firing_that_was_recorded_but_not_sent_is_sent_after_the_restart() -> None:
    world = MortalWorld(-1, after=False)
    world.flows.save(FLOW)
    world.run()
    assert isinstance(world.log, MortalLog)
    world.log.left = 3  # the command that fires, its event, its effect
    world.live_until("2024-01-01T00:30:00")
    assert world.deaths == 1
    recorded = world.log.all(TRIGGER_EVENTS)
    assert world.dates() == ["2024-01-01T00:20:00"]
    assert len(world.log.all(EXECUTION_COMMANDS)) == 1
    assert sum(b"trigger.fired" in (record.value or b"") for record in recorded) == 1


KEY = TriggerKey(DEFAULT_TENANT, "n", "f", "t")
BACKFILL = CreateBackfill(
    key=KEY, command_id="b", start=at("2023-01-01T00:00:00"), end=at("2023-01-01T02:00:00")
)
