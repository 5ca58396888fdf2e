"""What is said about broken JSON and impossible dates."""

from __future__ import annotations

import json

import pytest

from domain.flow.java_dates import date_fault, time_fault
from domain.json_words import json_fault
from domain.map_order import in_map_order

VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"


@pytest.mark.parametrize(
    ("text", "reason", "column"),
    [
        ('{"a": [1', "Unexpected end-of-input: expected close marker for Array", 9),
        ("[1,", "Unexpected end-of-input within/between Array entries", 4),
        ("[1 2]", "Unexpected character ('2' (code 50)): was expecting comma to separate", 4),
        ("{a", "Unexpected character ('a' (code 97)): was expecting double-quote to start", 2),
        ("[tru]", f"Unrecognized token 'tru': was expecting {VALUES}", 5),
        ('"x', "Unexpected end-of-input: was expecting closing quote for a string value", 3),
    ],
)
def test_broken_json_is_named_with_its_place(text: str, reason: str, column: int) -> None:
    """Source: recorded answers of 1.3.25, and its parser's documented messages."""
    fault = json_fault(text)
    assert fault is not None
    assert str(fault).startswith(reason)
    assert str(fault).endswith(f"line: 1, column: {column}]")


@pytest.mark.parametrize("value", [None, 1.5, "a\n", [], [1, {"b": [True]}], {"x": {}, "y": None}])
def test_sound_json_has_no_fault(value: object) -> None:
    assert json_fault(json.dumps(value, indent=1)) is None


def test_a_deep_text_is_read_without_recursion() -> None:
    assert json_fault("[" * 100_000 + "]" * 100_000) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-13-01", ": Invalid value for MonthOfYear (valid values 1 - 12): 13"),
        ("2026-02-29", ": Invalid date 'February 29' as '2026' is not a leap year"),
        ("2026-04-31", ": Invalid date 'APRIL 31'"),
        ("2026-1-1", " at index 5"),
        ("2026-01-01T00:00", ", unparsed text found at index 10"),
        ("yesterday", " at index 0"),
    ],
)
def test_an_impossible_date_is_told_as_clients_know_it(text: str, reason: str) -> None:
    assert date_fault(text) == f"Text '{text}' could not be parsed{reason}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("25:00", ": Invalid value for HourOfDay (valid values 0 - 23): 25"),
        ("1:00", " at index 0"),
        ("12:30x", ", unparsed text found at index 5"),
    ],
)
def test_an_impossible_time_is_told_as_clients_know_it(text: str, reason: str) -> None:
    assert time_fault(text) == f"Text '{text}' could not be parsed{reason}"


def test_labels_that_were_set_come_in_the_order_of_their_hash_codes() -> None:
    """Source: recorded answers of 1.3.25."""
    keys = ["reviewed", "team", "system.from", "system.correlationId", "system.replayed"]
    assert in_map_order(keys) == [
        "system.replayed",
        "system.correlationId",
        "reviewed",
        "team",
        "system.from",
    ]
