from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.duration import InvalidDuration, Period, format_duration, parse_duration, parse_period
from tests.support.expressions import golden_lines

LINES = golden_lines("java-durations.jsonl")


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["text"] or "empty")
def test_a_duration_is_read_and_written_as_java_does(line: Mapping[str, Any]) -> None:
    if line.get("duration_error"):
        with pytest.raises(InvalidDuration):
            parse_duration(line["text"])
        return
    span = parse_duration(line["text"])
    assert format_duration(span) == line["duration"]
    assert span == timedelta(seconds=line["seconds"], microseconds=line["nanos"] // 1_000)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["text"] or "empty")
def test_a_period_is_read_and_written_as_java_does(line: Mapping[str, Any]) -> None:
    if "period" in line:
        assert str(parse_period(line["text"])) == line["period"]
    else:
        with pytest.raises(InvalidDuration):
            parse_period(line["text"])


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(10, 10), ("10", 10), ("0.5", 0.5), (1.5, 1.5), ("-3", -3), (" PT1M ", 60), ("PT.5S", None)],
)
def test_a_plain_number_is_a_count_of_seconds(value: str | float, seconds: float | None) -> None:
    """Kestra reads a number, or a text that is one, as seconds."""
    if seconds is None:
        with pytest.raises(InvalidDuration):
            parse_duration(value)
    else:
        assert parse_duration(value) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT-1.5S", -1.5), ("-PT1.5S", -1.5), ("PT-0.5S", -0.5), ("-PT-5M", 300), ("PT1M-30S", 30)],
)
def test_every_part_and_the_whole_may_have_a_sign(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value", ["PT", "P", "T5M", "PT5", "5M", "P1M", "PT1H2H", "PTS", "PT 5M", "1e3", "nan", True]
)
def test_what_is_no_duration_is_refused(value: Any) -> None:
    with pytest.raises(InvalidDuration):
        parse_duration(value)


def test_a_duration_beyond_what_can_be_held_is_refused() -> None:
    with pytest.raises(InvalidDuration):
        parse_duration("P99999999999D")
    with pytest.raises(InvalidDuration):
        parse_duration(10**40)


def test_weeks_of_a_period_are_days() -> None:
    assert parse_period("-P1Y-2W3D") == Period(years=-1, months=0, days=11)


@given(st.timedeltas())
def test_what_is_written_reads_back_as_the_same(span: timedelta) -> None:
    assert parse_duration(format_duration(span)) == span


@given(st.text(max_size=30))
def test_any_text_is_a_duration_or_is_refused(text: str) -> None:
    with contextlib.suppress(InvalidDuration):
        assert format_duration(parse_duration(text)).startswith("PT")
    with contextlib.suppress(InvalidDuration):
        assert str(parse_period(text)).startswith("P")
