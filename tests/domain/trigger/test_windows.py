"""Windows of flow triggers: which instant belongs to which span."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.flow.triggers import DependencyWindow, TimeWindow
from domain.trigger.definition import InvalidTrigger
from domain.trigger.state import Window
from domain.trigger.windows import (
    UNBOUNDED,
    Bounds,
    span_of_dependency_window,
    span_of_time_window,
)
from tests.support.triggers import at

UTC = ZoneInfo("UTC")
PARIS = ZoneInfo("Europe/Paris")
NOW = at("2024-03-05T14:47:31")


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        (None, "2024-03-05T00:00:00", "2024-03-06T00:00:00"),
        (TimeWindow(window=hours(2)), "2024-03-05T14:00:00", "2024-03-05T16:00:00"),
        (TimeWindow(window=hours(0.25)), "2024-03-05T14:45:00", "2024-03-05T15:00:00"),
        (
            TimeWindow(window=hours(24), window_advance=hours(6)),
            "2024-03-05T06:00:00",
            "2024-03-06T06:00:00",
        ),
        (
            TimeWindow(window=hours(24), window_advance=hours(18)),
            "2024-03-04T18:00:00",
            "2024-03-05T18:00:00",
        ),
    ],
    ids=["a day by default", "hours", "minutes", "advanced", "advanced beyond now"],
)
def test_duration_window_begins_on_the_full_day_hour_or_minutes(
    window: TimeWindow | None, start: str, end: str
) -> None:
    found = span_of_time_window(window, UTC).bounds(NOW, None)
    assert found == Bounds(at(start), at(end))


def test_duration_window_runs_on_until_its_end() -> None:
    span = span_of_time_window(TimeWindow(window=hours(2)), UTC)
    current = Window(start=at("2024-03-05T13:00:00"), end=at("2024-03-05T15:00:00"))
    assert span.bounds(NOW, current) == Bounds(current.start, current.end)
    later = at("2024-03-05T15:00:00")
    assert span.bounds(later, current) == Bounds(later, later + hours(2))


def test_day_begins_at_midnight_of_the_zone() -> None:
    found = span_of_time_window(None, PARIS).bounds(at("2024-03-05T23:30:00"), None)
    assert found == Bounds(at("2024-03-05T23:00:00"), at("2024-03-06T23:00:00"))


def test_daily_deadline_leaves_the_rest_of_the_day_out() -> None:
    span = span_of_time_window(TimeWindow(type="DAILY_TIME_DEADLINE", deadline="15:00:00"), UTC)
    day = Bounds(at("2024-03-05T00:00:00"), at("2024-03-05T15:00:00"))
    assert span.bounds(NOW, None) == day
    assert span.bounds(at("2024-03-05T15:00:00"), None) is None


def test_daily_window_may_reach_over_midnight() -> None:
    window = TimeWindow(type="DAILY_TIME_WINDOW", start_time="22:00:00", end_time="06:00:00")
    span = span_of_time_window(window, UTC)
    night = Bounds(at("2024-03-05T22:00:00"), at("2024-03-06T06:00:00"))
    assert span.bounds(at("2024-03-05T23:00:00"), None) == night
    assert span.bounds(at("2024-03-06T05:59:59"), None) == night
    assert span.bounds(NOW, None) is None


def test_sliding_window_and_lookback_have_no_bounds() -> None:
    sliding = span_of_time_window(TimeWindow(type="SLIDING_WINDOW", window=hours(1)), UTC)
    back = span_of_dependency_window(DependencyWindow(lookback=hours(1)), UTC)
    for span in (sliding, back):
        assert span.bounds(NOW, None) == UNBOUNDED
        assert span.lookback == hours(1)


@pytest.mark.parametrize(
    ("window", "start", "length"),
    [
        (DependencyWindow(every=hours(6)), "2024-03-05T12:00:00", 6),
        (DependencyWindow(every=hours(6), offset=hours(1)), "2024-03-05T13:00:00", 6),
        (DependencyWindow(every=hours(6), offset=hours(4)), "2024-03-05T10:00:00", 6),
        (DependencyWindow(every=hours(24 * 7)), "2024-03-04T00:00:00", 24 * 7),
        (DependencyWindow(every=hours(12), timezone="Europe/Paris"), "2024-03-05T11:00:00", 12),
    ],
    ids=["from midnight", "with offset", "offset beyond now", "weeks from Monday", "in a zone"],
)
def test_windows_of_two_zero_are_counted_from_midnight(
    window: DependencyWindow, start: str, length: float
) -> None:
    found = span_of_dependency_window(window, UTC).bounds(NOW, None)
    assert found == Bounds(at(start), at(start) + hours(length))


def test_deadline_closes_once_a_day() -> None:
    span = span_of_dependency_window(
        DependencyWindow(deadline="09:00", timezone="Europe/Paris"), UTC
    )
    assert span.next_close(NOW) == at("2024-03-06T08:00:00")
    assert span.next_close(at("2024-03-06T08:00:00")) == at("2024-03-07T08:00:00")
    assert span.last_close(NOW) == at("2024-03-05T08:00:00")


@pytest.mark.parametrize(
    "window",
    [
        TimeWindow(type="DAILY_TIME_DEADLINE"),
        TimeWindow(type="DAILY_TIME_DEADLINE", deadline="noon"),
        TimeWindow(window=hours(0)),
    ],
    ids=["no deadline", "no time", "no length"],
)
def test_window_without_meaning_says_so(window: TimeWindow) -> None:
    with pytest.raises(InvalidTrigger):
        span_of_time_window(window, UTC)
