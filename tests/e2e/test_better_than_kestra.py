"""What Tidewheel does better on purpose, through a real server: one test or more per row of the
table in docs/migration.md, in its order.

Some rules are held more closely elsewhere: deadlines and sizes of bodies in `tests/api/test_edge`,
of heads in `tests/infra/test_http`, deletions over all namespaces in `tests/api/test_many`,
slots in `tests/domain/concurrency`, masking in `tests/streams/worker/test_masking`.
"""

from __future__ import annotations

import base64
import itertools
import json
import socket
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.rest import YAML, Refused, Rest, until
from tests.support.running import PASSWORD, USERNAME, Embedded, Running

pytestmark = pytest.mark.process

LOG = "io.kestra.plugin.core.log.Log"
RETURN = "io.kestra.plugin.core.debug.Return"
FLOW = "io.kestra.plugin.core.flow"
_numbers = itertools.count(1)


@pytest.fixture
def rest(server: Running) -> Rest:
    """The client of the shared server, once its index answers: a new one says 503 at first."""

    def answers() -> bool:
        found = server.rest.client.get("/executions/search").status_code
        assert found in {200, 503}
        return found == 200

    until(answers, "an index that answers")
    return server.rest


@pytest.fixture
def namespace() -> str:
    """A namespace of a test's own."""
    return f"better.test{next(_numbers)}"


def flow(namespace: str, flow_id: str, body: str = "") -> str:
    """Return a flow; without a body it has one task that does little."""
    small = f"tasks:\n  - {{id: a, type: {RETURN}, format: x}}\n"
    return f"id: {flow_id}\nnamespace: {namespace}\n{body or small}"


def message_of(answer: httpx.Response, status: int) -> str:
    """Check the status and shape of a refusal; return its message."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert set(body) == {"message", "logref", "path", "_links", "_embedded"}
    return str(body["message"])


def outputs_of(execution: dict[str, Any], task: str) -> dict[str, Any]:
    """Return the outputs of an execution's only run of a task."""
    [found] = [run for run in execution["taskRunList"] if run["taskId"] == task]
    outputs: dict[str, Any] = found["outputs"]
    return outputs


def some(rest: Rest, namespace: str, flow_id: str) -> list[dict[str, Any]]:
    """Return a flow's executions; none while the index changes under a search."""
    try:
        return rest.executions(namespace=namespace, flowId=flow_id)
    except Refused as refused:
        if refused.status == 503:
            return []
        raise


def began(rest: Rest, namespace: str, flow_id: str) -> bool:
    """Tell whether a flow has an execution."""
    return bool(some(rest, namespace, flow_id))


def ids_under(rest: Rest, namespace: str) -> list[str]:
    """Return the ids of a namespace's flows."""
    return sorted(item["id"] for item in rest.call("GET", f"/flows/{namespace}"))


# -- requests that are malformed, slow, half sent -----------------------------------------------


def all_of(connection: socket.socket) -> bytes:
    """Return everything until the other side closes; fails when it never does."""
    received = b""
    while part := connection.recv(1 << 16):
        received += part
    return received


def head(method: str, path: str, *lines: str) -> bytes:
    """Return the head of a request with credentials."""
    token = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    first = f"{method} {path} HTTP/1.1"
    every = [first, "Host: x", f"Authorization: Basic {token}", *lines, "", ""]
    return "\r\n".join(every).encode()


def test_a_body_that_comes_after_its_head_was_answered_404_disturbs_nobody(server: Running) -> None:
    body = b"x" * 100_000
    for path in ("/api/v1/main/flows/nowhere/at/all", "/api/v1/main/no-such-resource"):
        request = head("POST", path, f"Content-Length: {len(body)}")
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(request)
            answer = connection.recv(1 << 16)
            assert answer.split(b" ", 2)[1] in {b"400", b"404", b"405"}
            connection.sendall(body)
            connection.sendall(head("GET", "/api/v1/main/configs", "Connection: close"))
            assert b"HTTP/1.1 200" in all_of(connection)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server that has no patience, so that a test needs none."""
    limits = {"head_seconds": 0.2, "body_idle_seconds": 0.2, "body_seconds": 0.3}
    environment = {"TIDEWHEEL_API_LIMITS": json.dumps(limits)}
    with Embedded(tmp_path_factory.mktemp("hasty"), environment) as running:
        yield running


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"GET /api/v1/ma", b"408"),
        (b"POST /api/v1/main/flows HTTP/1.1\r\nHost: x\r\nContent-Ty", b"408"),
        (b"GET / HTTP/1.1\r\nX-A: " + b"a" * (1 << 18), b"431"),
        (b"GET /" + b"a" * (1 << 18), b"431"),
        (head("POST", "/api/v1/main/flows", "Content-Length: 1000") + b"id: a", b"408"),
        (head("POST", "/api/v1/main/flows", "Transfer-Encoding: chunked") + b"zz\r\n", b"400"),
        (head("POST", "/api/v1/main/flows", "Content-Length: -5") + b"x", b"400"),
        (bytes(range(256)), b"400"),
    ],
    ids=[
        "nothing",
        "half a line",
        "half a head",
        "an endless head",
        "an endless target",
        "half a body",
        "broken chunks",
        "a length below zero",
        "garbage",
    ],
)
def test_a_request_that_is_never_right_ends_by_itself(
    hasty: Running, sent: bytes, status: bytes
) -> None:
    for port in (hasty.port, *hasty.management.values()):
        if b"/flows" in sent and port != hasty.port:
            continue  # the management port has no bodies to wait for
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(sent)
            answer = all_of(connection)
        assert answer.partition(b" ")[2][:3] == status
        if status and port == hasty.port:
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["message"]
    assert hasty.rest.call("GET", "/flows/search")["total"] == 0


@pytest.mark.parametrize("more", [b"", b"half of it"], ids=["at once", "half way"])
def test_a_body_that_stops_behind_its_answer_does_not_hold_the_connection(
    hasty: Running, more: bytes
) -> None:
    request = head("POST", "/api/v1/main/flows/nowhere/at/all", "Content-Length: 1000")
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=30) as connection:
        connection.sendall(request)
        assert connection.recv(1 << 16)
        connection.sendall(more)
        assert b"HTTP/1.1" not in all_of(connection)


# -- concurrency --------------------------------------------------------------------------------


def held(rest: Rest, namespace: str) -> int:
    """Return how many slots of a namespace's flows are held: one is free a moment after an end."""
    limits = rest.call("GET", "/concurrency-limit/search")["results"]
    return sum(limit["running"] for limit in limits if limit["namespace"] == namespace)


def test_an_execution_rejected_by_concurrency_runs_nothing_and_holds_no_slot(
    rest: Rest, namespace: str
) -> None:
    rest.create_flow(
        flow(
            namespace,
            "one",
            f"""\
concurrency: {{limit: 1, behavior: FAIL}}
tasks:
  - {{id: hold, type: {FLOW}.Pause}}
errors:
  - {{id: wrong, type: {LOG}, message: wrong}}
afterExecution:
  - {{id: after, type: {LOG}, message: after}}
""",
        )
    )
    for _ in range(2):  # the second round needs the slot that the first gave back
        first = rest.run(namespace, "one")["id"]
        rest.comes_to(first, "PAUSED")
        for _ in range(3):
            rejected = rest.run(namespace, "one", wait=True)
            assert rejected["state"]["current"] == "FAILED"
            again = rest.execution(rejected["id"])
            assert [step["state"] for step in again["state"]["histories"]] == ["CREATED", "FAILED"]
            assert not again.get("taskRunList")
        rest.call("POST", f"/executions/{first}/resume")
        ended = rest.ended(first)
        assert ended["state"]["current"] == "SUCCESS"
        until(lambda: held(rest, namespace) == 0, "the slot being free")


# -- replay -------------------------------------------------------------------------------------


def test_a_replay_with_other_inputs_leaves_the_original_as_it_was(
    rest: Rest, namespace: str
) -> None:
    rest.create_flow(
        flow(
            namespace,
            "greet",
            "inputs:\n  - {id: name, type: STRING}\n"
            f"tasks:\n  - {{id: a, type: {RETURN}, format: 'hello {{{{ inputs.name }}}}'}}\n",
        )
    )
    before = rest.run(namespace, "greet", {"name": "Ada"}, wait=True)
    made = rest.call(
        "POST",
        f"/executions/{before['id']}/replay-with-inputs",
        files={"name": (None, "Grace")},
    )
    replayed = rest.ended(made["id"])
    assert (replayed["inputs"], outputs_of(replayed, "a")["value"]) == (
        {"name": "Grace"},
        "hello Grace",
    )
    after = rest.execution(before["id"])
    assert (after["inputs"], after["taskRunList"]) == ({"name": "Ada"}, before["taskRunList"])
    found = until(
        lambda: {
            item["id"]: item["inputs"]
            for item in some(rest, namespace, "greet")
            if item["state"]["current"] == "SUCCESS"
        }.get(before["id"]),
        "the original in the index",
    )
    assert found == {"name": "Ada"}


# -- webhooks -----------------------------------------------------------------------------------


def test_credentials_sent_to_a_webhook_are_stored_nowhere(server: Running, namespace: str) -> None:
    rest = server.rest
    rest.create_flow(
        flow(
            namespace,
            "hook",
            f"""\
triggers:
  - {{id: hook, type: io.kestra.plugin.core.trigger.Webhook, key: open-sesame}}
tasks:
  - id: a
    type: {RETURN}
    format: "{{{{ trigger.headers | toJson }}}}"
""",
        )
    )
    hidden = {
        "Authorization": "Bearer very-secret-token",
        "Proxy-Authorization": "Basic very-secret-token",
        "Cookie": "session=very-secret-token",
    }
    answer = httpx.post(
        f"{server.url}/api/v1/main/executions/webhook/{namespace}/hook/open-sesame",
        headers=hidden | {"X-Kind": "kept"},
        content=b"{}",
        trust_env=False,
    )
    ended = rest.ended(answer.json()["id"])
    headers = ended["trigger"]["variables"]["headers"]
    assert headers["Authorization"] == headers["Cookie"] == ["******"]
    assert headers["Proxy-Authorization"] == ["******"]
    assert headers["X-Kind"] == ["kept"]
    seen = json.dumps([ended, rest.events(ended["id"]), rest.logs(ended["id"])])
    assert "very-secret-token" not in seen


# -- flows in bulk ------------------------------------------------------------------------------


def test_bulk_deletes_nothing_elsewhere_unless_told_to(rest: Rest, namespace: str) -> None:
    rest.create_flow(flow(namespace, "there"))
    other = f"{namespace}.other"
    rest.call("POST", "/flows/bulk", content=flow(other, "new"), headers=YAML)
    assert (ids_under(rest, namespace), ids_under(rest, other)) == (["there"], ["new"])
    named = {"namespace": other}
    rest.call("POST", "/flows/bulk", params=named, content=flow(other, "next"), headers=YAML)
    assert (ids_under(rest, namespace), ids_under(rest, other)) == (["there"], ["next"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/flows/delete/by-ids"),
        ("POST", "/flows/disable/by-ids"),
        ("POST", "/flows/enable/by-ids"),
    ],
)
def test_one_missing_id_and_nothing_is_done_to_any_flow(
    rest: Rest, namespace: str, method: str, path: str
) -> None:
    switched = "disabled: true\n" if "enable" in path else "disabled: false\n"
    for name in ("a", "b"):
        rest.create_flow(flow(namespace, name) + switched)
    before = rest.call("GET", f"/flows/{namespace}")
    ids = [{"namespace": namespace, "id": name} for name in ("a", "missing", "b")]
    assert "Not Found" in message_of(rest.client.request(method, path, json=ids), 404)
    assert rest.call("GET", f"/flows/{namespace}") == before


def test_one_missing_id_and_nothing_is_done_to_any_execution(rest: Rest, namespace: str) -> None:
    rest.create_flow(flow(namespace, "small"))
    ended = rest.run(namespace, "small", wait=True)
    answer = rest.client.request("DELETE", "/executions/by-ids", json=[ended["id"], "missing"])
    assert answer.status_code == 400
    assert rest.state(ended["id"]) == "SUCCESS"


def test_an_import_checks_new_flows(rest: Rest, namespace: str) -> None:
    text = flow(namespace, "good") + "---\n" + flow(namespace, "wrong", "tasks: []\n")
    upload = {"fileUpload": ("flows.yaml", text.encode())}
    assert rest.call("POST", "/flows/import", files=upload) == ["flows.yaml(flow number: 1)"]
    assert ids_under(rest, namespace) == ["good"]


def test_a_key_written_twice_is_refused_with_its_place_when_validated_and_when_stored(
    rest: Rest, namespace: str
) -> None:
    source = flow(namespace, "twice") + "description: one\ndescription: two\n"
    [found] = rest.call("POST", "/flows/validate", content=source, headers=YAML)
    refused = message_of(rest.client.post("/flows", content=source, headers=YAML), 422)
    for text in (found["constraints"], refused):
        assert "description" in text
        assert "line: 6, column: " in text
    assert rest.client.get(f"/flows/{namespace}/twice").status_code == 404


# -- what belongs to what -----------------------------------------------------------------------


def test_a_parent_of_a_subflow_has_dependencies(rest: Rest, namespace: str) -> None:
    rest.create_flow(flow(namespace, "child"))
    task = f"{{id: call, type: {FLOW}.Subflow, namespace: {namespace}, flowId: child}}"
    rest.create_flow(flow(namespace, "parent", f"tasks:\n  - {task}\n"))
    for name in ("parent", "child"):
        graph = rest.call("GET", f"/flows/{namespace}/{name}/dependencies")
        assert [(edge["source"], edge["target"]) for edge in graph["edges"]] == [
            (f"main_{namespace}_parent", f"main_{namespace}_child")
        ]


def test_triggers_are_found_by_their_state(rest: Rest, namespace: str) -> None:
    kind = "io.kestra.plugin.core.trigger.Schedule"
    names = "".join(
        f"  - {{id: {name}, type: {kind}, cron: '0 0 1 1 *'}}\n" for name in ("first", "second")
    )
    rest.create_flow(flow(namespace, "timed") + f"triggers:\n{names}")

    def found(state: str) -> list[str]:
        filters = {
            "filters[namespace][EQUALS]": namespace,
            "filters[triggerState][EQUALS]": state,
        }
        page = rest.call("GET", "/triggers/search", params=filters)
        return sorted(item["triggerContext"]["triggerId"] for item in page["results"])

    until(lambda: found("ENABLED") == ["first", "second"], "both triggers")
    body = {
        "triggers": [{"namespace": namespace, "flowId": "timed", "triggerId": "second"}],
        "disabled": True,
    }
    assert rest.call("POST", "/triggers/set-disabled/by-triggers", json=body) == {"count": 1}
    until(lambda: (found("ENABLED"), found("DISABLED")) == (["first"], ["second"]), "one of each")


# -- executions ---------------------------------------------------------------------------------


def test_a_restart_of_parallel_working_directories_ends_every_time(
    rest: Rest, namespace: str
) -> None:
    blocks = "".join(
        f"""\
      - id: folder{number}
        type: {FLOW}.WorkingDirectory
        tasks:
          - {{id: one{number}, type: {RETURN}, format: "{number}"}}
          - {{id: two{number}, type: {RETURN}, format: "{{{{ kv('go{number}') }}}}"}}
"""
        for number in range(4)
    )
    body = f"tasks:\n  - id: together\n    type: {FLOW}.Parallel\n    tasks:\n{blocks}"
    rest.create_flow(flow(namespace, "folders", body))
    ended = rest.run(namespace, "folders", wait=True)
    for number in range(4):
        assert ended["state"]["current"] == "FAILED"
        rest.call("PUT", f"/namespaces/{namespace}/kv/go{number}", content=f'"{number}"')
        rest.call("POST", f"/executions/{ended['id']}/restart")
        ended = rest.ended(ended["id"])
    assert ended["state"]["current"] == "SUCCESS"
    assert {run["state"]["current"] for run in ended["taskRunList"]} == {"SUCCESS"}


def test_random_int_takes_numbers_from_anywhere(rest: Rest, namespace: str) -> None:
    rest.create_flow(
        flow(
            namespace,
            "dice",
            "variables: {low: 3, high: 4}\n"
            "inputs:\n  - {id: high, type: INT, defaults: 4}\n"
            f"tasks:\n  - id: a\n    type: {RETURN}\n    format: >-\n"
            "      {{ randomInt(vars.low, vars.high) }}"
            " {{ randomInt(vars.low, inputs.high) }} {{ randomInt(3, 4) }}\n",
        )
    )
    ended = rest.run(namespace, "dice", wait=True)
    assert outputs_of(ended, "a")["value"] == "3 3 3"


def test_a_flow_trigger_is_active_as_soon_as_its_flow_is_stored(rest: Rest, namespace: str) -> None:
    rest.create_flow(flow(namespace, "upstream"))
    for number in range(5):
        listener = f"listener{number}"
        rest.create_flow(
            flow(namespace, listener)
            + f"""\
triggers:
  - id: after
    type: io.kestra.plugin.core.trigger.Flow
    conditions:
      - type: io.kestra.plugin.core.condition.ExecutionFlow
        namespace: {namespace}
        flowId: upstream
"""
        )
        rest.run(namespace, "upstream", wait=True)
        until(partial(began, rest, namespace, listener), f"an execution of {listener}")


def test_doubles_are_kept_as_written(rest: Rest, namespace: str) -> None:
    doubles = {"large": 1.0e10, "whole": 3.0, "small": 1.0e-7, "fine": 0.1, "long": 123456789.123}
    written = {"large": "1.0E10", "whole": "3.0", "small": "1.0E-7", "fine": "0.1"}
    lines = "".join(f"  {name}: {value!r}\n" for name, value in doubles.items())
    shown = " ".join(f"{{{{ vars.{name} }}}}" for name in written)
    rest.create_flow(
        flow(
            namespace,
            "numbers",
            f"variables:\n{lines}inputs:\n  - {{id: data, type: JSON}}\n"
            f"tasks:\n  - {{id: a, type: {RETURN}, format: '{shown}'}}\n",
        )
    )
    stored = rest.call("GET", f"/flows/{namespace}/numbers")["variables"]
    ended = rest.run(namespace, "numbers", {"data": json.dumps(doubles)}, wait=True)
    assert outputs_of(ended, "a")["value"] == " ".join(written.values())
    found = until(
        lambda: (
            [
                item
                for item in some(rest, namespace, "numbers")
                if item["state"]["current"] == "SUCCESS"
            ]
            or None
        ),
        "the execution in the index",
    )
    for values in (
        stored,
        rest.execution(ended["id"])["inputs"]["data"],
        found[0]["inputs"]["data"],
    ):
        assert values == doubles
        assert all(isinstance(value, float) for value in values.values())


# -- answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/executions/search?filters[startDate][GREATER_THAN]=yesterday", "startDate"),
        ("/executions/search?filters[endDate][LESS_THAN]=2024-13-01", "endDate"),
        ("/executions/search?startDate=yesterday", "startDate"),
        ("/executions/search?filters[timeRange][EQUALS]=long", "duration: long"),
        ("/logs/search?filters[startDate][GREATER_THAN]=never", "startDate"),
        ("/logs/search?endDate=never", "endDate"),
        ("/kv?filters[updated][GREATER_THAN]=never", "updated"),
        ("/kv?filters[expirationDate][GREATER_THAN]=never", "expirationDate"),
    ],
)
def test_an_unreadable_date_in_a_filter_is_a_422_that_names_it(
    rest: Rest, path: str, name: str
) -> None:
    assert name in message_of(rest.client.get(path), 422)


def test_an_unreadable_time_to_live_is_a_422_that_names_it_and_stores_nothing(
    rest: Rest, namespace: str
) -> None:
    path = f"/namespaces/{namespace}/kv/key"
    for ttl in ("10 minutes", "soon", "P", "P99999999999D"):
        answer = rest.client.put(path, content='"x"', headers={"ttl": ttl})
        assert "ttl" in message_of(answer, 422)
    assert rest.client.get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/executions/search", "/flows/search", "/logs/search", "/triggers/search", "/kv"]
)
def test_a_page_has_at_most_10000_entries(rest: Rest, path: str) -> None:
    assert rest.client.get(path, params={"size": 10_000}).status_code == 200
    assert "size" in message_of(rest.client.get(path, params={"size": 10_001}), 422)


@pytest.mark.parametrize("what", ["executions/missing/follow", "logs/missing/follow"])
def test_whoever_follows_an_unknown_execution_hears_so_at_once(rest: Rest, what: str) -> None:
    answer = rest.client.get(f"/{what}", headers={"accept": "text/event-stream"})
    assert "Not Found" in message_of(answer, 404)


# -- secrets ------------------------------------------------------------------------------------


def test_parts_taken_out_of_a_json_secret_are_masked(tmp_path: Path) -> None:
    parts = {"user": "ada", "password": "correct-horse", "deep": {"pins": [12345678]}}
    secret = base64.b64encode(json.dumps(parts).encode()).decode()
    with Embedded(tmp_path, {"SECRET_VAULT": secret}) as running:
        rest = running.rest
        taken = "{{ secret('VAULT', subkey='password') }}"
        first = "{{ secret('VAULT') | jq('.deep.pins[0]') | first }}"
        name = "{{ secret('VAULT') | jq('.user') | first }}"
        rest.create_flow(
            flow(
                "better.secrets",
                "tell",
                f'tasks:\n  - {{id: a, type: {LOG}, message: "{taken} {first} {name}"}}\n',
            )
        )
        ended = rest.run("better.secrets", "tell", wait=True)
        assert ended["state"]["current"] == "SUCCESS"
        said = until(
            lambda: [line for line in rest.logs(ended["id"]) if line.endswith("ada")] or None,
            "the line",
        )
        assert said == ["****** ****** ada"]
