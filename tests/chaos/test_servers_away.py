"""Kafka and OpenSearch that do not answer for a while: nothing is lost, all goes on by itself."""

from __future__ import annotations

import signal
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from infra.local.server import Server
from tests.support.load import Load
from tests.support.rest import until
from tests.support.running import prepare
from tests.support.truth import (
    History,
    check_once,
    check_read_models,
    check_streams,
    dead_letters,
)

pytestmark = [pytest.mark.process, pytest.mark.servers]

AWAY = 8.0
"""Seconds: longer than a session, so that every member of every group is thrown out."""
TIMES = 2
"""How often; the client of ADR 6 was chosen with 18."""


@pytest.mark.parametrize("name", ["kafka_server", "opensearch_server"])
def test_everything_goes_on_by_itself_when_a_server_comes_back(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    quick = {"TIDEWHEEL_LOG_SESSION_TIMEOUT": "PT6S"}
    with prepare("distributed", request, tmp_path, quick) as running:
        server: Server = request.getfixturevalue(name)
        load = Load(running.rest)
        load.prepare()
        pids = running.supervisor.pids
        rows = [_away_once(load, server) for _ in range(TIMES)][-1]
        assert len(rows) >= TIMES * 42
        load.check(rows)
        assert running.supervisor.pids == pids, "no process has ended"
        streams = {row["id"]: running.rest.events(row["id"]) for row in rows}
        with running.hand() as log:
            history = History(log)
            assert dead_letters(log) == []
        check_streams(history, streams)
        check_once(history)
        check_read_models(history, rows)


def _away_once(load: Load, server: Server) -> list[dict[str, Any]]:
    """Begin the load, stop the server in the middle, let it go on; return all rows at the end."""
    before = len(load.accepted)
    load.begin(42)
    until(lambda: len(load.accepted) > before + 10, "the load being under way")
    server.child.send(signal.SIGSTOP)
    try:
        Event().wait(AWAY)
    finally:
        server.child.send(signal.SIGCONT)
    return load.finish()
