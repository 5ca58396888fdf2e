from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.expression.errors import Fault
from domain.expression.ion import read_ion, write_ion
from domain.expression.values import Float32


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        ("$ion_1_0 1 -2 0x1F 0b101 1_000", [1, -2, 31, 5, 1000]),
        ("1.5 1d2 -1.10 1. 0.", [Decimal("1.5"), Decimal(100), Decimal("-1.10"), 1, 0]),
        ("1e0 1.5e-3 +inf -inf", [1.0, 0.0015, math.inf, -math.inf]),
        ("true false null null.string null.struct", [True, False, None, None, None]),
        (
            "'a b' sym \"str\\n\\u00e9\" '''long ''' '''string'''",
            ["a b", "sym", "str\né", "long string"],
        ),
        (
            "[1, [2], ] (a b) {a: 1, 'b c': {}, \"d\": x,}",
            [[1, [2]], ["a", "b"], {"a": 1, "b c": {}, "d": "x"}],
        ),
        ("type::ann::5 'x y'::[a::1]", [5, [1]]),
        ('{{aGVsbG8=}} {{"clob"}}', [b"hello", "clob"]),
        ("// line\n1 /* block\n */ 2", [1, 2]),
        (
            "2024T 2024-02T 2024-02-29 2024-02-29T",
            [date(2024, 1, 1), date(2024, 2, 1), date(2024, 2, 29), date(2024, 2, 29)],
        ),
        ("2024-02-29T13:05Z", [datetime(2024, 2, 29, 13, 5, tzinfo=UTC)]),
        (
            "2024-02-29T13:05:09.123+02:00",
            [datetime(2024, 2, 29, 13, 5, 9, 123000, tzinfo=timezone(timedelta(hours=2)))],
        ),
        ("nullable trueish nan1", ["nullable", "trueish", "nan1"]),
    ],
)
def test_ion_text_is_read(text: str, values: list[Any]) -> None:
    assert read_ion(text) == values


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1",
        "(a",
        "{a 1}",
        "{a:}",
        '"a',
        "'a",
        "'''a",
        "{{a",
        "{{**}}",
        "1a",
        "2024-13-01",
        "\\",
        "]",
        "{a:1 b:2}",
        "[1 2]",
        '"\\q"',
        "0x",
        '{{"a"',
        "a::",
        "/* open",
    ],
)
def test_what_is_no_ion_is_refused(text: str) -> None:
    with pytest.raises(Fault, match="Invalid Ion at character"):
        read_ion(text)


PLAIN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(allow_nan=False),
        st.text(max_size=10),
        st.binary(max_size=10),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_what_is_written_reads_back_as_the_same(value: Any) -> None:
    assert read_ion(write_ion(value, 1_000_000)) == [value]


def test_a_number_of_single_precision_is_written_with_all_its_digits() -> None:
    assert write_ion(Float32(1.123), 100) == "1.1230000257492065e0"
