"""Executions over HTTP: begun, read, followed, acted on."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, cast

import pytest
from litestar.routes import HTTPRoute

from domain.execution import commands as c
from domain.execution import events as e
from domain.execution.lifecycle import StateType
from domain.flow.checker import RESERVED_IDS
from domain.log import Level
from domain.record.codec import tag_of
from tests.support.api_world import HELLO, ApiClient, World

pytestmark = pytest.mark.anyio

YAML = {"content-type": "application/x-yaml"}
ROOT = "/api/v1/main/executions"
RUN = f"{ROOT}/gold.team/hello"
FILES = """\
id: filed
namespace: gold.team
inputs:
  - {id: data, type: FILE}
  - {id: n, type: INT, min: 1}
tasks:
  - {id: say, type: io.kestra.plugin.core.log.Log, message: x}
"""


@pytest.fixture
async def flow(client: ApiClient) -> None:
    for source in (HELLO, FILES):
        assert (await client.post("/api/v1/main/flows", content=source, headers=YAML)).is_success


async def begin(client: ApiClient, **more: Any) -> str:
    answer = await client.post(RUN, **more)
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["id"]
    return found


@pytest.mark.usefixtures("flow")
class TestCreate:
    """Beginning an execution."""

    async def test_the_answer_shows_the_execution_as_of_its_creation(
        self, client: ApiClient
    ) -> None:
        body = (await client.post(RUN)).json()
        execution_id = body["id"]
        date = body["state"]["startDate"]
        assert list(body) == [
            "id",
            "namespace",
            "flowId",
            "flowRevision",
            "inputs",
            "labels",
            "state",
            "originalId",
            "deleted",
            "metadata",
            "url",
        ]
        assert body["inputs"] == {"name": "World"}
        assert body["labels"] == [
            {"key": "team", "value": "gold"},
            {"key": "system.from", "value": "api"},
            {"key": "system.correlationId", "value": execution_id},
        ]
        assert body["state"] == {
            "current": "CREATED",
            "histories": [{"state": "CREATED", "date": date}],
            "startDate": date,
        }
        assert body["url"] == f"/ui/main/executions/gold.team/hello/{execution_id}"

    async def test_it_can_be_read_at_once(self, client: ApiClient) -> None:
        execution_id = await begin(client)
        body = (await client.get(f"{ROOT}/{execution_id}")).json()
        assert body["state"]["current"] == "RUNNING"
        assert body["taskRunList"][0]["taskId"] == "say"
        assert body["taskRunList"][0]["outputs"] is None
        assert "url" not in body

    async def test_inputs_labels_and_the_rest_come_with_the_request(
        self, client: ApiClient, world: World
    ) -> None:
        query = (
            "labels=a:b&labels=c:d:e&labels=system.correlationId:mine&kind=TEST"
            "&scheduleDate=2099-01-02T03:04:05Z&breakpoints=say,other.value"
        )
        body = (await client.post(f"{RUN}?{query}", files={"name": (None, "Ada")})).json()
        assert body["inputs"] == {"name": "Ada"}
        assert body["labels"] == [
            {"key": "team", "value": "gold"},
            {"key": "a", "value": "b"},
            {"key": "c", "value": "d:e"},
            {"key": "system.correlationId", "value": "mine"},
            {"key": "system.from", "value": "api"},
        ]
        assert body["kind"] == "TEST"
        assert body["scheduleDate"] == "2099-01-02T03:04:05Z"
        assert body["breakpoints"] == [{"id": "say"}, {"id": "other", "value": "value"}]
        [command] = world.commands
        assert command.issuer == "root@root.com"

    @pytest.mark.parametrize("path", [RUN, f"{ROOT}/trigger/gold.team/hello"])
    async def test_an_empty_form_is_as_good_as_no_body(self, client: ApiClient, path: str) -> None:
        headers = {"content-type": "multipart/form-data; boundary=b"}
        answer = await client.post(path, content=b"--b--\r\n", headers=headers)
        assert answer.status_code == 200

    async def test_what_cannot_be_read_of_the_optional_is_left_out(self, client: ApiClient) -> None:
        answer = await client.post(f"{RUN}?wait=perhaps&scheduleDate=tomorrow&kind=NOPE")
        assert answer.status_code == 200
        assert not {"kind", "scheduleDate"} & answer.json().keys()

    @pytest.mark.parametrize(
        ("query", "status", "message"),
        [
            (
                "?labels=nocolon",
                422,
                "Unprocessable Entity: Can't split the queryString parameter by ':'",
            ),
            ("?labels=system.x:y", 422, "Illegal argument: System labels can only be set by"),
            ("?labels=k:1&labels=k:2", 422, "Illegal argument: Duplicate key k"),
            ("?labels=:v", 422, "Illegal argument: The key and the value of a label"),
            ("?revision=9", 404, "Not Found: Requested Flow is not found."),
            ("?revision=x", 422, "Internal server error: Failed to convert argument [revision]"),
        ],
    )
    async def test_a_wrong_request_begins_nothing(
        self, client: ApiClient, world: World, query: str, status: int, message: str
    ) -> None:
        answer = await client.post(RUN + query)
        assert answer.status_code == status
        assert answer.json()["message"].startswith(message)
        assert world.commands == []

    async def test_a_missing_flow_is_a_404_and_a_disabled_one_a_409(
        self, client: ApiClient
    ) -> None:
        assert (await client.post(f"{ROOT}/gold.team/none")).status_code == 404
        off = HELLO.replace("id: hello", "id: switched") + "disabled: true\n"
        await client.post("/api/v1/main/flows", content=off, headers=YAML)
        answer = await client.post(f"{ROOT}/gold.team/switched")
        assert answer.status_code == 409
        assert answer.json()["message"] == "Illegal state: Requested Flow is disabled."

    async def test_every_path_of_an_execution_takes_a_post_since_a_flow_may_be_called_so(
        self, client: ApiClient
    ) -> None:
        words: dict[str, set[str]] = {}
        for route in client.app.routes:
            found = re.fullmatch(r"/api/v1/executions/\{[^/]*\}/([a-z-]+)", route.path)
            if found:
                methods = words.setdefault(found[1], set())
                methods |= cast("HTTPRoute", route).methods
        assert {"file", "graph", "restart"} <= set(words)
        closed = {word for word, methods in words.items() if "POST" not in methods}
        assert closed <= set(RESERVED_IDS), "no flow can have these ids"

    @pytest.mark.parametrize(
        "word", ["events", "file", "flow", "follow", "follow-dependencies", "graph"]
    )
    async def test_a_flow_may_be_called_like_a_part_of_an_execution(
        self, client: ApiClient, word: str
    ) -> None:
        source = HELLO.replace("id: hello", f"id: {word}")
        assert (await client.post("/api/v1/main/flows", content=source, headers=YAML)).is_success
        answer = await client.post(f"{ROOT}/gold.team/{word}")
        assert answer.status_code == 200, answer.text
        assert answer.json()["flowId"] == word

    async def test_a_json_body_is_a_415(self, client: ApiClient) -> None:
        answer = await client.post(RUN, json={"name": "x"})
        assert answer.status_code == 415
        assert answer.json()["message"] == (
            "Unsupported Media Type: Content Type [application/json] not allowed. "
            "Allowed types: [multipart/form-data]"
        )

    async def test_a_file_goes_into_storage_under_the_execution(
        self, client: ApiClient, world: World
    ) -> None:
        files: Any = {"data": ("a/b\\c.csv", b"1,2\n", "text/csv"), "n": (None, "3")}
        body = (await client.post(f"{ROOT}/gold.team/filed", files=files)).json()
        uri = f"kestra:///gold/team/filed/executions/{body['id']}/inputs/data/c.csv"
        assert body["inputs"] == {"data": uri, "n": 3}
        assert world.blobs.files == {uri: b"1,2\n"}

    async def test_wrong_inputs_store_no_file_and_begin_nothing(
        self, client: ApiClient, world: World
    ) -> None:
        files: Any = {"data": ("c.csv", b"1,2\n"), "n": (None, "0")}
        answer = await client.post(f"{ROOT}/gold.team/filed", files=files)
        assert answer.status_code == 422
        assert answer.json()["message"] == (
            "Invalid entity: Invalid value for input `n`. Cause: it must be more than `1`"
        )
        assert (world.blobs.files, world.commands) == ({}, [])

    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            (b"--b\r\nContent-Disposition: form-data", "multipart/form-data; boundary=b"),
            (b"garbage", "multipart/form-data; boundary=b"),
            (b"--b--\r\n", "multipart/form-data"),
            (
                b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\r\n--b--\r\n',
                "multipart/form-data; boundary=b",
            ),
        ],
        ids=["cut off", "no form", "no boundary", "no text"],
    )
    async def test_a_broken_form_is_a_422(
        self, client: ApiClient, content: bytes, kind: str
    ) -> None:
        answer = await client.post(RUN, content=content, headers={"content-type": kind})
        assert answer.status_code == 422
        assert answer.json()["message"].startswith("Unprocessable Entity: ")

    async def test_validation_lists_every_input_and_begins_nothing(
        self, client: ApiClient, world: World
    ) -> None:
        files = {"n": (None, "0")}
        body = (await client.post(f"{ROOT}/gold.team/filed/validate", files=files)).json()
        assert body["id"] == "filed"
        data, number = body["inputs"]
        assert data["errors"] == [{"message": "Missing required input:data"}]
        assert number["errors"] != []
        assert world.commands == []

    async def test_wait_answers_when_the_execution_has_ended(
        self, client: ApiClient, world: World
    ) -> None:
        waiting = asyncio.create_task(client.post(f"{RUN}?wait=true"))
        await world.until(lambda: world.window._waiters)
        world.finish(world.commands[0].execution_id)
        body = (await waiting).json()
        assert body["state"]["current"] == "SUCCESS"
        assert body["taskRunList"][0]["outputs"] == {}


@pytest.mark.usefixtures("flow")
class TestRead:
    """Looking at executions."""

    async def test_a_missing_execution_is_a_404(self, client: ApiClient) -> None:
        for path in ("", "/graph", "/flow", "/events", "/follow"):
            assert (await client.get(f"{ROOT}/none{path}")).status_code == 404

    async def test_what_the_window_has_lost_comes_from_the_index(
        self, client: ApiClient, world: World
    ) -> None:
        execution_id = await begin(client)
        world.finish(execution_id)
        before = (await client.get(f"{ROOT}/{execution_id}")).json()
        world.index()
        world.window._executions.clear()
        assert (await client.get(f"{ROOT}/{execution_id}")).json() == before

    async def test_an_ended_execution_has_dates_and_a_duration(
        self, client: ApiClient, world: World
    ) -> None:
        execution_id = await begin(client)
        world.finish(execution_id)
        state = (await client.get(f"{ROOT}/{execution_id}")).json()["state"]
        assert list(state) == ["current", "histories", "duration", "startDate", "endDate"]
        assert [entry["state"] for entry in state["histories"]] == [
            "CREATED",
            "RUNNING",
            "SUCCESS",
        ]
        assert state["duration"].startswith("PT0.")

    async def test_search_finds_by_filters_of_both_generations(
        self, client: ApiClient, world: World
    ) -> None:
        first, second = await begin(client), await begin(client)
        world.finish(first)
        world.index()
        for query in ("filters%5Bstate%5D%5BEQUALS%5D=SUCCESS", "state=SUCCESS,FAILED"):
            found = (await client.get(f"{ROOT}/search?{query}")).json()
            assert [item["id"] for item in found["results"]] == [first]
            assert "taskRunList" in found["results"][0]
        found = (await client.get(f"{ROOT}/search?sort=state.startDate:asc&size=1")).json()
        assert ([item["id"] for item in found["results"]], found["total"]) == ([first], 2)
        found = (await client.get(f"{ROOT}?namespace=gold.team&flowId=hello&size=1")).json()
        assert found["results"][0]["id"] == second
        answer = await client.get(f"{ROOT}?namespace=gold.team")
        assert answer.json()["message"] == (
            "Bad Request: Required QueryValue [flowId] not specified"
        )

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ("state=NOPE", "Internal server error: Failed to convert argument [state]"),
            ("filters[state][EQUALS]=NOPE", "Illegal argument: No enum constant"),
            ("filters[startDate][GREATER_THAN]=yesterday", "Illegal argument: "),
            ("filters[timeRange][EQUALS]=1%20hour", "Illegal argument: Invalid duration: 1 hour"),
            ("startDate=2026-01-01T00:00:00Z&timeRange=PT1H", "Illegal argument: Parameters "),
            ("sort=nosuch:asc", "Unprocessable Entity: Invalid sort field: nosuch"),
        ],
    )
    async def test_a_wrong_query_is_a_422(
        self, client: ApiClient, query: str, message: str
    ) -> None:
        answer = await client.get(f"{ROOT}/search?{query}")
        assert answer.status_code == 422
        assert answer.json()["message"].startswith(message)

    async def test_the_last_execution_of_each_flow(self, client: ApiClient, world: World) -> None:
        await begin(client)
        last = await begin(client)
        world.index()
        body = [{"namespace": "gold.team", "id": "hello"}, {"namespace": "x", "id": "none"}]
        [found] = (await client.post(f"{ROOT}/latest", json=body)).json()
        assert (found["id"], found["status"]) == (last, "RUNNING")

    async def test_the_event_stream_is_paged_by_sequence(
        self, client: ApiClient, world: World
    ) -> None:
        execution_id = await begin(client)
        world.finish(execution_id)
        seen: list[str] = []
        start: int | None = 1
        while start is not None:
            page = (await client.get(f"{ROOT}/{execution_id}/events?from={start}&size=3")).json()
            assert [item["sequence"] for item in page["results"]] == list(
                range(start, start + len(page["results"]))
            )
            seen += [item["event"]["type"] for item in page["results"]]
            assert page["total"] == 7
            start = page["next"]
        assert seen == [
            "execution.created",
            "execution.started",
            "taskrun.created",
            "taskrun.submitted",
            "taskrun.ended",
            "execution.ended",
            "execution.closed",
        ]

    async def test_expressions_are_rendered_as_the_execution_sees_them(
        self, client: ApiClient
    ) -> None:
        execution_id = await begin(client)
        url = f"{ROOT}/{execution_id}/eval"
        text = {"content-type": "text/plain"}
        answer = await client.post(url, content="{{ inputs.name }} {{ flow.id }}", headers=text)
        assert answer.json() == {"result": "World hello"}
        answer = await client.post(
            f"{url}/{execution_id}run", content="{{ task.id }}", headers=text
        )
        assert answer.json() == {"result": "say"}
        answer = await client.post(url, content="{{ (", headers=text)
        assert answer.status_code == 200
        assert answer.json().keys() == {"error", "stackTrace"}
        answer = await client.post(url, json="x")
        assert answer.status_code == 415


def data_of(stream: str) -> list[tuple[str, Any]]:
    blocks = [block.split("\n") for block in stream.strip().split("\n\n")]
    return [
        (block[0].removeprefix("id: "), json.loads(block[1].removeprefix("data: ")))
        for block in blocks
    ]


@pytest.mark.usefixtures("flow")
class TestFollow:
    """Event streams."""

    async def test_an_ended_execution_is_start_and_end(
        self, client: ApiClient, world: World
    ) -> None:
        execution_id = await begin(client)
        world.finish(execution_id)
        answer = await client.get(f"{ROOT}/{execution_id}/follow")
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-cache"
        start, end = data_of(answer.text)
        assert start[0] == "start"
        assert start[1].keys() == {"id", "labels", "originalId", "deleted", "metadata"}
        assert (end[0], end[1]["state"]["current"]) == ("end", "SUCCESS")

    async def test_a_running_execution_is_sent_whenever_it_moves(
        self, client: ApiClient, world: World
    ) -> None:
        execution_id = await begin(client)
        following = asyncio.create_task(client.get(f"{ROOT}/{execution_id}/follow"))
        await world.until(lambda: world.window._waiters)
        world.finish(execution_id)
        events = data_of((await following).text)
        assert events[0][0] == "start"
        assert {name for name, _ in events[1:-1]} <= {"progress"}
        assert events[-1][0] == "end"

    async def test_logs_follow_what_was_said_and_what_is_said(
        self, client: ApiClient, world: World
    ) -> None:
        from api.controllers.logs import Wanted, log_events
        from api.parameters import Parameters

        execution_id = await begin(client)
        world.say(execution_id, "before")
        own = client.app.state["context"]
        stream: Any = log_events(own, execution_id, Wanted(Parameters(b"minLevel=INFO")))
        assert await anext(stream) == b'id: start\ndata: {"attemptNumber":null}\n\n'
        assert b'"message":"before"' in await anext(stream)
        pending = asyncio.ensure_future(anext(stream))
        await world.until(lambda: own.live_logs.followers)
        world.say(execution_id, "quiet", Level.DEBUG)
        world.say(execution_id, "after")
        assert b'"message":"after"' in await pending
        await stream.aclose()
        assert own.live_logs.followers == 0

    async def test_silence_is_broken_by_comments_and_the_client_may_leave(self) -> None:
        from api.sse import PING, EventStream

        async def silent() -> Any:
            yield b"id: start\ndata: {}\n\n"
            await asyncio.Event().wait()

        sent: list[Any] = []
        gone = asyncio.Event()

        async def send(message: Any) -> None:
            sent.append(message)
            if message.get("body") == PING:
                gone.set()

        async def receive() -> Any:
            await gone.wait()
            return {"type": "http.disconnect"}

        scope: Any = {}
        await EventStream(silent(), 0.01, 60)(scope, receive, send)
        assert [message.get("body") for message in sent[1:3]] == [b"id: start\ndata: {}\n\n", PING]


@pytest.mark.usefixtures("flow")
class TestActions:
    """Doing something to executions."""

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("DELETE", "kill", 202),
            ("DELETE", "actions/kill", 200),
            ("POST", "pause", 200),
            ("POST", "actions/pause", 200),
        ],
    )
    async def test_the_path_tells_the_dialect_of_the_answer(
        self, client: ApiClient, method: str, path: str, status: int
    ) -> None:
        execution_id = await begin(client)
        answer = await client.request(method, f"{ROOT}/{execution_id}/{path}")
        assert answer.status_code == status
        if path.startswith("actions/"):
            assert answer.json()["id"] == execution_id
        else:
            assert answer.content == b""
            assert "content-type" not in answer.headers

    async def test_killing_a_finished_execution_is_accepted(
        self, client: ApiClient, world: World
    ) -> None:
        execution_id = await begin(client)
        world.finish(execution_id)
        assert (await client.delete(f"{ROOT}/{execution_id}/kill")).status_code == 202
        url = f"{ROOT}/{execution_id}/kill?isOnKillCascade=false"
        assert (await client.delete(url)).status_code == 409

    @pytest.mark.parametrize(
        ("path", "status", "message"),
        [
            ("pause", 422, "Illegal argument: The execution is not running"),
            ("resume", 409, "Illegal state: Execution '{}' is not paused, can't resume it"),
            ("restart", 422, "Illegal argument: No task found to restart execution from!"),
            ("resume-from-breakpoint", 409, "Illegal state: Execution is not suspended"),
            (
                "unqueue?state=RUNNING",
                422,
                "Illegal argument: Only QUEUED execution can be unqueued",
            ),
            (
                "force-run",
                422,
                "Illegal argument: Only non terminated executions can be forced run.",
            ),
            ("change-status", 400, "Bad Request: Required QueryValue [status] not specified"),
            (
                "change-status?status=RUNNING",
                422,
                (
                    "Illegal argument: You can only change the state of an execution to a terminal "
                    "state."
                ),
            ),
            (
                "replay?taskRunId=none",
                422,
                "Illegal argument: No task found to restart execution from!",
            ),
        ],
    )
    async def test_an_ended_execution_refuses_in_the_words_clients_know(
        self, client: ApiClient, world: World, path: str, status: int, message: str
    ) -> None:
        execution_id = await begin(client)
        world.finish(execution_id)
        answer = await client.post(f"{ROOT}/{execution_id}/{path}")
        assert answer.status_code == status
        assert answer.json()["message"] == message.format(execution_id)

    async def test_labels_need_an_ended_execution_and_replace_the_old_ones(
        self, client: ApiClient, world: World
    ) -> None:
        execution_id = await begin(client)
        url = f"{ROOT}/{execution_id}/labels"
        body = [{"key": "x", "value": "y"}]
        answer = await client.post(url, json=body)
        assert (answer.status_code, answer.text) == (400, "The execution is not terminated")
        world.finish(execution_id)
        assert (await client.post(url, json=body)).json()["labels"] == body
        answer = await client.post(url, json=[*body, {"key": "x", "value": "z"}])
        assert answer.status_code == 409
        assert answer.json()["message"] == (
            "Illegal state: Duplicate key x (attempted merging values y and z)"
        )
        answer = await client.post(url, json=[{"key": "x", "value": ""}])
        assert answer.status_code == 422
        assert answer.json()["_embedded"]["errors"][0]["path"] == (
            "setLabelsOnTerminatedExecution.labels[0].value"
        )

    async def test_a_refusal_of_the_executor_is_told(self, client: ApiClient, world: World) -> None:
        def refuse(_: World, command: c.ExecutionCommand) -> list[e.ExecutionEvent]:
            return [e.CommandRejected(command=tag_of(command), code="EXEC006", message="too late")]

        execution_id = await begin(client)
        world.step = refuse
        answer = await client.post(f"{ROOT}/{execution_id}/pause")
        assert answer.status_code == 409
        assert answer.json()["message"] == "Illegal state: too late"

    async def test_a_silent_executor_is_a_503(self, world: World, client: ApiClient) -> None:
        from domain.errors import LogUnavailable

        class Silent:
            async def submit(self, command: Any, timeout: float = 0) -> Any:  # noqa: ASYNC109
                raise LogUnavailable("no executor answered within 10 s")

        execution_id = await begin(client)
        client.app.state["context"].ports.__dict__["gateway"] = Silent()
        answer = await client.post(f"{ROOT}/{execution_id}/pause")
        assert answer.status_code == 503

    async def test_a_restart_answers_as_of_the_restart(
        self, client: ApiClient, world: World
    ) -> None:
        execution_id = await begin(client)
        world.finish(execution_id, StateType.FAILED)
        body = (await client.post(f"{ROOT}/{execution_id}/restart")).json()
        assert body["state"]["current"] == "RESTARTED"
        after = (await client.get(f"{ROOT}/{execution_id}")).json()
        assert after["state"]["current"] == "RUNNING"

    async def test_bulk_does_all_or_nothing(self, client: ApiClient, world: World) -> None:
        running, ended = await begin(client), await begin(client)
        world.finish(ended)
        url = f"{ROOT}/kill/by-ids"
        answer = await client.request("DELETE", url, json=[running, ended, "none"])
        assert answer.status_code == 400
        body = answer.json()
        assert body["message"] == "invalid bulk kill"
        assert [(item["message"], item["invalidValue"]) for item in body["invalids"]] == [
            ("execution already finished", ended),
            ("execution not found", "none"),
        ]
        assert body["invalids"][0].keys() == {
            "message",
            "rootBean",
            "rootBeanClass",
            "leafBean",
            "propertyPath",
            "invalidValue",
            "executableParameters",
            "messageTemplate",
        }
        state = (await client.get(f"{ROOT}/{running}")).json()["state"]["current"]
        assert state == "RUNNING"
        assert (await client.request("DELETE", url, json=[running])).json() == {"count": 1}
        assert (await client.request("DELETE", url, json=[])).json() == {"count": 0}

    async def test_what_a_stale_index_finds_is_held_against_what_is(
        self, client: ApiClient, world: World
    ) -> None:
        first, second = await begin(client), await begin(client)
        world.index()
        world.finish(first)
        query = "filters%5Bstate%5D%5BEQUALS%5D=RUNNING"
        answer = await client.delete(f"{ROOT}/kill/by-query?{query}")
        assert answer.json() == {"count": 1}
        assert world.commands[-1].execution_id == second

    async def test_deletion_needs_an_end_unless_that_is_waived(
        self, client: ApiClient, world: World
    ) -> None:
        execution_id = await begin(client)
        url = f"{ROOT}/by-ids"
        answer = await client.request("DELETE", url, json=[execution_id])
        assert answer.status_code == 400
        answer = await client.request(
            "DELETE", f"{url}?includeNonTerminated=true&deleteLogs=false", json=[execution_id]
        )
        assert answer.json() == {"count": 1}
        command = world.commands[-1]
        assert isinstance(command, c.DeleteExecution)
        assert (command.delete_logs, command.delete_storage) == (False, True)
        assert (await client.get(f"{ROOT}/{execution_id}")).status_code == 404

    async def test_a_body_of_another_shape_is_a_422(self, client: ApiClient) -> None:
        execution_id = await begin(client)
        body = {"taskRunId": "x", "state": "NOPE"}
        answer = await client.post(f"{ROOT}/{execution_id}/state", json=body)
        assert answer.status_code == 422
        assert answer.json()["message"] == "Invalid json mapping"
        answer = await client.post(f"{ROOT}/latest", headers={"content-type": "application/json"})
        assert answer.json()["message"] == (
            "Invalid route params: Required Body [flowFilters] not specified"
        )


@pytest.mark.usefixtures("flow")
class TestFiles:
    """Files of executions."""

    async def test_a_file_is_downloaded_measured_and_previewed(
        self, client: ApiClient, world: World
    ) -> None:
        files: Any = {"data": ("data.csv", b"id,name\n1,ada\n2,grace\n"), "n": (None, "3")}
        body = (await client.post(f"{ROOT}/gold.team/filed", files=files)).json()
        url = f"{ROOT}/{body['id']}/file"
        path = {"path": body["inputs"]["data"]}
        answer = await client.get(url, params=path)
        assert answer.content == b"id,name\n1,ada\n2,grace\n"
        assert answer.headers["content-disposition"] == (
            "attachment; filename=\"data.csv\"; filename*=utf-8''data.csv"
        )
        assert (await client.get(f"{url}/metas", params=path)).json() == {"size": 22}
        shown = (await client.get(f"{url}/preview", params=path | {"maxRows": 1})).json()
        assert shown == {
            "extension": "csv",
            "type": "TEXT",
            "content": "id,name\n",
            "maxLine": 1,
            "truncated": True,
        }
        answer = await client.get(f"{url}/preview", params=path | {"encoding": "NOPE"})
        assert answer.status_code == 422

    async def test_a_file_of_another_execution_is_pointed_at(self, client: ApiClient) -> None:
        mine = await begin(client)
        uri = "kestra:///gold/team/filed/executions/Other1/inputs/data/x.csv"
        answer = await client.get(
            f"{ROOT}/{mine}/file", params={"path": uri}, follow_redirects=False
        )
        assert answer.status_code == 301
        assert answer.headers["location"] == f"{ROOT}/Other1/file?path={uri}"

    @pytest.mark.parametrize(
        "path",
        [
            "file:///etc/passwd",
            "/etc/passwd",
            "kestra:///gold/team/hello/executions/{}/../../../x",
            "kestra:///elsewhere/x.csv",
        ],
    )
    async def test_no_path_leads_out_of_the_execution(self, client: ApiClient, path: str) -> None:
        mine = await begin(client)
        answer = await client.get(f"{ROOT}/{mine}/file", params={"path": path.format(mine)})
        assert answer.status_code == 422


@pytest.mark.usefixtures("flow")
class TestLogs:
    """What tasks say."""

    async def test_lines_are_there_before_the_index_has_seen_them(
        self, client: ApiClient, world: World
    ) -> None:
        execution_id = await begin(client)
        world.say(execution_id, "one")
        world.index()
        world.say(execution_id, "two", Level.ERROR, task_run_id="r2", attempt=1)
        url = f"/api/v1/main/logs/{execution_id}"
        lines = (await client.get(url)).json()
        assert [line["message"] for line in lines] == ["one", "two"]
        assert list(lines[0]) == [
            "namespace",
            "flowId",
            "taskId",
            "executionId",
            "attemptNumber",
            "timestamp",
            "level",
            "thread",
            "message",
        ]
        for query in ("minLevel=ERROR", "taskRunId=r2&attempt=1"):
            [line] = (await client.get(f"{url}?{query}")).json()
            assert line["message"] == "two"
        text = (await client.get(f"{url}/download")).text.splitlines()
        assert text[1].endswith("Z ERROR two")
        assert (await client.get(f"{url}?minLevel=LOUD")).status_code == 422

    async def test_deleted_lines_are_gone_at_once_and_for_good(
        self, client: ApiClient, world: World
    ) -> None:
        execution_id = await begin(client)
        world.say(execution_id, "one")
        world.say(execution_id, "two", Level.ERROR)
        url = f"/api/v1/main/logs/{execution_id}"
        assert (await client.delete(f"{url}?minLevel=ERROR")).content == b""
        assert [line["message"] for line in (await client.get(url)).json()] == ["one"]
        world.index()
        assert [line["message"] for line in (await client.get(url)).json()] == ["one"]
        found = (await client.get("/api/v1/main/logs/search")).json()
        assert found["total"] == 1

    async def test_a_missing_execution_has_no_lines_and_no_file(self, client: ApiClient) -> None:
        assert (await client.get("/api/v1/main/logs/none")).json() == []
        assert (await client.get("/api/v1/main/logs/none/download")).status_code == 404
        assert (await client.get("/api/v1/main/logs/none/follow")).status_code == 404
