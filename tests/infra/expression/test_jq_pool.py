from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from domain.expression.errors import Fault, LimitFault
from domain.expression.values import Float32
from infra.expression import JqPool


@pytest.fixture(scope="module")
def jq() -> Iterator[JqPool]:
    pool = JqPool(size=2)
    yield pool
    pool.close()


def test_a_program_gives_the_list_of_its_results(jq: JqPool) -> None:
    assert jq.run(".a[] | . * 2", {"a": [1, 2, Decimal("1.5")]}) == [2, 4, 3]
    assert jq.run("4 / 2, 10 / 4", None) == [2, 2.5]


def test_a_text_is_read_as_json_first(jq: JqPool) -> None:
    assert jq.run(".a", '{"a": null}') == [None]
    assert jq.run(".", " ") == [None]
    with pytest.raises(Fault, match="Unable to parse jq value as JSON") as caught:
        jq.run(".", "a secret")
    assert "a secret" not in str(caught.value)


def test_members_that_are_null_are_left_out_as_when_printed(jq: JqPool) -> None:
    assert jq.run("length", {"a": 1, "b": None}) == [1]
    assert jq.run("length", [None]) == [1]


def test_a_number_of_single_precision_keeps_its_digits(jq: JqPool) -> None:
    assert jq.run(".", Float32(1.123)) == [1.123]


def test_the_environment_is_empty(jq: JqPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_X", "hidden")
    for program in ("env", "$ENV", "env.SECRET_X", "$ENV.SECRET_X # comment"):
        assert jq.run(program, {}) in ([{}], [None])


def test_files_cannot_be_reached(jq: JqPool) -> None:
    for program in ('import "/etc/passwd" as $p; $p', 'include "/etc/passwd"; .', ") | ("):
        with pytest.raises(Fault):
            jq.run(program, {})


def test_an_endless_program_is_ended_and_the_pool_goes_on(jq: JqPool) -> None:
    with pytest.raises(LimitFault, match="takes too long"):
        jq.run("def f: f; f", None, seconds=0.3)
    assert jq.run(".", 1) == [1]


def test_a_program_that_eats_memory_is_ended(jq: JqPool) -> None:
    with pytest.raises(Fault):
        jq.run("[range(1000000000)]", None, seconds=20)
    assert jq.run(".", 1) == [1]


def test_a_wrong_program_says_what_is_wrong(jq: JqPool) -> None:
    with pytest.raises(Fault, match="nope/0 is not defined"):
        jq.run("nope", 1)
    with pytest.raises(Fault, match="Cannot index"):
        jq.run(".a", [1])


def test_more_callers_than_children_wait_for_their_turn(jq: JqPool) -> None:
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda number: jq.run(". + 1", number), range(40)))
    assert results == [[number + 1] for number in range(40)]


def test_large_inputs_and_results_pass(jq: JqPool) -> None:
    numbers = list(range(200_000))
    assert jq.run(".[]", numbers, seconds=60) == numbers
