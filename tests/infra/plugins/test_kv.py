from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.kv import KeyValueStore
from streams.worker.errors import TaskFailed
from tests.infra.plugins.conftest import Run
from tests.support.memory_log import MemoryLog
from tests.support.tasks import Bench, StillClock


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    clock = StillClock()
    kv = KeyValueStore(MemoryLog(), clock)
    kv.start()
    variables = {"map": {"int": 1, "text": "t"}, "n": "42"}
    return Bench(str(tmp_path), variables, kv=kv, clock=clock)


def test_a_rendered_map_keeps_its_type(run: Run) -> None:
    run("kv.Set", key="k", value="{{ map }}")
    assert run("kv.Get", key="k") == {"value": {"int": 1, "text": "t"}}


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [("NUMBER", "{{ n }}", 42), ("STRING", "{{ n }}", "42"), ("JSON", '{"a": [1]}', {"a": [1]})],
)
def test_a_text_is_stored_as_the_type_asked_for(
    run: Run, kind: str, value: str, stored: Any
) -> None:
    run("kv.Set", key="k", value=value, kvType=kind)
    assert run("kv.Get", key="k") == {"value": stored}


def test_a_missing_key_is_null_unless_that_is_an_error(run: Run) -> None:
    assert run("kv.Get", key="k") == {"value": None}
    with pytest.raises(
        TaskFailed,
        match=r"No value found for key 'k' in namespace 'io.test' and `errorOnMissing` is set to",
    ):
        run("kv.Get", key="k", errorOnMissing=True)


def test_a_key_that_must_not_be_overwritten_stays(run: Run) -> None:
    run("kv.Set", key="k", value=1, overwrite=False)
    with pytest.raises(TaskFailed, match="already exists"):
        run("kv.Set", key="k", value=2, overwrite=False)
    assert run("kv.Get", key="k") == {"value": 1}


def test_a_key_expires(run: Run, bench: Bench) -> None:
    run("kv.Set", key="k", value=1, ttl="PT1M")
    bench.services.clock.advance(61)  # type: ignore[attr-defined]
    assert run("kv.Get", key="k") == {"value": None}
    assert run("kv.GetKeys") == {"keys": []}
    assert run("kv.PurgeKV") == {"size": 1}


def test_keys_are_listed_by_prefix_and_namespace(run: Run) -> None:
    for key in ("b", "a1", "a2"):
        run("kv.Set", key=key, value="x")
    run("kv.Set", key="a3", value="x", namespace="io.other")
    assert run("kv.GetKeys", prefix="a") == {"keys": ["a1", "a2"]}
    assert run("kv.GetKeys", namespace="io.other") == {"keys": ["a3"]}


def test_a_delete_tells_whether_there_was_something(run: Run) -> None:
    run("kv.Set", key="k", value="x")
    assert run("kv.Delete", key="k") == {"deleted": True}
    assert run("kv.Delete", key="k") == {"deleted": False}
    with pytest.raises(TaskFailed):
        run("kv.Delete", key="k", errorOnMissing=True)


def test_a_purge_is_held_to_its_namespaces(run: Run) -> None:
    for namespace in ("io.a", "io.a.b", "io.b"):
        run("kv.Set", key="k", value="x", namespace=namespace)
    behavior = {"type": "key", "expiredOnly": False}
    only = {"namespaces": ["io.a"], "behavior": behavior, "includeChildNamespaces": False}
    assert run("kv.PurgeKV", **only) == {"size": 1}
    assert run("kv.PurgeKV", namespacePattern="io.*", behavior=behavior) == {"size": 2}
