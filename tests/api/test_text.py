"""Instants and durations as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from api.views.text import duration, instant


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "2026-01-02T03:04:05Z"),
        (120_000, "2026-01-02T03:04:05.120Z"),
        (120_001, "2026-01-02T03:04:05.120001Z"),
    ],
)
def test_an_instant_has_no_three_or_six_digits(micros: int, text: str) -> None:
    assert instant(datetime(2026, 1, 2, 3, 4, 5, micros, tzinfo=UTC)) == text


def test_an_instant_is_shown_in_utc() -> None:
    zone = timezone(timedelta(hours=2))
    assert instant(datetime(2026, 1, 2, 3, 4, 5, tzinfo=zone)) == "2026-01-02T01:04:05Z"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(), "PT0S"),
        (timedelta(microseconds=303_269), "PT0.303269S"),
        (timedelta(milliseconds=1500), "PT1.5S"),
        (timedelta(hours=25, minutes=1), "PT25H1M"),
        (timedelta(minutes=1, seconds=2), "PT1M2S"),
        (timedelta(seconds=-1.5), "PT-1.5S"),
        (timedelta(minutes=-1), "PT-1M"),
    ],
)
def test_a_duration_is_hours_minutes_and_seconds(value: timedelta, text: str) -> None:
    assert duration(value) == text
