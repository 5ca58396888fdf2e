"""The contract of the read store: the same questions and answers on every engine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from domain.execution.lifecycle import StateType
from domain.execution.state import ExecutionTrigger
from projections.executions.document import EXECUTIONS, ExecutionDocument
from projections.executions.project import write_of
from projections.logs.document import LOGS
from projections.store import (
    EVERYTHING,
    Between,
    Condition,
    Contains,
    Delete,
    DeleteWhere,
    EndsWith,
    Every,
    Exists,
    Is,
    Matches,
    Not,
    Order,
    ReadStore,
    Some,
    StartsWith,
    StoreUnavailable,
    Upsert,
    Words,
)
from tests.contract.read_store.conftest import (
    START,
    Opened,
    ended,
    execution,
    labelled,
    line,
    put,
)

BY_ID = (Order("id"),)


def ids(store: ReadStore, condition: Condition) -> list[str]:
    hits = store.search(EXECUTIONS, condition, BY_ID, size=100)
    assert hits.total == len(hits.documents) == store.count(EXECUTIONS, condition)
    found = [document.id for document in hits.documents]
    assert [document.id for document in store.scan(EXECUTIONS, condition, BY_ID)] == found
    return found


@pytest.fixture
def filled(store: Opened) -> Opened:
    """Five executions that differ in everything."""
    trigger = ExecutionTrigger("after", "io.kestra.plugin.core.trigger.Flow", {"executionId": "e1"})
    put(
        store,
        execution(
            1, state=ended(1, StateType.SUCCESS, 1.5), labels=labelled(team="gold", env="prod")
        ),
        execution(2, namespace="company.team.sub", flow_id="nightly-load", trigger=trigger),
        execution(3, namespace="company.teams", labels=labelled(team="golden*")),
        execution(4, tenant="other", labels=labelled(team="gold")),
        execution(5, namespace="company", state=ended(5, StateType.FAILED, 61), kind="TEST"),
    )
    return store


def test_an_empty_store_finds_nothing(store: Opened) -> None:
    assert store.search(EXECUTIONS, EVERYTHING).documents == []
    assert store.search(EXECUTIONS, EVERYTHING).total == 0
    assert store.count(EXECUTIONS, EVERYTHING) == 0
    assert store.get(EXECUTIONS, "e1") is None
    assert list(store.scan(EXECUTIONS, EVERYTHING)) == []


def test_a_document_comes_back_as_it_was_written(store: Opened) -> None:
    made = execution(1, labels=labelled(a="b"), inputs={"x": [1, {"y": None}], "text": "ä\u0000€"})
    write = write_of(made, 2)
    assert isinstance(write, Upsert)
    store.bulk([write])
    expected = msgspec.convert(msgspec.to_builtins(write.document), ExecutionDocument)
    assert store.get(EXECUTIONS, "e1") == expected
    store.refresh()
    [found] = store.search(EXECUTIONS, EVERYTHING).documents
    assert found.body.inputs == made.inputs
    assert found.start_date == START + timedelta(minutes=1)


def test_a_document_can_be_got_before_a_refresh(store: Opened) -> None:
    store.bulk([write_of(execution(1), 0)])
    assert store.get(EXECUTIONS, "e1") is not None


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Is("state", ("SUCCESS",)), ["e1"]),
        (Is("state", ("SUCCESS", "FAILED", "NONE")), ["e1", "e5"]),
        (Is("state", ()), []),
        (Is("flow_revision", (1,)), ["e1", "e2", "e3", "e4", "e5"]),
        (Is("kind", ("NONE",)), []),
        (Not(Is("kind", ("TEST",))), ["e1", "e2", "e3", "e4"]),
        (Exists("kind"), ["e5"]),
        (Not(Exists("kind")), ["e1", "e2", "e3", "e4"]),
        (Exists("label_pairs"), ["e1", "e3", "e4"]),
        (Not(Exists("label_pairs")), ["e2", "e5"]),
        (Is("label_pairs", ("team\x1fgold",)), ["e1", "e4"]),
        (Is("label_pairs", ("team\x1fgold", "team\x1fgolden*")), ["e1", "e3", "e4"]),
        (Not(Is("label_pairs", ("team\x1fgold",))), ["e2", "e3", "e5"]),
        (Contains("label_pairs", "old", after="team\x1f"), ["e1", "e3", "e4"]),
        (Contains("label_pairs", "en*", after="team\x1f"), ["e3"]),
        (Contains("label_pairs", "rod"), ["e1"]),
        (StartsWith("namespace", "company.team."), ["e2"]),
        (StartsWith("namespace", ""), ["e1", "e2", "e3", "e4", "e5"]),
        (StartsWith("namespace", "Company"), []),
        (EndsWith("namespace", "teams"), ["e3"]),
        (EndsWith("namespace", "ny"), ["e5"]),
        (Contains("namespace", "team"), ["e1", "e2", "e3", "e4"]),
        (Contains("namespace", "TEAM"), []),
        (Contains("namespace", "c?mp"), []),
        (Matches("namespace", r"^company\.team(s|\.sub)$"), ["e2", "e3"]),
        (Matches("namespace", "team"), ["e1", "e2", "e3", "e4"]),
        (Matches("namespace", "^company$"), ["e5"]),
        (Matches("flow_id", r"[a-z]+-\w{4}"), ["e2"]),
        (Matches("kind", "."), ["e5"]),
        (Not(Matches("kind", ".")), ["e1", "e2", "e3", "e4"]),
        (Words(("hel",)), ["e1", "e3", "e4", "e5"]),
        (Words(("nightly", "lo")), ["e2"]),
        (Words(("ightly",)), []),
        (Words(("gold",)), ["e1", "e3", "e4"]),
        (Words(()), ["e1", "e2", "e3", "e4", "e5"]),
        (Not(Words(("hel",))), ["e2"]),
        (Between("start_date", at_least=START + timedelta(minutes=4)), ["e4", "e5"]),
        (Between("start_date", above=START + timedelta(minutes=4)), ["e5"]),
        (Between("start_date", at_most=START + timedelta(minutes=2)), ["e1", "e2"]),
        (Between("start_date", below=START + timedelta(minutes=2)), ["e1"]),
        (
            Between(
                "start_date",
                at_least=START + timedelta(minutes=2),
                at_most=START + timedelta(minutes=2),
            ),
            ["e2"],
        ),
        (Between("start_date", below=START.replace(year=1)), []),
        (Between("start_date", below=START.replace(year=9000)), ["e1", "e2", "e3", "e4", "e5"]),
        (Between("end_date"), ["e1", "e5"]),
        (Between("end_date", below=START + timedelta(minutes=5)), ["e1"]),
        (Between("duration", above=1_499, at_most=1_500), ["e1"]),
        (Is("trigger_execution_id", ("e1",)), ["e2"]),
        (Every(()), ["e1", "e2", "e3", "e4", "e5"]),
        (Some(()), []),
        (Not(Every(())), []),
        (Some((Is("id", ("e1",)), Words(("nightly",)))), ["e1", "e2"]),
        (Every((Is("tenant", ("main",)), Is("flow_id", ("hello",)))), ["e1", "e3", "e5"]),
        (Not(Some((Exists("kind"), Is("tenant", ("other",))))), ["e1", "e2", "e3"]),
        (Not(Not(Exists("end_date"))), ["e1", "e5"]),
    ],
    ids=str,
)
def test_a_condition_finds_what_it_says(
    filled: Opened, condition: Condition, expected: list[str]
) -> None:
    assert ids(filled, condition) == expected


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ((Order("start_date"),), "e1 e2 e3 e4 e5"),
        ((Order("start_date", descending=True),), "e5 e4 e3 e2 e1"),
        ((Order("flow_id", descending=True), Order("id")), "e2 e1 e3 e4 e5"),
        ((Order("duration"), Order("id")), "e1 e5 e2 e3 e4"),
        ((Order("duration", descending=True), Order("id")), "e5 e1 e2 e3 e4"),
        ((Order("namespace"), Order("id", descending=True)), "e5 e4 e1 e2 e3"),
    ],
    ids=str,
)
def test_orders_put_missing_values_last(
    filled: Opened, orders: tuple[Order, ...], expected: str
) -> None:
    hits = filled.search(EXECUTIONS, EVERYTHING, orders)
    assert " ".join(document.id for document in hits.documents) == expected
    scanned = filled.scan(EXECUTIONS, EVERYTHING, orders)
    assert " ".join(document.id for document in scanned) == expected


@pytest.mark.parametrize(
    ("start", "size", "expected"),
    [
        (0, 2, "e1 e2"),
        (2, 2, "e3 e4"),
        (4, 2, "e5"),
        (5, 2, ""),
        (0, 5, "e1 e2 e3 e4 e5"),
        (90, 1, ""),
    ],
)
def test_a_page_is_a_part_and_the_total_counts_all(
    filled: Opened, start: int, size: int, expected: str
) -> None:
    hits = filled.search(EXECUTIONS, EVERYTHING, BY_ID, start=start, size=size)
    assert " ".join(document.id for document in hits.documents) == expected
    assert hits.total == 5


def test_distinct_takes_the_first_document_of_each_value(filled: Opened) -> None:
    hits = filled.search(
        EXECUTIONS,
        EVERYTHING,
        (Order("start_date", descending=True), Order("id")),
        distinct="flow_id",
    )
    assert [document.id for document in hits.documents] == ["e5", "e2"]
    assert hits.total == 2


def test_a_later_version_replaces_the_document_and_what_it_is_found_by(store: Opened) -> None:
    put(store, execution(1, labels=labelled(old="yes"), flow_id="before"))
    put(store, execution(1, labels=labelled(new="yes"), flow_id="after", sequence=4))
    assert ids(store, Is("flow_id", ("before",))) == []
    assert ids(store, Is("label_pairs", ("old\x1fyes",))) == []
    assert ids(store, Words(("before",))) == []
    assert ids(store, Words(("old",))) == []
    assert ids(store, Is("flow_id", ("after",))) == ["e1"]
    assert ids(store, Is("label_pairs", ("new\x1fyes",))) == ["e1"]
    assert ids(store, Words(("after", "new"))) == ["e1"]


@pytest.mark.parametrize("sequence", [1, 3], ids=["lower", "same"])
def test_a_stale_version_is_dropped_and_is_no_failure(store: Opened, sequence: int) -> None:
    put(store, execution(1, flow_id="right"))
    put(store, execution(1, flow_id="late", sequence=sequence))
    found = store.get(EXECUTIONS, "e1")
    assert found is not None
    assert found.flow_id == "right"
    assert ids(store, Words(("late",))) == []


def test_writes_of_one_bulk_are_carried_out_in_order(store: Opened) -> None:
    store.bulk(
        [
            write_of(execution(1, sequence=1), 0),
            write_of(execution(1, sequence=2, flow_id="second"), 0),
            Delete(EXECUTIONS, "e1", 3),
            write_of(execution(1, sequence=4, flow_id="fourth"), 0),
        ]
    )
    found = store.get(EXECUTIONS, "e1")
    assert found is not None
    assert found.flow_id == "fourth"


def test_a_delete_forgets_the_document_and_its_words(store: Opened) -> None:
    put(store, execution(1, labels=labelled(a="b")), execution(2))
    assert store.bulk([Delete(EXECUTIONS, "e1", 3), Delete(EXECUTIONS, "none", 1)]) == []
    store.refresh()
    assert store.get(EXECUTIONS, "e1") is None
    assert ids(store, EVERYTHING) == ["e2"]
    assert ids(store, Words(("hello",))) == ["e2"]
    assert ids(store, Exists("label_pairs")) == []


def test_a_stale_delete_is_dropped(store: Opened) -> None:
    put(store, execution(1))
    assert store.bulk([Delete(EXECUTIONS, "e1", 2)]) == []
    assert store.get(EXECUTIONS, "e1") is not None


def test_delete_where_takes_every_match_also_of_the_same_bulk(store: Opened) -> None:
    store.bulk([line(1, "one"), line(2, "two", execution_id="e2")])
    store.bulk([line(3, "three"), DeleteWhere(LOGS, Is("execution_id", ("e1",))), line(4, "four")])
    store.refresh()
    found = store.search(LOGS, EVERYTHING, (Order("offset"),))
    assert [document.id for document in found.documents] == ["l2", "l4"]
    assert store.count(LOGS, Words(("one",), "message")) == 0


def test_words_are_found_whatever_stands_between_them(store: Opened) -> None:
    store.bulk(
        [
            line(1, "Second line, done in 12ms: [worker_7] naïve/ÄPFEL"),
            line(2, 'first\nline\t"quoted" AND OR NOT (a*b)'),
            line(3, "x" * 40_000),
            line(4, ""),
        ]
    )
    store.refresh()

    def found(*words: str) -> list[str]:
        hits = store.search(LOGS, Words(words, "message"), (Order("offset"),))
        return [document.id for document in hits.documents]

    assert found("second", "line") == ["l1"]
    assert found("lin") == ["l1", "l2"]
    assert found("worker", "7") == ["l1"]
    assert found("äpf") == ["l1"]
    assert found("naïve") == ["l1"]
    assert found("and", "or", "not") == ["l2"]
    assert found("b") == ["l2"]
    assert found("xxxx") == ["l3"]
    assert found("line", "missing") == []


def test_scan_reads_a_moment_whatever_is_written_meanwhile(store: Opened) -> None:
    store.bulk([line(number, "x") for number in range(1, 2_501)])
    store.refresh()
    seen = 0
    for document in store.scan(LOGS, EVERYTHING, (Order("offset"),)):
        seen += 1
        assert document.offset == seen
        if seen == 1:
            store.bulk([DeleteWhere(LOGS, EVERYTHING)])
    assert seen == 2_500


def test_a_scan_may_be_left_half_way(store: Opened) -> None:
    store.bulk([line(number, "x") for number in range(1, 1_501)])
    store.refresh()
    scan = store.scan(LOGS, EVERYTHING, (Order("offset"),))
    assert next(iter(scan)).offset == 1
    scan.close()  # type: ignore[attr-defined]
    assert store.count(LOGS, EVERYTHING) == 1_500


def test_pages_are_reached_at_any_depth(store: Opened) -> None:
    store.bulk([line(number, "x", timestamp=START) for number in range(1, 10_501)])
    store.refresh()
    orders = (Order("timestamp"), Order("offset", descending=True))
    hits = store.search(LOGS, EVERYTHING, orders, start=9_990, size=20)
    assert [document.offset for document in hits.documents] == list(range(510, 490, -1))
    assert hits.total == 10_500
    hits = store.search(LOGS, EVERYTHING, orders, start=10_495, size=10)
    assert [document.offset for document in hits.documents] == [5, 4, 3, 2, 1]
    assert store.search(LOGS, EVERYTHING, orders, start=20_000, size=10).documents == []


def test_a_reopened_store_has_everything(open_store: Callable[[], Opened]) -> None:
    first = open_store()
    put(first, execution(1))
    first.sync()
    first.close()
    second = open_store()
    assert second.get(EXECUTIONS, "e1") is not None


def test_a_closed_store_refuses(open_store: Callable[[], Opened]) -> None:
    store = open_store()
    put(store, execution(1))
    if not hasattr(store, "_client"):  # OpenSearch's client connects again by itself
        store.close()
        with pytest.raises(StoreUnavailable):
            store.get(EXECUTIONS, "e1")
        with pytest.raises(StoreUnavailable):
            store.bulk([write_of(execution(2), 0)])
