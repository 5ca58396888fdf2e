"""Several processes of one kind: one that hangs is replaced, and does no harm when it wakes up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.load import Load, settled_rows
from tests.support.rest import until
from tests.support.running import Running, prepare
from tests.support.truth import (
    History,
    check_once,
    check_read_models,
    check_streams,
    dead_letters,
)

pytestmark = [pytest.mark.process, pytest.mark.servers]

QUICK = {"TIDEWHEEL_LOG_SESSION_TIMEOUT": "PT6S"}
"""The shortest time that a broker allows for a silent member."""


def check_all(running: Running, load: Load) -> None:
    rows = settled_rows(running.rest, wanted=load.accepted)
    load.check(rows)
    streams = {row["id"]: running.rest.events(row["id"]) for row in rows}
    with running.hand() as log:
        history = History(log)
        assert dead_letters(log) == []
    check_streams(history, streams)
    check_once(history)
    check_read_models(history, rows)


@pytest.mark.parametrize("role", ["executor", "worker", "indexer"])
def test_a_process_that_hangs_is_replaced_and_does_no_harm_when_it_wakes_up(
    role: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with prepare("distributed", request, tmp_path, QUICK, [f"{role}-2"]) as running:
        load = Load(running.rest)
        load.prepare()
        load.begin(42)
        until(lambda: len(load.accepted) > 20, "the load being under way")
        running.supervisor.freeze(role)
        load.finish()  # by the other one: nothing is left waiting for the frozen one
        running.supervisor.thaw(role)
        load.begin(42)
        load.finish()
        check_all(running, load)
