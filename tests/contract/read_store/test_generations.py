"""Generations: a read model is rebuilt beside the live one."""

from __future__ import annotations

from collections.abc import Callable

from projections.catalogue import MODELS
from projections.executions.document import EXECUTIONS
from projections.executions.project import write_of
from projections.logs.document import LOGS
from projections.store import EVERYTHING, Words
from tests.contract.read_store.conftest import Opened, execution, line, put


def test_a_new_store_must_be_rebuilt_until_it_is_adopted(open_store: Callable[[], Opened]) -> None:
    store = open_store()
    assert store.outdated() == list(MODELS)
    store.adopt(MODELS)
    assert store.outdated() == []
    store.close()
    assert open_store().outdated() == []


def test_the_live_generation_is_read_until_the_switch(store: Opened) -> None:
    put(store, execution(1, flow_id="old"))
    building = store.begin([EXECUTIONS])
    assert building.bulk([write_of(execution(2, flow_id="new"), 0)]) == []
    store.refresh()
    assert [d.id for d in store.search(EXECUTIONS, EVERYTHING).documents] == ["e1"]
    store.switch([EXECUTIONS])
    store.refresh()
    assert [d.id for d in store.search(EXECUTIONS, EVERYTHING).documents] == ["e2"]
    assert store.get(EXECUTIONS, "e1") is None
    assert store.count(EXECUTIONS, Words(("old",))) == 0
    assert store.count(EXECUTIONS, Words(("new",))) == 1


def test_other_models_are_left_alone(store: Opened) -> None:
    store.bulk([line(1, "kept")])
    store.begin([EXECUTIONS])
    store.switch([EXECUTIONS])
    store.refresh()
    assert store.count(LOGS, EVERYTHING) == 1


def test_live_writes_go_to_the_new_generation_after_the_switch(store: Opened) -> None:
    store.begin([EXECUTIONS])
    put(store, execution(1))
    store.switch([EXECUTIONS])
    put(store, execution(2))
    assert [d.id for d in store.search(EXECUTIONS, EVERYTHING).documents] == ["e2"]


def test_a_discarded_generation_leaves_nothing(store: Opened) -> None:
    put(store, execution(1))
    store.begin([EXECUTIONS]).bulk([write_of(execution(2), 0)])
    store.discard([EXECUTIONS])
    store.refresh()
    assert [d.id for d in store.search(EXECUTIONS, EVERYTHING).documents] == ["e1"]


def test_beginning_again_begins_empty(store: Opened) -> None:
    store.begin([EXECUTIONS]).bulk([write_of(execution(1), 0)])
    store.begin([EXECUTIONS]).bulk([write_of(execution(2), 0)])
    store.switch([EXECUTIONS])
    store.refresh()
    assert [d.id for d in store.search(EXECUTIONS, EVERYTHING).documents] == ["e2"]


def test_a_switched_model_is_no_longer_outdated(open_store: Callable[[], Opened]) -> None:
    store = open_store()
    store.begin(MODELS)
    store.switch(MODELS)
    assert store.outdated() == []
    store.close()
    again = open_store()
    assert again.outdated() == []
    put(again, execution(1))
    assert again.count(EXECUTIONS, EVERYTHING) == 1


def test_one_owner_at_a_time_may_change_generations(store: Opened) -> None:
    assert store.claim("a", 60)
    assert not store.claim("b", 60)
    assert store.claim("a", 60)
    store.release("b")
    assert not store.claim("b", 60)
    store.release("a")
    store.release("a")
    assert store.claim("b", -1)  # ends at once
    assert store.claim("a", 60)
