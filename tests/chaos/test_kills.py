"""I8: SIGKILL of any component at any moment: after restart, everything ends right, once."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from threading import Event

import pytest

from tests.support.load import Load
from tests.support.running import ENGINES, Running, prepare
from tests.support.truth import (
    History,
    check_attempts,
    check_once,
    check_read_models,
    check_streams,
    dead_letters,
    standing_wishes,
)

pytestmark = pytest.mark.process

SEED = int(os.environ.get("TIDEWHEEL_CHAOS_SEED", "20261123"))
CHILDREN = {"parent": 1, "batches": 3}
"""How many executions each execution of a flow starts."""
KILLABLE = {
    "embedded": ("local",),
    "distributed": ("executor", "worker", "indexer", "webserver"),
}


def disturb(running: Running, random: Random, kills: int) -> None:
    """Kill components at random moments and start each again after a while."""
    names = KILLABLE[running.engine]
    order = [name for _ in range(kills) for name in random.sample(names, len(names))][:kills]
    for name in order:
        moment, gap = random.uniform(0.2, 1.5), random.uniform(0, 0.5)
        print(f"kill {name} after {moment:.3f} s for {gap:.3f} s")  # noqa: T201 - to play it again
        Event().wait(moment)
        running.kill(name)
        Event().wait(gap)
        running.restart(name)


@pytest.mark.parametrize("engine", ENGINES)
def test_everything_accepted_ends_right_and_once_whatever_is_killed(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    print(f"TIDEWHEEL_CHAOS_SEED={SEED}")  # noqa: T201 - to play it again
    count, kills = {"embedded": (210, 5), "distributed": (140, 6)}[engine]
    with prepare(engine, request, tmp_path) as running:
        load = Load(running.rest)
        load.prepare()
        load.begin(count)
        disturb(running, Random(SEED), kills)
        rows = load.finish()
        load.check(rows)
        streams = {row["id"]: running.rest.events(row["id"]) for row in rows}
        with running.hand() as log:
            history = History(log)
            assert dead_letters(log) == []
        check_streams(history, streams)
        check_once(history)
        check_attempts(history)
        check_read_models(history, rows)
        wanted = {
            execution_id: CHILDREN[flow]
            for execution_id, flow in load.accepted.items()
            if flow in CHILDREN
        }
        children = history.children()
        assert {parent: children[parent] for parent in wanted} == wanted
        # no slot of the limited flow was lost or leaked
        with running.hand() as log:
            assert not standing_wishes(log)
