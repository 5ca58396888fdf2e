"""A schedule fires each of its dates exactly once, whatever is killed in between."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.load import settled_rows
from tests.support.rest import until
from tests.support.running import ENGINES, Running, prepare
from tests.support.truth import History, check_once, check_read_models, dead_letters

pytestmark = pytest.mark.process

FLOW = """\
id: ticks
namespace: schedules
triggers:
  - id: every_second
    type: io.kestra.plugin.core.trigger.Schedule
    cron: "* * * * * *"
    withSeconds: true
tasks:
  - id: tell
    type: io.kestra.plugin.core.debug.Return
    format: "{{ trigger.date }}"
"""


def dates(running: Running) -> list[datetime]:
    rows = running.rest.executions(namespace="schedules", flowId="ticks")
    return sorted(datetime.fromisoformat(row["trigger"]["variables"]["date"]) for row in rows)


def await_dates(running: Running, count: int) -> None:
    until(lambda: len(dates(running)) >= count, f"{count} dates")


@pytest.mark.parametrize("engine", ENGINES)
def test_every_date_of_a_schedule_fires_exactly_once_across_kills(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with prepare(engine, request, tmp_path) as running:
        running.rest.create_flow(FLOW)
        await_dates(running, 2)
        for name in {"embedded": ("local",), "distributed": ("scheduler", "executor")}[engine]:
            running.kill(name)
            running.restart(name)
            await_dates(running, len(dates(running)) + 3)
        running.rest.call("DELETE", "/flows/schedules/ticks")
        rows = settled_rows(running.rest)
        fired = dates(running)
        assert fired == [fired[0] + timedelta(seconds=n) for n in range(len(fired))]
        for row in rows:
            [run] = row["taskRunList"]
            assert row["state"]["current"] == "SUCCESS"
            told = datetime.fromisoformat(run["outputs"]["value"])
            assert told == datetime.fromisoformat(row["trigger"]["variables"]["date"])
        with running.hand() as log:
            history = History(log)
            assert dead_letters(log) == []
        check_once(history)
        check_read_models(history, rows)
