"""The scheduler on a log in memory: flows become triggers, dates become executions."""

from __future__ import annotations

from pathlib import Path

from domain.execution.lifecycle import StateType
from domain.execution.state import Label
from domain.ids import DEFAULT_TENANT
from domain.record.topics import TRIGGER_EVENTS
from domain.trigger.commands import (
    CreateBackfill,
    DeleteBackfill,
    DeleteTrigger,
    PauseBackfill,
    RecordTriggerEnd,
    RestartTrigger,
    SetTriggerDisabled,
    UnlockTrigger,
)
from domain.trigger.evolve import RECORDS, fold
from domain.trigger.state import TriggerKey
from infra.snapshots import SqliteSnapshots
from streams.options import SchedulerOptions
from tests.support.triggers import SchedulerWorld, at

KEY = TriggerKey(DEFAULT_TENANT, "n", "f", "t")


def flow(trigger: str, *, head: str = "", tail: str = "") -> str:
    return f"""
id: f
namespace: n
{head}
tasks: [{{id: a, type: io.kestra.plugin.core.log.Log, message: hello}}]
triggers:
  - id: t
    type: io.kestra.plugin.core.trigger.{trigger}
{tail}
"""


def hourly(more: str = "", **parts: str) -> str:
    return flow(f"Schedule\n    cron: '0 * * * *'\n    allowConcurrent: true\n    {more}", **parts)


def locking(more: str = "") -> str:
    return flow(f"Schedule\n    cron: '0 * * * *'\n    {more}")


def end_of(world: SchedulerWorld, index: int, state: StateType = StateType.SUCCESS) -> None:
    execution_id = world.creations()[index].execution_id
    world.send(
        RecordTriggerEnd(
            key=KEY, command_id=f"end-{execution_id}", execution_id=execution_id, state=state
        )
    )


def test_saved_schedule_has_a_next_date() -> None:
    world = SchedulerWorld("2024-01-01T00:30:00")
    world.flows.save(hourly())
    world.run()
    assert world.state().next_date == at("2024-01-01T01:00:00")
    assert world.state().registered


def test_schedule_fires_at_each_date_with_trigger_variables_and_labels() -> None:
    world = SchedulerWorld("2024-06-01T00:30:00")
    world.flows.save(
        hourly(
            "timezone: Europe/Paris\n    labels: {own: '{{ trigger.date }}', empty: ''}\n"
            "    inputs: {day: '{{ trigger.date | date(\"yyyy-MM-dd\") }}'}",
            head="labels: {team: data}\n"
            "inputs: [{id: day, type: DATE}, {id: n, type: INT, defaults: 3}]",
        )
    )
    world.advance_to("2024-06-01T02:10:00")
    first, second = world.creations()
    assert world.dates() == ["2024-06-01T01:00:00", "2024-06-01T02:00:00"]
    assert first.trigger is not None
    assert first.trigger.id == "t"
    assert first.trigger.type == "io.kestra.plugin.core.trigger.Schedule"
    assert first.trigger.variables == {
        "date": "2024-06-01T03:00:00+02:00",
        "next": "2024-06-01T04:00:00+02:00",
        "previous": "2024-06-01T02:00:00+02:00",
    }
    assert first.inputs == {"day": "2024-06-01", "n": 3}
    assert first.flow_revision == 1
    assert first.labels == [
        Label("system.from", "trigger"),
        Label("team", "data"),
        Label("own", "2024-06-01T03:00:00+02:00"),
        Label("system.correlationId", first.execution_id),
    ]
    assert second.execution_id != first.execution_id


def test_restart_fires_what_was_missed_and_nothing_twice() -> None:
    """Kestra docs, Schedule: recoverMissedSchedules is ALL by default."""
    world = SchedulerWorld()
    world.flows.save(hourly())
    world.advance_to("2024-01-01T02:30:00")
    world.kill()
    world.sleep_until("2024-01-01T05:30:00")
    world.boot()
    world.run()
    assert world.dates() == [f"2024-01-01T0{hour}:00:00" for hour in range(1, 6)]
    assert len(world.creations()) == len(world.dates())


def test_last_recovers_one_missed_date() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly("recoverMissedSchedules: LAST"))
    world.advance_to("2024-01-01T01:30:00")
    world.kill()
    world.sleep_until("2024-01-01T05:30:00")
    world.boot()
    world.advance_to("2024-01-01T06:30:00")
    assert world.dates() == ["2024-01-01T01:00:00", "2024-01-01T05:00:00", "2024-01-01T06:00:00"]


def test_none_recovers_no_missed_date() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly("recoverMissedSchedules: NONE"))
    world.advance_to("2024-01-01T01:30:00")
    world.kill()
    world.sleep_until("2024-01-01T05:30:00")
    world.boot()
    world.advance_to("2024-01-01T06:30:00")
    assert world.dates() == ["2024-01-01T01:00:00", "2024-01-01T06:00:00"]


def test_late_dates_are_skipped() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly("lateMaximumDelay: PT90M"))
    world.run()
    world.kill()
    world.sleep_until("2024-01-01T05:10:00")
    world.boot()
    world.run()
    assert world.dates() == ["2024-01-01T04:00:00", "2024-01-01T05:00:00"]


def test_running_execution_locks_the_trigger_until_it_ends() -> None:
    world = SchedulerWorld()
    world.flows.save(locking())
    world.advance_to("2024-01-01T03:30:00")
    assert world.dates() == ["2024-01-01T01:00:00"]
    assert world.state().is_locked
    end_of(world, 0)
    assert world.dates() == ["2024-01-01T01:00:00", "2024-01-01T02:00:00"]
    end_of(world, 1)
    end_of(world, 2)
    assert world.dates()[-1] == "2024-01-01T03:00:00"
    assert not world.state().is_locked


def test_lock_outlives_a_restart() -> None:
    world = SchedulerWorld()
    world.flows.save(locking())
    world.advance_to("2024-01-01T01:30:00")
    world.restart()
    world.advance_to("2024-01-01T03:30:00")
    assert world.dates() == ["2024-01-01T01:00:00"]


def test_end_told_twice_counts_once() -> None:
    world = SchedulerWorld()
    world.flows.save(locking())
    world.advance_to("2024-01-01T01:30:00")
    end_of(world, 0)
    world.advance_to("2024-01-01T02:30:00")
    end_of(world, 0)
    assert world.state().is_locked


def test_unlock_lets_the_next_date_fire() -> None:
    world = SchedulerWorld()
    world.flows.save(locking())
    world.advance_to("2024-01-01T02:30:00")
    world.send(UnlockTrigger(key=KEY, command_id="u"))
    assert world.dates() == ["2024-01-01T01:00:00", "2024-01-01T02:00:00"]


def test_restarted_trigger_forgets_missed_dates() -> None:
    world = SchedulerWorld()
    world.flows.save(locking())
    world.advance_to("2024-01-01T03:30:00")
    world.send(RestartTrigger(key=KEY, command_id="r"))
    assert world.state().next_date == at("2024-01-01T04:00:00")
    assert not world.state().is_locked


def test_stop_after_disables_the_trigger() -> None:
    world = SchedulerWorld()
    world.flows.save(locking("stopAfter: [FAILED]"))
    world.advance_to("2024-01-01T01:30:00")
    end_of(world, 0)
    assert not world.state().disabled
    world.advance_to("2024-01-01T02:30:00")
    end_of(world, 1, StateType.FAILED)
    world.advance_to("2024-01-01T05:30:00")
    assert world.state().disabled
    assert len(world.dates()) == 2


def test_disabled_trigger_has_no_next_date_and_enabling_does_not_catch_up() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly())
    world.run()
    world.send(SetTriggerDisabled(key=KEY, command_id="d", disabled=True))
    assert world.state().next_date is None
    world.advance_to("2024-01-01T03:30:00")
    world.send(SetTriggerDisabled(key=KEY, command_id="e", disabled=False))
    assert world.state().next_date == at("2024-01-01T04:00:00")
    assert world.dates() == []


def test_enabling_may_recover_what_was_missed() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly())
    world.run()
    world.send(SetTriggerDisabled(key=KEY, command_id="d", disabled=True))
    world.advance_to("2024-01-01T02:30:00")
    world.send(SetTriggerDisabled(key=KEY, command_id="e", disabled=False, recover=True))
    assert world.dates() == ["2024-01-01T01:00:00", "2024-01-01T02:00:00"]


def test_trigger_disabled_in_the_flow_has_a_date_and_does_not_fire() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly("disabled: true"))
    world.advance_to("2024-01-01T03:30:00")
    assert world.state().next_date == at("2024-01-01T01:00:00")
    assert world.dates() == []
    world.flows.save(hourly())
    world.advance_to("2024-01-01T04:30:00")
    assert world.dates() == ["2024-01-01T04:00:00"]


def test_disabled_flow_does_not_fire() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly(head="disabled: true"))
    world.advance_to("2024-01-01T03:30:00")
    assert world.dates() == []


def test_changed_cron_counts_from_now() -> None:
    """Kestra 1.3.32: an edited cron used to fire at once."""
    world = SchedulerWorld("2024-01-01T00:30:00")
    world.flows.save(hourly())
    world.run()
    world.flows.save(flow("Schedule\n    cron: '45 * * * *'"))
    world.run()
    assert world.state().next_date == at("2024-01-01T00:45:00")


def test_edit_elsewhere_keeps_the_date_and_takes_the_new_revision() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly())
    world.run()
    world.flows.save(hourly(head="description: other"))
    world.advance_to("2024-01-01T01:10:00")
    assert [one.flow_revision for one in world.creations()] == [2]


def test_trigger_taken_out_of_the_flow_is_forgotten() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly())
    world.run()
    world.flows.save(hourly().replace("- id: t", "- id: other"))
    world.advance_to("2024-01-01T01:10:00")
    assert not world.state().registered
    assert [one.trigger.id for one in world.creations() if one.trigger] == ["other"]


def test_deleted_flow_fires_no_more() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly())
    world.run()
    world.flows.save(hourly(), deleted=True)
    world.advance_to("2024-01-01T03:10:00")
    assert world.dates() == []


def test_changes_made_while_no_scheduler_ran_are_made_up() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly())
    world.run()
    world.kill()
    world.flows.save(hourly().replace("- id: t", "- id: other"))
    world.boot()
    world.run()
    assert not world.state().registered
    assert world.state(trigger_id="other").registered


def test_restart_tells_nothing_new_when_nothing_changed() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly())
    world.run()
    before = len(world.log.all(TRIGGER_EVENTS))
    world.restart()
    world.run()
    assert len(world.log.all(TRIGGER_EVENTS)) == before


def test_deleted_trigger_begins_anew_while_its_flow_declares_it() -> None:
    world = SchedulerWorld()
    world.flows.save(locking())
    world.advance_to("2024-01-01T01:30:00")
    world.send(DeleteTrigger(key=KEY, command_id="x"))
    assert world.state().registered
    assert world.state().last_date is None
    assert not world.state().is_locked
    assert world.state().next_date == at("2024-01-01T02:00:00")


def test_conditions_select_dates() -> None:
    """Kestra: the next date is the first that satisfies the conditions; next and previous too."""
    world = SchedulerWorld()
    world.flows.save(
        flow(
            "Schedule\n    cron: '0 9 * * *'\n    allowConcurrent: true\n    conditions:\n"
            "      - {type: io.kestra.plugin.core.condition.DayWeek, dayOfWeek: MONDAY}"
        )
    )
    world.advance_to("2024-01-09T00:00:00")
    assert world.dates() == ["2024-01-01T09:00:00", "2024-01-08T09:00:00"]
    trigger = world.creations()[0].trigger
    assert trigger is not None
    assert trigger.variables["next"] == "2024-01-08T09:00:00Z"
    assert trigger.variables["previous"] == "2023-12-25T09:00:00Z"


def test_when_selects_dates() -> None:
    world = SchedulerWorld()
    world.flows.save(
        flow("Schedule\n    cron: '@daily'\n    when: \"{{ dayOfMonth(trigger.date) == 15 }}\"")
    )
    world.run()
    assert world.state().next_date == at("2024-01-15T00:00:00")


def test_condition_that_cannot_be_evaluated_makes_failed_executions() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly('when: "{{ nothing.there }}"'))
    world.advance_to("2024-01-01T02:10:00")
    assert world.dates() == ["2024-01-01T01:00:00", "2024-01-01T02:00:00"]
    assert all("nothing" in (one.error or "") for one in world.creations())


def test_inputs_that_cannot_be_rendered_make_a_failed_execution() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly("inputs: {a: '{{ trigger.none }}'}"))
    world.advance_to("2024-01-01T01:10:00")
    [creation] = world.creations()
    assert creation.error is not None
    assert "none" in creation.error


def test_value_that_its_input_refuses_makes_a_failed_execution() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly("inputs: {a: x}", head="inputs: [{id: a, type: INT}]"))
    world.advance_to("2024-01-01T01:10:00")
    assert "`a`" in (world.creations()[0].error or "")


def test_missing_input_does_not_keep_the_execution_from_running() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly(head="inputs: [{id: a, type: INT}]"))
    world.advance_to("2024-01-01T01:10:00")
    assert world.creations()[0].error is None
    assert world.creations()[0].inputs == {}


def test_inputs_may_ask_the_outside_world() -> None:
    world = SchedulerWorld()
    world.answers.answers["kv"] = "stored"
    world.flows.save(hourly("inputs: {a: \"{{ kv('x') }}\"}"))
    world.advance_to("2024-01-01T01:10:00")
    assert world.creations()[0].inputs == {"a": "stored"}


def test_schedule_on_dates_fires_once_per_date_without_variables() -> None:
    world = SchedulerWorld()
    world.flows.save(
        flow(
            "ScheduleOnDates\n    allowConcurrent: true\n    timezone: Europe/Paris\n"
            "    dates: ['2024-01-02T00:00:00Z', '2024-01-03T01:00:00', '2023-01-01T00:00:00Z']"
        )
    )
    world.advance_to("2024-02-01T00:00:00")
    assert world.dates() == ["2024-01-02T00:00:00", "2024-01-03T00:00:00"]
    assert [one.trigger.variables for one in world.creations() if one.trigger] == [{}, {}]
    assert world.state().next_date is None


def test_dates_without_meaning_make_one_failed_execution() -> None:
    world = SchedulerWorld()
    world.flows.save(flow("ScheduleOnDates\n    dates: '{{ vars.none }}'"))
    world.advance_to("2024-01-03T00:00:00")
    [creation] = world.creations()
    assert "Trigger 't' is invalid" in (creation.error or "")


def backfill(start: str, end: str, **more: object) -> CreateBackfill:
    return CreateBackfill(
        key=KEY,
        command_id="b1",
        start=at(start),
        end=at(end),
        **more,  # type: ignore[arg-type]
    )


def test_backfill_makes_one_execution_per_date_of_its_span() -> None:
    world = SchedulerWorld("2024-01-10T00:30:00")
    world.flows.save(hourly("inputs: {a: own, b: own}", head="labels: {l: flow}"))
    world.run()
    world.send(
        backfill(
            "2024-01-01T01:00:00",
            "2024-01-01T03:00:00",
            inputs={"b": "backfill"},
            labels=[Label("bf", "1")],
        )
    )
    assert world.dates() == [f"2024-01-01T0{hour}:00:00" for hour in (1, 2, 3)]
    first = world.creations()[0]
    assert first.inputs == {"a": "own", "b": "backfill"}
    assert [label.key for label in first.labels] == [
        "system.from",
        "l",
        "bf",
        "system.correlationId",
    ]
    assert world.state().backfill is None
    assert world.state().next_date == at("2024-01-10T01:00:00")


def test_backfill_goes_one_by_one_where_executions_lock() -> None:
    world = SchedulerWorld("2024-01-10T00:30:00")
    world.flows.save(locking())
    world.run()
    world.send(backfill("2024-01-01T01:00:00", "2024-01-01T02:30:00"))
    assert world.dates() == ["2024-01-01T01:00:00"]
    end_of(world, 0)
    assert world.dates() == ["2024-01-01T01:00:00", "2024-01-01T02:00:00"]
    assert world.state().next_date == at("2024-01-10T01:00:00")


def test_backfill_of_a_date_that_ran_already_is_another_execution() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly())
    world.advance_to("2024-01-01T01:30:00")
    world.send(backfill("2024-01-01T01:00:00", "2024-01-01T01:00:00"))
    assert len({one.execution_id for one in world.creations()}) == 2


def test_paused_backfill_waits() -> None:
    world = SchedulerWorld("2024-01-10T00:30:00")
    world.flows.save(hourly())
    world.run()
    world.send(backfill("2024-01-01T01:00:00", "2024-01-01T02:00:00", paused=True))
    world.restart()
    world.run()
    assert world.dates() == []
    assert world.state().next_date == at("2024-01-01T01:00:00")
    world.send(PauseBackfill(key=KEY, command_id="p", paused=False))
    assert len(world.dates()) == 2


def test_deleted_backfill_restores_the_next_date() -> None:
    world = SchedulerWorld("2024-01-10T00:30:00")
    world.flows.save(hourly())
    world.run()
    world.send(backfill("2024-01-01T01:00:00", "2024-01-01T02:00:00", paused=True))
    world.send(DeleteBackfill(key=KEY, command_id="p"))
    assert world.state().backfill is None
    assert world.state().next_date == at("2024-01-10T01:00:00")


def test_backfill_without_dates_waits_for_the_next_one_and_ends() -> None:
    world = SchedulerWorld("2024-01-10T00:30:00")
    world.flows.save(hourly())
    world.run()
    world.send(backfill("2024-01-01T01:00:00", "2023-01-01T00:00:00"))
    assert world.state().backfill is not None
    assert world.state().next_date == at("2024-01-10T01:00:00")
    world.advance_to("2024-01-10T01:10:00")
    assert world.state().backfill is None
    assert world.dates() == ["2024-01-10T01:00:00"]


def test_backfill_ignores_lateness() -> None:
    world = SchedulerWorld("2024-01-10T00:30:00")
    world.flows.save(hourly("lateMaximumDelay: PT1M"))
    world.run()
    world.send(backfill("2024-01-01T01:00:00", "2024-01-01T02:00:00"))
    assert len(world.dates()) == 2


def test_date_that_comes_early_by_the_logs_clock_is_not_lost() -> None:
    world = SchedulerWorld()
    world.flows.save(hourly())
    world.run()
    world.timers.live.clear()
    world.clock.time = at("2024-01-01T00:59:59")
    world.stepper.due(0, KEY.text, at("2024-01-01T01:00:00").isoformat())
    world.advance_to("2024-01-01T01:10:00")
    assert world.dates() == ["2024-01-01T01:00:00"]


def test_snapshot_spares_the_fold_of_the_archive(tmp_path: Path) -> None:
    world = SchedulerWorld(partitions=1)
    world.snapshots = SqliteSnapshots(tmp_path / "triggers.sqlite")
    world.options = SchedulerOptions(snapshot_every=3)
    world.restart()
    world.flows.save(hourly())
    world.advance_to("2024-01-01T04:30:00")
    folded = world.snapshots.offset(0)
    assert folded is not None
    assert folded >= 3
    before = world.state()
    world.restart()
    assert world.state() == before
    world.advance_to("2024-01-01T05:30:00")
    assert len(world.dates()) == 5


def test_record_holds_the_state_that_its_fold_gives() -> None:
    world = SchedulerWorld("2024-01-10T00:30:00", partitions=1)
    world.flows.save(locking())
    world.run()
    world.send(backfill("2024-01-01T01:00:00", "2024-01-01T02:30:00"))
    end_of(world, 0)
    state = None
    for record in world.log.all(TRIGGER_EVENTS):
        decoded = RECORDS.decode(record)
        state = fold(state, decoded)
        assert decoded.state == state


def test_stream_whose_beginning_is_gone_is_taken_up_at_what_is_kept() -> None:
    world = SchedulerWorld(partitions=1)
    world.flows.save(hourly())
    world.advance_to("2024-01-01T04:30:00")
    kept = [RECORDS.decode(record) for record in world.log.all(TRIGGER_EVENTS)][3:]
    state = None
    for record in kept:
        state = fold(state, record)
    assert state == world.state()
