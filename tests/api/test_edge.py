"""The outermost layer: credentials, tenants, limits, and refusals in one shape."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import Auth

from api.edge import Edge
from api.options import ApiOptions, Limits
from domain.ports.metrics import NoMetrics
from tests.support.api_world import HELLO, PASSWORD, USER, ApiClient, World, client_of

pytestmark = pytest.mark.anyio

YAML = {"content-type": "application/x-yaml"}


def refusal(target: str, message: str) -> dict[str, Any]:
    link = dict.fromkeys(["profile", "deprecation", "title", "hreflang", "type", "name"])
    return {
        "message": message,
        "logref": None,
        "path": None,
        "_links": {"self": {"href": target, "templated": False, **link}},
        "_embedded": {},
    }


async def test_no_credentials_are_a_401_without_body(client: ApiClient) -> None:
    client.auth = Auth()
    answer = await client.get("/api/v1/main/flows/search")
    assert answer.status_code == 401
    assert answer.content == b""
    assert answer.headers["www-authenticate"] == "Basic"
    assert "content-type" not in answer.headers


async def test_a_page_that_came_from_the_login_page_gets_no_pop_up(client: ApiClient) -> None:
    client.auth = Auth()
    answer = await client.get("/api/v1/main/flows/search", headers={"referer": "http://x/ui/login"})
    assert answer.status_code == 401
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Basic !!!"},
        {"authorization": "Bearer abc"},
        {"authorization": "Basic " + base64.b64encode(b"root@root.com:wrong").decode()},
        {"authorization": "Basic " + base64.b64encode(b"nocolon").decode()},
        {"cookie": "BASIC_AUTH=xxx"},
    ],
    ids=["no base64", "bearer", "wrong password", "no colon", "wrong cookie"],
)
async def test_bad_credentials_are_refused(client: ApiClient, headers: dict[str, str]) -> None:
    client.auth = Auth()
    for _ in range(2):
        answer = await client.get("/api/v1/main/flows/search", headers=headers)
        assert answer.status_code == 401


async def test_the_cookie_is_as_good_as_the_header(client: ApiClient) -> None:
    client.auth = Auth()
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    headers = {"cookie": f"other=1; BASIC_AUTH={token}"}
    answer = await client.get("/api/v1/main/flows/search", headers=headers)
    assert answer.status_code == 200


async def test_unknown_paths_of_the_api_ask_for_credentials_first(client: ApiClient) -> None:
    client.auth = Auth()
    assert (await client.get("/api/v1/main/no/such/thing")).status_code == 401
    assert (await client.get("/nope")).status_code == 404


@pytest.mark.parametrize("path", ["/ping", "/api/v1/configs", "/api/v1/basicAuthValidationErrors"])
async def test_open_paths_need_no_credentials(client: ApiClient, path: str) -> None:
    client.auth = Auth()
    assert (await client.get(path)).status_code == 200


async def test_a_slow_hash_is_computed_once_per_credentials(world: World) -> None:
    class Counted:
        calls = 0

        def verify(self, username: str, password: str) -> bool:
            self.calls += 1
            return (username, password) == (USER, PASSWORD)

        def change(self, username: str, password: str) -> None:
            raise AssertionError

    accounts = Counted()
    async with client_of(world, accounts=accounts) as client:
        for _ in range(5):
            assert (await client.get("/api/v1/main/flows/search")).status_code == 200
        client.auth = (USER, "wrong")
        for _ in range(5):
            assert (await client.get("/api/v1/main/flows/search")).status_code == 401
    assert accounts.calls == 2


async def test_credentials_can_be_changed_by_who_has_them(client: ApiClient) -> None:
    body = {"uid": "u", "username": "new@root.com", "password": "Other!1234"}
    assert (await client.post("/api/v1/main/basicAuth", json=body)).status_code == 204
    assert (await client.get("/api/v1/main/flows/search")).status_code == 401
    client.auth = ("new@root.com", "Other!1234")
    assert (await client.get("/api/v1/main/flows/search")).status_code == 200


async def test_weak_new_credentials_are_refused(client: ApiClient) -> None:
    body = {"uid": "u", "username": USER, "password": "short"}
    answer = await client.post("/api/v1/main/basicAuth", json=body)
    assert answer.status_code == 400
    assert answer.json() == refusal(
        "/api/v1/main/basicAuth",
        "Invalid password for Basic Authentication. The password must have 8 chars, one upper, "
        "one lower and one number: Resource fails validation",
    )


@pytest.mark.parametrize("path", ["/api/v1/main/flows/search", "/api/v1/flows/search"])
async def test_a_path_works_with_and_without_the_tenant(client: ApiClient, path: str) -> None:
    assert (await client.get(path)).json() == {"results": [], "total": 0}


async def test_another_tenant_is_a_400(client: ApiClient) -> None:
    answer = await client.get("/api/v1/other/flows/search?size=1")
    assert answer.status_code == 400
    assert answer.json() == refusal(
        "/api/v1/other/flows/search?size=1",
        "Bad Request: Tenant must be 'main' for OSS version",
    )


async def test_an_unknown_path_is_a_404(client: ApiClient) -> None:
    answer = await client.get("/api/v1/main/no/such/thing/here")
    assert answer.status_code == 404
    assert answer.json() == refusal("/api/v1/main/no/such/thing/here", "Not Found")


async def test_a_wrong_method_names_the_right_ones(client: ApiClient) -> None:
    answer = await client.put("/api/v1/main/flows", content="id: a", headers=YAML)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.json()["message"] == (
        "Method Not Allowed: Method [PUT] not allowed for URI [/api/v1/main/flows]. "
        "Allowed methods: [POST]"
    )


async def test_head_answers_like_get_without_body(client: ApiClient) -> None:
    answer = await client.head("/api/v1/main/flows/search")
    assert answer.status_code == 200
    assert answer.content == b""


async def test_an_encoded_slash_stays_within_its_segment(client: ApiClient) -> None:
    answer = await client.get("/api/v1/main/flows/a%2Fb/c")
    assert answer.status_code == 404
    assert answer.json()["_links"]["self"]["href"] == "/api/v1/main/flows/a%2Fb/c"


@pytest.mark.parametrize(
    "path",
    ["/api/v1/main/flows/%ff/x", "/api/v1/main/flows/%00/x", "/api/v1/main/flows/%EE%80%80/x"],
)
async def test_a_path_that_is_no_text_is_a_400(client: ApiClient, path: str) -> None:
    assert (await client.get(path)).status_code == 400


async def test_a_query_that_is_no_text_is_a_400(client: ApiClient) -> None:
    assert (await client.get("/api/v1/main/flows/search?filters[q][EQUALS]=%ff")).status_code == 400


@pytest.mark.parametrize(
    ("accept", "has_problem"),
    [("*/*", False), ("application/json", False), ("application/problem+json", True)],
)
async def test_problem_members_are_for_clients_that_ask(
    client: ApiClient, accept: str, has_problem: bool
) -> None:
    answer = await client.get("/api/v1/main/executions/none", headers={"accept": accept})
    body = answer.json()
    assert body["message"] == "Not Found"
    assert ("detail" in body) is has_problem
    if has_problem:
        assert body["status"] == 404
        assert body["title"] == "Not Found"
        assert body["instance"] == "/api/v1/main/executions/none"


async def test_2_0_paths_answer_refusals_in_both_shapes(client: ApiClient) -> None:
    answer = await client.delete("/api/v1/main/executions/none/actions/kill")
    assert answer.status_code == 404
    assert answer.json().keys() >= {"message", "_links", "type", "title", "status", "detail"}


async def test_a_2_0_path_with_another_method_is_unknown_as_in_1_3(client: ApiClient) -> None:
    answer = await client.post("/api/v1/main/executions/none/actions/kill")
    assert answer.status_code == 404
    assert answer.json() == refusal("/api/v1/main/executions/none/actions/kill", "Not Found")


class TestLimits:
    """What a request may cost."""

    @pytest.fixture
    async def small(self, world: World) -> AsyncIterator[ApiClient]:
        limits = Limits(
            body_bytes=1_000,
            upload_bytes=5_000,
            header_bytes=2_000,
            target_bytes=500,
            body_idle_seconds=0.05,
        )
        async with client_of(world, ApiOptions(limits=limits)) as made:
            yield made

    async def test_a_body_above_the_limit_is_a_413_and_nothing_is_stored(
        self, small: ApiClient, world: World
    ) -> None:
        source = HELLO + "# " + "x" * 1_000
        answer = await small.post("/api/v1/main/flows", content=source, headers=YAML)
        assert answer.status_code == 413
        assert "larger than the allowed 1000 bytes" in answer.json()["message"]
        assert list(world.flow_store.latest()) == []

    async def test_a_body_of_unknown_length_is_counted_as_it_comes(self) -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b"x" * 200, "more_body": True}

        headers = [(b"transfer-encoding", b"chunked")]
        status = await status_of_raw(receive, headers, Limits(body_bytes=1_000))
        assert status == 413

    async def test_headers_above_the_limit_are_a_431(self, small: ApiClient) -> None:
        answer = await small.get("/api/v1/main/flows/search", headers={"x-large": "y" * 2_000})
        assert answer.status_code == 431

    async def test_a_path_above_the_limit_is_a_414(self, small: ApiClient) -> None:
        answer = await small.get("/api/v1/main/flows/search?q=" + "y" * 600)
        assert answer.status_code == 414

    async def test_a_body_that_does_not_come_is_a_408(self) -> None:
        async def receive() -> Any:
            await asyncio.Event().wait()

        headers = [(b"content-length", b"10")]
        status = await status_of_raw(receive, headers, Limits(body_idle_seconds=0.01))
        assert status == 408

    async def test_a_body_that_trickles_is_a_408_however_steady(self) -> None:
        async def receive() -> Any:
            await asyncio.sleep(0.002)
            return {"type": "http.request", "body": b"x", "more_body": True}

        headers = [(b"content-length", b"1000")]
        status = await status_of_raw(receive, headers, Limits(body_seconds=0.02))
        assert status == 408


async def status_of_raw(receive: Any, headers: list[tuple[bytes, bytes]], limits: Limits) -> int:
    """The status of a request whose body is what `receive` says."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def reads(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass

    scope: Any = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/main/flows",
        "raw_path": b"/api/v1/main/flows",
        "query_string": b"",
        "headers": headers,
    }
    await Edge(reads, ApiOptions(limits=limits), None, NoMetrics())(scope, receive, send)
    status: int = sent[0]["status"]
    return status


async def test_a_body_that_is_no_text_is_a_422(client: ApiClient) -> None:
    answer = await client.post("/api/v1/main/flows", content=b"id: \xff\xfe", headers=YAML)
    assert answer.status_code == 422


async def test_an_error_of_our_own_tells_nothing_of_the_inside(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def get(self, execution_id: str) -> Any:
            raise RuntimeError("secret inside")

    async with client_of(world, window=Broken()) as client:
        answer = await client.get("/api/v1/main/executions/x")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "secret inside" in caplog.text


async def test_the_description_of_the_api_names_every_operation_once(client: ApiClient) -> None:
    description = (await client.get("/api/docs/openapi.json")).json()
    names = [
        operation["operationId"]
        for methods in description["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))
    assert {"createFlow", "getExecution", "killExecution", "searchLogs"} <= set(names)
