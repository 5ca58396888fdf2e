"""Groupings: the same rows on every engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.execution.lifecycle import StateType
from projections.executions.document import EXECUTIONS
from projections.metrics.document import METRICS
from projections.store import (
    EVERYTHING,
    Grouping,
    Interval,
    Is,
    Key,
    Measure,
    MeasureKind,
)
from tests.contract.read_store.conftest import (
    START,
    Opened,
    ended,
    execution,
    labelled,
    measurement,
    put,
)

COUNT = Measure("count", MeasureKind.COUNT)


def rows(store: Opened, *keys: Key, measures: tuple[Measure, ...] = (COUNT,)) -> list[Any]:
    found = store.aggregate(EXECUTIONS, EVERYTHING, Grouping(keys, measures))
    return sorted(tuple(row.values()) for row in found)


def fill(store: Opened) -> None:
    put(
        store,
        execution(1, state=ended(1, StateType.SUCCESS, 2), labels=labelled(team="a", env="x")),
        execution(2, state=ended(2, StateType.SUCCESS, 4), flow_id="other"),
        execution(3, state=ended(3, StateType.FAILED, 9), labels=labelled(team="b")),
        execution(70, labels=labelled(team="a")),
    )


def test_terms_count_documents(store: Opened) -> None:
    fill(store)
    assert rows(store, Key("state", "state")) == [("FAILED", 1), ("RUNNING", 1), ("SUCCESS", 2)]


def test_no_key_gives_one_row(store: Opened) -> None:
    assert rows(store) == [(0,)]
    fill(store)
    assert rows(store) == [(4,)]


def test_keys_nest(store: Opened) -> None:
    fill(store)
    assert rows(store, Key("flow", "flow_id"), Key("state", "state")) == [
        ("hello", "FAILED", 1),
        ("hello", "RUNNING", 1),
        ("hello", "SUCCESS", 1),
        ("other", "SUCCESS", 1),
    ]


def test_measures_are_computed_over_present_values(store: Opened) -> None:
    fill(store)
    measures = (
        COUNT,
        Measure("ended", MeasureKind.COUNT, "duration"),
        Measure("sum", MeasureKind.SUM, "duration"),
        Measure("avg", MeasureKind.AVG, "duration"),
        Measure("min", MeasureKind.MIN, "duration"),
        Measure("max", MeasureKind.MAX, "duration"),
    )
    assert rows(store, Key("flow", "flow_id"), measures=measures) == [
        ("hello", 3, 2, 11_000, 5_500, 2_000, 9_000),
        ("other", 1, 1, 4_000, 4_000, 4_000, 4_000),
    ]
    [row] = store.aggregate(
        EXECUTIONS, Is("state", ("RUNNING",)), Grouping((Key("flow", "flow_id"),), measures)
    )
    assert list(row.values()) == ["hello", 1, 0, 0, None, None, None]


def test_labels_group_by_the_values_of_one_key(store: Opened) -> None:
    fill(store)
    team = Key("team", "label_pairs", prefix="team\x1f")
    assert rows(store, team) == [("a", 2), ("b", 1)]
    assert rows(store, team, Key("state", "state")) == [
        ("a", "RUNNING", 1),
        ("a", "SUCCESS", 1),
        ("b", "FAILED", 1),
    ]


def test_documents_without_a_value_are_left_out(store: Opened) -> None:
    fill(store)
    assert rows(store, Key("kind", "kind")) == []
    put(store, execution(9, kind="TEST"))
    assert rows(store, Key("kind", "kind")) == [("TEST", 1)]


def test_dates_group_by_the_beginning_of_their_interval(store: Opened) -> None:
    fill(store)
    assert rows(store, Key("hour", "start_date", Interval.HOUR)) == [
        (datetime(2026, 3, 4, 5, tzinfo=UTC), 3),
        (datetime(2026, 3, 4, 6, tzinfo=UTC), 1),
    ]


def test_every_interval_follows_the_utc_calendar(store: Opened) -> None:
    dates = [
        datetime(2026, 2, 28, 23, 59, 59, 999_999, UTC),
        datetime(2026, 3, 1, tzinfo=UTC),
        datetime(2026, 3, 1, 0, 0, 30, tzinfo=UTC),
        datetime(2026, 3, 2, 12, tzinfo=UTC),
        datetime(2027, 1, 1, 1, 1, tzinfo=UTC),
    ]
    store.bulk([measurement(number, 1.5, date) for number, date in enumerate(dates, 1)])
    store.refresh()

    def of(interval: Interval) -> list[Any]:
        found = store.aggregate(
            METRICS,
            EVERYTHING,
            Grouping((Key("at", "timestamp", interval),), (COUNT,)),
        )
        return sorted((row["at"].strftime("%Y-%m-%d %H:%M"), row["count"]) for row in found)

    assert of(Interval.MINUTE) == [
        ("2026-02-28 23:59", 1),
        ("2026-03-01 00:00", 2),
        ("2026-03-02 12:00", 1),
        ("2027-01-01 01:01", 1),
    ]
    assert of(Interval.HOUR) == [
        ("2026-02-28 23:00", 1),
        ("2026-03-01 00:00", 2),
        ("2026-03-02 12:00", 1),
        ("2027-01-01 01:00", 1),
    ]
    assert of(Interval.DAY) == [
        ("2026-02-28 00:00", 1),
        ("2026-03-01 00:00", 2),
        ("2026-03-02 00:00", 1),
        ("2027-01-01 00:00", 1),
    ]
    assert of(Interval.WEEK) == [
        ("2026-02-23 00:00", 3),
        ("2026-03-02 00:00", 1),
        ("2026-12-28 00:00", 1),
    ]
    assert of(Interval.MONTH) == [
        ("2026-02-01 00:00", 1),
        ("2026-03-01 00:00", 3),
        ("2027-01-01 00:00", 1),
    ]


def test_the_limit_keeps_the_groups_of_the_most_documents(store: Opened) -> None:
    fill(store)
    found = store.aggregate(
        EXECUTIONS, EVERYTHING, Grouping((Key("state", "state"),), (COUNT,), limit=1)
    )
    assert found == [{"state": "SUCCESS", "count": 2}]


def test_least_and_latest_dates_are_instants(store: Opened) -> None:
    fill(store)
    [row] = store.aggregate(
        EXECUTIONS,
        Is("flow_id", ("other",)),
        Grouping((), (Measure("last", MeasureKind.MAX, "start_date"),)),
    )
    exact = START + timedelta(minutes=2)
    assert abs(row["last"] - exact) < timedelta(milliseconds=1)
