"""An auditor verifies a log that was really written, here and elsewhere, and sees the past."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.rest import Rest, until
from tests.support.running import PASSWORD, ROOT, USERNAME, Running, command

pytestmark = pytest.mark.process

NAMESPACE = "audit.tests"
CHILD = f"""\
id: child
namespace: {NAMESPACE}
inputs: [{{id: n, type: INT}}]
tasks:
  - {{id: say, type: io.kestra.plugin.core.debug.Return, format: "{{{{ inputs.n }}}}"}}
outputs: [{{id: n, type: INT, value: "{{{{ outputs.say.value }}}}"}}]
"""
PARENT = f"""\
id: parent
namespace: {NAMESPACE}
tasks:
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: [1, 2, 3]
    concurrencyLimit: 2
    tasks:
      - id: sub
        type: io.kestra.plugin.core.flow.Subflow
        namespace: {NAMESPACE}
        flowId: child
        inputs: {{n: "{{{{ taskrun.value }}}}"}}
  - id: flaky
    type: io.kestra.plugin.core.execution.Fail
    condition: "{{{{ taskrun.attemptsCount < 1 }}}}"
    retry: {{type: constant, interval: PT0.2S, maxAttempts: 3}}
  - id: chance
    type: io.kestra.plugin.core.flow.If
    condition: "{{{{ randomInt(0, 1000) >= 0 and kv('gate', errorOnMissing=false) is null }}}}"
    then:
      - {{id: hold, type: io.kestra.plugin.core.flow.Pause}}
"""

Say = Callable[..., tuple[int, str]]


@pytest.fixture
def say(server: Running) -> Say:
    """Run `tidewheel WORDS` beside the shared server; return exit status and output."""
    environment = {
        **os.environ,
        "TIDEWHEEL_URL": server.url,
        "TIDEWHEEL_USERNAME": USERNAME,
        "TIDEWHEEL_PASSWORD": PASSWORD,
    }

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            command(*words),
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def lived(rest: Rest) -> str:
    """Return an execution with a loop, subflows, a retry, recorded answers, a pause, a restart."""
    rest.create_flow(CHILD) if not known(rest, "child") else None
    rest.create_flow(PARENT) if not known(rest, "parent") else None
    execution_id: str = rest.run(NAMESPACE, "parent")["id"]
    until(lambda: rest.state(execution_id) == "PAUSED", "the pause")
    rest.call("POST", f"/executions/{execution_id}/resume")
    ended = rest.ended(execution_id)
    assert ended["state"]["current"] == "SUCCESS", ended
    return execution_id


def known(rest: Rest, flow: str) -> bool:
    return rest.client.get(f"/flows/{NAMESPACE}/{flow}").is_success


def test_what_was_written_is_what_its_commands_lead_to(rest: Rest, say: Say) -> None:
    execution_id = lived(rest)
    status, told = say("log", "verify", "--execution", execution_id)
    assert (status, "VERIFIED" in told) == (0, True), told
    assert "1 executions" in told
    status, told = say("log", "verify", "--execution", execution_id, "--format", "json")
    summary = json.loads(told.splitlines()[-1])
    assert status == 0
    assert summary["verified"] is True
    steps = {event["commandOffset"] for event in rest.events(execution_id)}
    assert summary["tally"]["steps"] == len(steps)
    assert summary["tally"]["withheld"] == 0


def test_an_export_is_verified_elsewhere_and_a_forgery_in_it_is_found(
    rest: Rest, say: Say, tmp_path: Path
) -> None:
    execution_id = lived(rest)
    exported, forged = tmp_path / "log.zip", tmp_path / "forged.zip"
    status, told = say("log", "export", str(exported), "--execution", execution_id)
    assert status == 0, told
    status, told = say("log", "verify", "--file", str(exported))
    assert (status, "VERIFIED" in told) == (0, True), told

    with ZipFile(exported) as source, ZipFile(forged, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.startswith("execution.events"):
                data = data.replace(b'\\"SUCCESS\\"', b'\\"WARNING\\"')
            target.writestr(name, data)
    status, told = say("log", "verify", "--file", str(forged))
    assert status == 1
    assert "DIVERGED" in told
    assert execution_id in told
    assert "at sequence" in told


def test_the_whole_log_of_a_server_is_verified(rest: Rest, say: Say) -> None:
    lived(rest)
    status, told = say("log", "verify")
    assert (status, "VERIFIED" in told) == (0, True), told


def test_an_execution_is_shown_as_it_was(rest: Rest, say: Say) -> None:
    execution_id = lived(rest)
    events = rest.events(execution_id)
    paused = next(e["sequence"] for e in events if e["event"]["type"] == "execution.paused")
    status, told = say("execution", "show", execution_id, "--at", str(paused))
    then = json.loads(told)
    assert status == 0
    assert then["state"]["current"] == "PAUSED"
    assert {run["taskId"] for run in then["taskRunList"]} >= {"each", "flaky", "hold"}
    status, told = say("execution", "show", execution_id, "--at", str(len(events) + 1))
    assert status == 1
    assert f"1 to {len(events)}" in told
