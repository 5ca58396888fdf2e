"""Values that no record of the log could hold pass through a running Tidewheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.rest import until
from tests.support.running import Running, prepare

pytestmark = pytest.mark.process

CHILD = """\
id: child
namespace: large
inputs: [{id: text, type: STRING}]
tasks:
  - id: twice
    type: io.kestra.plugin.core.debug.Return
    format: "{{ inputs.text }}{{ inputs.text }}"
outputs:
  - {id: twice, type: STRING, value: "{{ outputs.twice.value }}"}
"""
PARENT = """\
id: parent
namespace: large
inputs: [{id: text, type: STRING}]
tasks:
  - id: set
    type: io.kestra.plugin.core.execution.SetVariables
    variables: {kept: "{{ inputs.text }}"}
  - id: call
    type: io.kestra.plugin.core.flow.Subflow
    namespace: large
    flowId: child
    wait: true
    transmitFailed: true
    inputs: {text: "{{ vars.kept }}"}
  - id: length
    type: io.kestra.plugin.core.debug.Return
    format: "{{ outputs.call.outputs.twice | length }}"
outputs:
  - {id: all, type: STRING, value: "{{ outputs.call.outputs.twice }}"}
"""
MANY = """\
id: many
namespace: large
inputs:
  - {id: seconds, type: INT, defaults: 0}
  - {id: fails, type: BOOL, defaults: false}
tasks:
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: "{{ range(1, 60) }}"
    concurrencyLimit: 0
    tasks:
      - {id: sleep, type: io.kestra.plugin.core.flow.Sleep, duration: "PT{{ inputs.seconds }}S"}
  - {id: last, type: io.kestra.plugin.core.execution.Fail, runIf: "{{ inputs.fails }}"}
"""
HOOK = """\
id: hook
namespace: large
tasks:
  - id: length
    type: io.kestra.plugin.core.debug.Return
    format: "{{ trigger.body.text | length }}"
triggers:
  - {id: hook, type: io.kestra.plugin.core.trigger.Webhook, key: open-sesame}
"""


def test_inputs_variables_subflows_and_outputs_may_be_larger_than_a_record(server: Running) -> None:
    rest = server.rest
    rest.create_flow(CHILD)
    rest.create_flow(PARENT)
    text = "x" * 1_500_000
    before = server.supervisor.pids

    ended = rest.run("large", "parent", {"text": text}, wait=True)

    assert ended["state"]["current"] == "SUCCESS", [run["state"] for run in ended["taskRunList"]]
    assert ended["outputs"]["all"] == text * 2
    assert ended["inputs"]["text"] == text
    runs = {run["taskId"]: run for run in ended["taskRunList"]}
    assert runs["length"]["outputs"] == {"value": str(len(text) * 2)}
    child = rest.execution(runs["call"]["outputs"]["executionId"])
    assert child["taskRunList"][0]["outputs"] == {"value": text * 2}
    assert server.supervisor.pids == before


@pytest.mark.parametrize(
    "engine", ["embedded", pytest.param("distributed", marks=pytest.mark.servers)]
)
def test_what_is_deleted_takes_its_large_values_along_and_stops_nobody(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with prepare(engine, request, tmp_path) as running:
        rest = running.rest

        def files(execution_id: str) -> list[Path]:
            found = running.data.rglob(f"*{execution_id}*/**/*")
            return [path for path in found if path.is_file()]

        rest.create_flow(CHILD)
        text = "x" * 1_500_000
        gone, kept = (rest.run("large", "child", {"text": text}, wait=True)["id"] for _ in "ab")
        assert files(gone)
        rest.call("DELETE", f"/executions/{gone}")
        until(lambda: not files(gone), "its files being gone")
        assert files(kept)
        first = running.components[0]  # on the distributed engine the executor: it folds anew
        running.kill(first)
        running.restart(first)
        assert rest.ended(kept)["outputs"] == {"twice": text * 2}
        after = rest.run("large", "child", {"text": "y"}, wait=True)
        assert after["outputs"] == {"twice": "yy"}
        verified = rest.call("GET", "/log/verify")
        assert '"verified":true' in verified, verified


@pytest.mark.parametrize(
    "engine", ["embedded", pytest.param("distributed", marks=pytest.mark.servers)]
)
def test_what_changes_many_task_runs_at_once_may_be_larger_than_a_record(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    limit = {"TIDEWHEEL_LOG_MAX_RECORD_BYTES": "4096"}
    with prepare(engine, request, tmp_path, limit) as running:
        rest = running.rest
        rest.create_flow(MANY)
        rest.create_flow(HOOK)

        killed = rest.run("large", "many", {"seconds": "600"})["id"]
        until(lambda: len(rest.execution(killed)["taskRunList"] or ()) == 61, "all sleepers")
        rest.call("DELETE", f"/executions/{killed}/kill")
        ended = rest.ended(killed)
        states = {run["state"]["current"] for run in ended["taskRunList"]}
        assert (ended["state"]["current"], states) == ("KILLED", {"KILLED"})

        failed = rest.run("large", "many", {"fails": "true"}, wait=True)
        assert failed["state"]["current"] == "FAILED"
        last = next(run["id"] for run in failed["taskRunList"] if run["taskId"] == "last")
        replay = rest.call("POST", f"/executions/{failed['id']}/replay?taskRunId={last}")
        assert [len(rest.ended(replay["id"])["taskRunList"]), replay["originalId"]] == [
            62, failed["id"],
        ]  # fmt: skip
        rest.call("POST", f"/executions/{failed['id']}/restart")
        again = until(
            lambda: rest.execution(failed["id"])["taskRunList"][-1].get("attempts", [])[1:],
            "a second attempt",
        )
        assert again[-1]["state"]["current"] == "FAILED"

        text = "x" * 100_000
        hooked = rest.call(
            "POST", "/executions/webhook/large/hook/open-sesame", json={"text": text}
        )
        assert rest.ended(hooked["id"])["taskRunList"][0]["outputs"] == {"value": "100000"}
        assert rest.execution(hooked["id"])["trigger"]["variables"]["body"] == {"text": text}

        for large in (killed, replay["id"], hooked["id"]):
            assert list(running.data.rglob(f"_records/{large}/*.json")), large
        running.kill(running.components[0])
        running.restart(running.components[0])
        assert len(rest.ended(killed)["taskRunList"]) == 61
        verified = rest.call("GET", "/log/verify")
        assert '"verified":true' in verified, verified
