from __future__ import annotations

import pytest

from domain.errors import InvalidInput
from infra.kv import KeyValueStore, kind_of, typed_value
from tests.support.memory_log import MemoryLog
from tests.support.tasks import NOW, StillClock


def store(log: MemoryLog, clock: StillClock | None = None) -> KeyValueStore:
    made = KeyValueStore(log, clock or StillClock())
    made.start()
    return made


def test_a_write_is_seen_when_it_returns() -> None:
    kv = store(MemoryLog())
    entry = kv.put("main", "io.test", "key", {"a": 1}, description="for people")
    assert kv.get("main", "io.test", "key") == entry
    assert (entry.type, entry.revision, entry.value) == ("JSON", 1, {"a": 1})


def test_every_write_counts_a_revision_and_keeps_the_description() -> None:
    clock = StillClock()
    kv = store(MemoryLog(), clock)
    kv.put("main", "io.test", "key", "one", description="text")
    clock.advance(5)
    entry = kv.put("main", "io.test", "key", "two")
    assert (entry.revision, entry.value, entry.description) == (2, "two", "text")
    assert (entry.created, entry.updated) == (NOW, clock.now())


def test_a_restart_folds_the_same_entries() -> None:
    log = MemoryLog()
    first = store(log)
    first.put("main", "io.test", "a", 1)
    first.put("main", "io.test", "a", 2)
    first.put("main", "io.test", "b", True)
    first.delete("main", "io.test", "b")
    assert store(log).entries("main") == first.entries("main")


def test_a_store_follows_the_writes_of_others() -> None:
    log = MemoryLog()
    one, other = store(log), store(log)
    one.put("main", "io.test", "a", 1)
    assert other.put("main", "io.test", "a", 2).revision == 2
    entry = one.get("main", "io.test", "a")
    assert entry is not None
    assert entry.value == 2


def test_a_deleted_entry_is_gone_and_starts_anew() -> None:
    kv = store(MemoryLog())
    kv.put("main", "io.test", "a", 1)
    kv.put("main", "io.test", "a", 2)
    assert kv.delete("main", "io.test", "a")
    assert not kv.delete("main", "io.test", "a")
    assert kv.get("main", "io.test", "a") is None
    assert kv.put("main", "io.test", "a", 3).revision == 1


def test_an_expired_entry_counts_as_absent_for_a_write() -> None:
    clock = StillClock()
    kv = store(MemoryLog(), clock)
    kv.put("main", "io.test", "a", 1, expires=NOW)
    entry = kv.get("main", "io.test", "a")
    assert entry is not None
    assert entry.is_expired(clock.now())
    assert kv.put("main", "io.test", "a", 2).revision == 1
    assert not kv.delete("main", "io.test", "missing")


def test_entries_are_listed_by_namespace_and_prefix() -> None:
    kv = store(MemoryLog(3))
    for namespace, key in (("b", "x1"), ("a", "x2"), ("a", "x1"), ("a", "y")):
        kv.put("main", namespace, key, "v")
    assert [(e.namespace, e.key) for e in kv.entries("main", prefix="x")] == [
        ("a", "x1"),
        ("a", "x2"),
        ("b", "x1"),
    ]
    assert [e.key for e in kv.entries("main", "a")] == ["x1", "x2", "y"]
    assert kv.entries("other") == []


@pytest.mark.parametrize("key", ["", "-a", "a/b", "a b", ".a", "ä", "x" * 300])
def test_a_bad_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput):
        store(MemoryLog()).put("main", "io.test", key, 1)


@pytest.mark.parametrize(
    ("value", "kind"),
    [("a", "STRING"), (1, "NUMBER"), (1.5, "NUMBER"), (True, "BOOLEAN"), ([1], "JSON")],
)
def test_the_type_follows_the_value(value: object, kind: str) -> None:
    assert kind_of(value) == kind


def test_a_text_is_read_as_the_type_that_was_asked_for() -> None:
    assert typed_value("42", "NUMBER") == 42
    assert typed_value("TRUE", "BOOLEAN") is True
    assert typed_value('{"a": 1}', "JSON") == {"a": 1}
    assert typed_value("PT1H", "DURATION") == "PT1H"
    for text, kind in (("x", "NUMBER"), ("x", "BOOLEAN"), ("{", "JSON"), ("x", "DATE")):
        with pytest.raises(InvalidInput):
            typed_value(text, kind)
