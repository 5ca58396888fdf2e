"""What expressions of tasks know of the world."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from domain.expression import ExpressionError
from domain.log import Level, LogBatch
from domain.record.codec import encode
from domain.record.envelope import Outgoing
from domain.record.topics import LOGS
from infra.expression.jq_pool import JqPool
from infra.expression.lookups import World
from infra.kv import KeyValueStore
from infra.plugins.services import task_services
from infra.secrets.env import EnvironmentSecrets
from infra.storage.namespace_files import StoredNamespaceFiles
from tests.infra.plugins.test_small import entry
from tests.support.memory_log import MemoryLog
from tests.support.tasks import Bench, MemoryBlobs, MirrorEncryption, StillClock

OWN = "kestra:///io/test/flow-a/executions/e1/x"
OTHER = "kestra:///io/other/flow-b/executions/e2/x"


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def bench(tmp_path: Path, log: MemoryLog) -> Bench:
    clock, blobs = StillClock(), MemoryBlobs()
    kv = KeyValueStore(log, clock)
    kv.start()
    world = World(
        clock=clock,
        secrets=EnvironmentSecrets({"SECRET_TOKEN": "czNjcmV0LXRleHQ="}),
        kv=kv,
        files=StoredNamespaceFiles(blobs, clock),
        blobs=blobs,
        jq=JqPool(),
    )
    bench = Bench(str(tmp_path))
    bench.context.services = task_services(world, log, MirrorEncryption(), UTC)
    for uri in (OWN, OTHER):
        blobs.put(uri, b"content")
    return bench


def render(bench: Bench, text: str) -> Any:
    return bench.context.render(text)


def test_a_secret_is_known_and_masked_from_then_on(bench: Bench) -> None:
    assert render(bench, "{{ secret('TOKEN') }}") == "s3cret-text"
    assert bench.context.out.redactor.redact("s3cret-text") == "******"


def test_the_executions_own_files_can_be_read_whatever_the_variables_hold(bench: Bench) -> None:
    assert "flow" not in bench.context.variables
    assert render(bench, f"{{{{ read('{OWN}') }}}}") == "content"
    with pytest.raises(ExpressionError):
        render(bench, f"{{{{ read('{OTHER}') }}}}")


def test_files_of_the_triggering_execution_can_be_read(bench: Bench) -> None:
    trigger = {"executionId": "e2", "flowId": "flow_b", "namespace": "io.other"}
    bench.context.variables["trigger"] = trigger  # type: ignore[index]
    assert render(bench, f"{{{{ read('{OTHER}') }}}}") == "content"


def test_key_values_are_those_of_the_flows_namespace(bench: Bench) -> None:
    bench.context.services.kv.put("main", "io.test", "k", {"a": 1})
    assert render(bench, "{{ kv('k').a }}") == "1"


def test_error_lines_of_the_execution_are_seen(bench: Bench, log: MemoryLog) -> None:
    lines = [entry(1, Level.INFO, "a"), entry(2, Level.ERROR, "b")]
    log.send(Outgoing(LOGS, "e1", encode(LogBatch(entries=lines))))
    assert render(bench, "{{ errorLogs()[0].message }}") == "line 2"
