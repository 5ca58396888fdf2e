from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.dates.cron import Cron, InvalidCron, parse_cron
from domain.dates.zones import InvalidZone, parse_zone
from domain.flow.triggers import Schedule
from domain.trigger.schedule import next_date, next_fire_time, previous_date, previous_fire_time

GOLDEN = Path(__file__).parents[3] / ".." / "shared" / "golden" / "cron.jsonl"
_ZONED = re.compile(r"(?P<instant>[^\[]+)\[(?P<zone>[^\]]+)\]")


def _utc(moment: datetime | None) -> datetime | None:
    """In UTC, because Python calls an ambiguous local time unequal to everything elsewhere."""
    return moment.astimezone(UTC) if moment is not None else None


def _lines() -> list[Any]:
    return [json.loads(line) for line in GOLDEN.read_text().splitlines()]


@pytest.mark.parametrize("line", _lines(), ids=lambda line: f"{line['cron']}|{line['after'][:16]}")
def test_every_observed_schedule_fires_as_observed(line: dict[str, Any]) -> None:
    found = _ZONED.fullmatch(line["after"])
    assert found is not None
    zone = found["zone"]
    after = datetime.fromisoformat(found["instant"])
    if "error" in line:
        with pytest.raises(InvalidCron) as caught:
            parse_cron(line["cron"], with_seconds=line["withSeconds"])
        assert str(caught.value) == line["error"]
        return
    schedule = Schedule(
        id="s", type="t", cron=line["cron"], with_seconds=line["withSeconds"], timezone=zone
    )
    moment: datetime | None = after
    for expected in line["next"]:
        assert moment is not None
        moment = next_fire_time(schedule, moment)
        assert _utc(moment) == datetime.fromisoformat(expected)
    if line["exhausted"]:
        assert moment is not None
        assert next_fire_time(schedule, moment) is None
    previous = previous_fire_time(schedule, after)
    if line["previous"] == "none":
        assert previous is None
    else:
        assert _utc(previous) == datetime.fromisoformat(line["previous"])


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("*/30 2 * * *", "02:30+02:00", ["02:00+01:00", "02:30+01:00"]),
        ("0 0-6 * * *", "02:00+02:00", ["02:00+01:00", "03:00+01:00"]),
        ("0 2,3 * * *", "02:00+02:00", ["02:00+01:00", "03:00+01:00"]),
        ("0 2,4 * * *", "02:00+02:00", ["04:00+01:00"]),
        ("0 */2 * * *", "02:00+02:00", ["04:00+01:00"]),
        ("0 2 * * *", "01:00+02:00", ["02:00+02:00"]),
    ],
)
def test_what_comes_every_hour_goes_on_through_a_repeated_hour(
    text: str, after: str, expected: list[str]
) -> None:
    cron, zone = parse_cron(text), ZoneInfo("Europe/Paris")
    moment: datetime | None = datetime.fromisoformat(f"2024-10-27T{after}")
    for clock in expected:
        assert moment is not None
        moment = cron.next(moment, zone)
        assert _utc(moment) == datetime.fromisoformat(f"2024-10-27T{clock}")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("0 0 15 * */1", "0 0 15 * *"),
        ("0 0 */1 * MON", "0 0 * * MON"),
        ("0 0 * * 7/2", "0 0 * * 0,2,4,6"),
        ("/5 * * * *", "*/5 * * * *"),
    ],
)
def test_two_spellings_of_one_schedule(text: str, same: str) -> None:
    assert parse_cron(text) == parse_cron(same)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1, * * * *", "Invalid field value! Trailing commas not permitted! '1,'"),
        ("1- * * * *", "Missing values for range: 1-"),
        ("-1 * * * *", "-1 does not describe a range. Negative numbers are not allowed."),
        ("1/ * * * *", "Missing steps for expression: 1/"),
        ("*/a * * * *", 'For input string: "A"'),
        ("a * * * *", "Invalid chars in expression! Expression: A Invalid chars: A"),
        ("0 0 * * 5#2", "Invalid expression: 5#2"),
        (" @daily", "Cron expression contains 1 parts but we expect one of [5]"),
    ],
)
def test_a_bad_cron_is_refused_in_the_words_that_clients_know(text: str, reason: str) -> None:
    with pytest.raises(InvalidCron) as caught:
        parse_cron(text)
    assert str(caught.value).endswith(reason)


ZONES = (
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
)
CHANGES = {
    "UTC": datetime(2024, 3, 1, tzinfo=UTC),
    "Europe/Paris": datetime(2024, 10, 27, 1, tzinfo=UTC),
    "America/New_York": datetime(2024, 3, 10, 7, tzinfo=UTC),
    "America/Santiago": datetime(2024, 9, 8, 4, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2024, 4, 6, 15, tzinfo=UTC),
    "Asia/Kathmandu": datetime(2024, 12, 31, 18, tzinfo=UTC),
}
_MINUTE = st.sampled_from(("*", "*/30", "0", "7", "15/20", "10-50/10", "0,59"))
_HOUR = st.sampled_from(("*", "*/2", "0", "1", "2", "3", "1-3", "23", "1/5"))
_DAY = st.sampled_from(("*", "*", "1", "27", "*/2", "31", "8-10"))
_WEEKDAY = st.sampled_from(("*", "*", "0", "7", "MON", "5-7", "SUN", "1-5"))


def _fits(cron: Cron, instant: datetime, zone: ZoneInfo) -> bool:
    """Tell whether the wall time fits, whichever pass it is."""
    local = instant.astimezone(zone)
    day = cron.days is None and cron.weekdays is None
    day = day or (cron.days is not None and local.day in cron.days)
    day = day or (cron.weekdays is not None and local.weekday() in cron.weekdays)
    return (
        day
        and local.month in cron.months
        and local.hour in cron.hours
        and local.minute in cron.minutes
    )


def _fires(fitting: list[datetime], zone: ZoneInfo) -> list[datetime]:
    """Drop the second passes whose first firing is two hours or more before the next one."""
    kept: list[datetime] = []
    drops = False
    for index, instant in enumerate(fitting):
        is_second = instant.astimezone(zone).fold == 1
        if is_second and not (index and fitting[index - 1].astimezone(zone).fold):
            rest = fitting[index + 1 : index + 2]
            drops = not rest or rest[0] - instant >= timedelta(hours=2)
        if not (is_second and drops):
            kept.append(instant)
    return kept


@settings(max_examples=150, deadline=None)
@given(
    minute=_MINUTE,
    hour=_HOUR,
    day=_DAY,
    weekday=_WEEKDAY,
    zone=st.sampled_from(ZONES),
    hours=st.integers(-50, 10),
    minutes=st.integers(0, 59),
)
def test_next_and_previous_are_what_looking_at_every_minute_finds(
    minute: str, hour: str, day: str, weekday: str, zone: str, hours: int, minutes: int
) -> None:
    cron = parse_cron(f"{minute} {hour} {day} * {weekday}")
    place = ZoneInfo(zone)
    start = CHANGES[zone] + timedelta(hours=hours, minutes=minutes)
    days = 3
    minute_of = timedelta(minutes=1)
    first = start - timedelta(days=days + 1)
    instants = (first + step * minute_of for step in range((2 * days + 2) * 24 * 60))
    firing = _fires([moment for moment in instants if _fits(cron, moment, place)], place)
    reach = timedelta(days=days)
    expected_next = next((x for x in firing if start < x < start + reach), None)
    expected_previous = next((x for x in reversed(firing) if start - reach < x < start), None)
    found_next = cron.next(start, place)
    found_previous = cron.previous(start, place)
    if expected_next is not None:
        assert _utc(found_next) == expected_next
    else:
        assert found_next is None or found_next >= start + reach
    if expected_previous is not None:
        assert _utc(found_previous) == expected_previous
    else:
        assert found_previous is None or found_previous <= start - reach


@settings(max_examples=100, deadline=None)
@given(
    minute=_MINUTE,
    hour=_HOUR,
    day=st.sampled_from(("*", "1", "15", "31")),
    month=st.sampled_from(("*", "2", "*/3", "JAN")),
    moment=st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001
)
def test_without_time_zones_it_agrees_with_croniter(
    minute: str, hour: str, day: str, month: str, moment: datetime
) -> None:
    expression = f"{minute} {hour} {day} {month} *"
    after = moment.replace(tzinfo=UTC, microsecond=0)
    found = parse_cron(expression).next(after, UTC)
    try:
        expected = croniter(expression, after).get_next(datetime)
    except ValueError:
        expected = None
    assert found == expected


def test_seconds_are_skipped_quickly_through_a_gap() -> None:
    zone = ZoneInfo("Europe/Paris")
    cron = parse_cron("* * * * * *", with_seconds=True)
    moment = cron.next(datetime(2024, 3, 31, 0, 59, 59, tzinfo=UTC), zone)
    assert moment == datetime(2024, 3, 31, 1, tzinfo=UTC)
    assert moment is not None
    assert moment.isoformat() == "2024-03-31T03:00:00+02:00"


def test_nicknames_work_with_seconds_too() -> None:
    cron = parse_cron("@hourly", with_seconds=True)
    after = datetime(2024, 1, 1, 0, 30, tzinfo=UTC)
    assert cron.next(after, UTC) == datetime(2024, 1, 1, 1, tzinfo=UTC)


def test_the_ends_of_time_are_no_error() -> None:
    cron = parse_cron("0 0 1 1 *")
    assert cron.next(datetime(9999, 12, 1, tzinfo=UTC), UTC) is None
    assert cron.previous(datetime(1, 1, 1, 0, 0, 1, tzinfo=UTC), UTC) == datetime(
        1, 1, 1, tzinfo=UTC
    )


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789*/-,? LW#@MONSUJAdaily", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        cron = parse_cron(text)
    except InvalidCron:
        return
    cron.next(datetime(2024, 1, 1, tzinfo=UTC), UTC)


@pytest.mark.parametrize("name", ["Europe/Paris", "UTC", "Z", "+02:00", "GMT"])
def test_known_zones_are_read(name: str) -> None:
    assert parse_zone(name).utcoffset(datetime(2024, 1, 1)) is not None  # noqa: DTZ001


@pytest.mark.parametrize("name", ["Mars/Base", "", "../etc/passwd", "+99", "a" * 500])
def test_unknown_zones_are_refused(name: str) -> None:
    with pytest.raises(InvalidZone):
        parse_zone(name)


def test_dates_are_picked_in_order_of_time() -> None:
    dates = [datetime(2024, month, 1, tzinfo=UTC) for month in (3, 1, 2)]
    assert next_date(dates, dates[1]) == dates[2]
    assert previous_date(dates, dates[0]) == dates[2]
    assert next_date(dates, dates[0]) is None
    assert previous_date(dates, dates[1]) is None
