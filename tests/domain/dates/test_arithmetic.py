from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from domain.dates.arithmetic import InvalidDate, shifted
from domain.dates.zones import named_zone

PARIS = ZoneInfo("Europe/Paris")


def test_a_month_later_is_at_most_the_last_day_of_that_month() -> None:
    assert shifted(date(2024, 1, 31), 1, "MONTHS") == date(2024, 2, 29)
    assert shifted(date(2024, 2, 29), -1, "YEARS") == date(2023, 2, 28)
    assert shifted(date(2024, 2, 29), 1, "CENTURIES") == date(2124, 2, 29)


def test_days_move_the_wall_clock_and_hours_the_instant() -> None:
    before = datetime(2024, 3, 30, 12, tzinfo=PARIS)
    assert shifted(before, 1, "DAYS").isoformat() == "2024-03-31T12:00:00+02:00"
    assert shifted(before, 24, "HOURS").isoformat() == "2024-03-31T13:00:00+02:00"


def test_a_wall_time_in_the_gap_moves_on() -> None:
    before = datetime(2024, 3, 30, 2, 30, tzinfo=PARIS)
    assert shifted(before, 1, "DAYS").isoformat() == "2024-03-31T03:30:00+02:00"


def test_nanoseconds_are_cut_to_microseconds() -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    assert shifted(moment, 1_999, "NANOS").microsecond == 1
    assert shifted(moment, 10**18, "NANOS").year == 2055


@pytest.mark.parametrize(
    ("amount", "unit"),
    [(1, "days"), (1, "FOREVER"), (10_000, "YEARS"), (10**30, "DAYS"), (1, "HOURS")],
)
def test_what_cannot_be_added_is_refused(amount: int, unit: str) -> None:
    with pytest.raises(InvalidDate):
        shifted(date(2024, 1, 1), amount, unit)


@pytest.mark.parametrize("name", ["UTC", "Z", "+05:30", "UTC+2", "GMT", "Europe/Paris", "-3"])
def test_zones_have_java_s_names(name: str) -> None:
    assert datetime(2024, 1, 1, tzinfo=named_zone(name)).utcoffset() is not None


@pytest.mark.parametrize("name", ["EST", "No/Where", "", "../etc", "+19", "+05:60", "x" * 300])
def test_unknown_zones_are_refused(name: str) -> None:
    with pytest.raises(InvalidDate):
        named_zone(name)
