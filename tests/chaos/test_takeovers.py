"""Workers and executors that die or hang while they have work: it is taken over, and told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.load import Load, settled_rows
from tests.support.rest import until
from tests.support.running import ENGINES, Running, prepare
from tests.support.truth import (
    History,
    check_attempts,
    check_once,
    check_read_models,
    check_streams,
    dead_letters,
)

pytestmark = pytest.mark.process

QUICK = {"TIDEWHEEL_LOG_SESSION_TIMEOUT": "PT6S"}
"""The shortest time that a broker allows for a silent member."""
WORKER = {"embedded": "local", "distributed": "worker"}
SLEEP = "type: io.kestra.plugin.core.flow.Sleep"
LOST = f"""\
id: lost
namespace: chaos
tasks:
  - id: again
    {SLEEP}
    duration: PT5S
    retry: {{type: constant, interval: PT1S, maxAttempts: 1}}
"""
ONCE = f"""\
id: once
namespace: chaos
tasks: [{{id: once, {SLEEP}, duration: PT5S, onWorkerLost: FAIL}}]
errors: [{{id: handler, type: io.kestra.plugin.core.log.Log, message: handled}}]
"""


def check_all(running: Running, rows: list[dict[str, Any]]) -> None:
    streams = {row["id"]: running.rest.events(row["id"]) for row in rows}
    with running.hand() as log:
        history = History(log)
        assert dead_letters(log) == []
    check_streams(history, streams)
    check_once(history)
    check_attempts(history)
    check_read_models(history, rows)


def attempts(execution: dict[str, Any], task_id: str) -> list[str]:
    [run] = [run for run in execution["taskRunList"] if run["taskId"] == task_id]
    return [attempt["state"]["current"] for attempt in run.get("attempts", [])]


def lose(running: Running, end: Callable[[], None]) -> dict[str, dict[str, Any]]:
    """Let the worker go while a task of each flow runs; return how they end."""
    ids: dict[str, str] = {}
    for source in (LOST, ONCE):
        flow = running.rest.create_flow(source)["id"]
        ids[flow] = running.rest.run("chaos", flow)["id"]

    def all_run() -> bool:
        runs = [running.rest.execution(key).get("taskRunList") or [{}] for key in ids.values()]
        return all(run[0].get("state", {}).get("current") == "RUNNING" for run in runs)

    until(all_run, "both tasks running", 30)
    end()
    return {flow: running.rest.ended(key, 60) for flow, key in ids.items()}


@pytest.mark.parametrize("engine", ENGINES)
def test_what_ran_on_a_killed_worker_is_lost_and_runs_again_or_fails_as_the_flow_says(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with prepare(engine, request, tmp_path) as running:
        worker = WORKER[engine]

        def kill() -> None:
            running.kill(worker)
            running.restart(worker)

        ended = lose(running, kill)
        assert ended["lost"]["state"]["current"] == "SUCCESS"
        assert attempts(ended["lost"], "again") == ["RESUBMITTED", "SUCCESS"]
        assert ended["once"]["state"]["current"] == "FAILED"
        assert attempts(ended["once"], "once") == ["FAILED"]
        assert attempts(ended["once"], "handler") == ["SUCCESS"]
        check_all(running, settled_rows(running.rest, wanted=[row["id"] for row in ended.values()]))


@pytest.mark.servers
def test_what_ran_on_a_worker_that_does_not_come_back_runs_on_another_one(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with prepare("distributed", request, tmp_path, QUICK, ["worker-2"]) as running:

        def kill() -> None:
            for name in ("worker", "worker-2"):  # whichever has it
                running.kill(name)
            running.launch("worker-2")

        ended = lose(running, kill)
        assert attempts(ended["lost"], "again") == ["RESUBMITTED", "SUCCESS"]
        assert attempts(ended["once"], "once") == ["FAILED"]
        check_all(running, settled_rows(running.rest, wanted=[row["id"] for row in ended.values()]))


@pytest.mark.servers
@pytest.mark.parametrize("role", ["executor", "worker", "indexer"])
def test_a_process_that_hangs_is_replaced_and_does_no_harm_when_it_wakes_up(
    role: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with prepare("distributed", request, tmp_path, QUICK, [f"{role}-2"]) as running:
        load = Load(running.rest)
        load.prepare()
        load.begin(40)
        until(lambda: len(load.accepted) > 20, "the load being under way")
        running.supervisor.freeze(role)
        load.finish()  # by the other one: nothing is left waiting for the frozen one
        running.supervisor.thaw(role)
        load.begin(40)
        load.check(load.finish())
        check_all(running, settled_rows(running.rest, wanted=load.accepted))
