"""How dates are searched for, with conditions and bounds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from domain.execution.commands import CreateExecution
from domain.trigger.definition import Definition, Firing, InvalidTrigger, firing_id
from domain.trigger.state import Backfill, TriggerKey
from tests.support.triggers import at

START = at("2024-01-01T00:00:00")
_DAY = timedelta(days=1)


def daily(holds: Callable[[datetime], bool] | None) -> Definition:
    def never(firing: Firing) -> CreateExecution:
        raise AssertionError(firing)

    return Definition(
        kind="x",
        fingerprint="x",
        next_after=lambda instant: START + ((instant - START) // _DAY + 1) * _DAY,
        last_before=lambda instant: START + (-((START - instant) // _DAY) - 1) * _DAY,
        create=never,
        holds=holds,
    )


def test_next_is_the_first_selected_date() -> None:
    found = daily(lambda date: date.day == 15).next(START)
    assert found == at("2024-01-15T00:00:00")


def test_previous_is_the_last_selected_date() -> None:
    found = daily(lambda date: date.day == 15).previous(START)
    assert found == at("2023-12-15T00:00:00")


def test_first_from_includes_the_instant_itself() -> None:
    assert daily(None).first_from(START) == START
    assert daily(None).next(START) == START + _DAY


def test_nothing_is_searched_beyond_ten_years() -> None:
    definition = daily(lambda date: date.year == 2040)
    assert definition.next(START) is None
    assert definition.previous(START) is None


@pytest.mark.parametrize(
    "instant",
    [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)],
)
def test_search_from_an_end_of_the_calendar_finds_an_end(instant: datetime) -> None:
    """A backfill may begin there: no step may stumble over it."""
    definition = daily(lambda date: date.day == 1)
    is_late = instant.year == 9999
    assert (definition.next(instant) is None) is is_late
    assert (definition.first_from(instant) is None) is is_late
    assert (definition.previous(instant) is None) is not is_late


def test_condition_without_meaning_selects_every_date() -> None:
    def broken(date: datetime) -> bool:
        raise InvalidTrigger(str(date))

    assert daily(broken).next(START) == START + _DAY


def test_long_search_stops_at_a_date_to_go_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.trigger.definition.MOST_CANDIDATES", 10)
    definition = daily(lambda date: date.month == 3)
    assert definition.next(START) == START + 11 * _DAY
    assert definition.previous(START) is None


def test_executions_of_a_backfill_have_ids_of_their_own() -> None:
    key = TriggerKey("main", "n", "f", "t")
    backfill = Backfill(id="b", start=START, end=START)
    assert firing_id(key, START, None) == firing_id(key, START, None)
    assert firing_id(key, START, backfill) != firing_id(key, START, None)
