"""Flows over HTTP: stored word for word, checked whole, numbered without gaps."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from tests.support.api_world import HELLO, ApiClient, World

pytestmark = pytest.mark.anyio

YAML = {"content-type": "application/x-yaml"}
FLOWS = "/api/v1/main/flows"


def flow(flow_id: str, namespace: str = "gold.bulk", text: str = "x") -> str:
    return (
        f"id: {flow_id}\nnamespace: {namespace}\ntasks:\n"
        f"  - id: t\n    type: io.kestra.plugin.core.debug.Return\n    format: {text}\n"
    )


async def create(client: ApiClient, source: str = HELLO) -> Any:
    answer = await client.post(FLOWS, content=source, headers=YAML)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_created_flow_is_answered_with_its_source_word_for_word(client: ApiClient) -> None:
    assert await create(client) == {
        "id": "hello",
        "namespace": "gold.team",
        "revision": 1,
        "description": "A first flow",
        "inputs": [{"id": "name", "type": "STRING", "required": True, "defaults": "World"}],
        "disabled": False,
        "deleted": False,
        "labels": [{"key": "team", "value": "gold"}],
        "variables": {"greeting": "Hello"},
        "tasks": [
            {
                "id": "say",
                "type": "io.kestra.plugin.core.log.Log",
                "message": "{{ vars.greeting }} {{ inputs.name }}",
            }
        ],
        "source": HELLO,
    }


async def test_a_flow_that_is_there_is_not_created_again(client: ApiClient, world: World) -> None:
    await create(client)
    answer = await client.post(FLOWS, content=HELLO, headers=YAML)
    assert answer.status_code == 422
    assert answer.json()["message"] == "Invalid entity: flow.id: Flow id already exists"
    assert answer.json()["_embedded"]["errors"][0]["path"] == "flow.id"
    assert len(world.flow_store.revisions("main", "gold.team", "hello")) == 1


async def test_a_json_body_is_a_flow_too_and_has_no_source_in_the_answer(client: ApiClient) -> None:
    body = {
        "id": "from-json",
        "namespace": "gold.json",
        "tasks": [{"id": "t", "type": "io.kestra.plugin.core.log.Log", "message": "x"}],
    }
    answer = await client.post(FLOWS, json=body)
    assert answer.status_code == 200
    assert "source" not in answer.json()


@pytest.mark.parametrize("kind", ["application/xml", "application/yaml", "text/plain"])
async def test_other_content_types_count_as_no_body(client: ApiClient, kind: str) -> None:
    answer = await client.post(FLOWS, content=HELLO, headers={"content-type": kind})
    assert answer.status_code == 422
    assert answer.json()["message"] == ("Invalid route params: Required Body [flow] not specified")


@pytest.mark.parametrize(
    ("source", "message", "path"),
    [
        ("id: a\nnamespace: gold.bad\n", "Invalid entity: tasks: must not be empty\n", "tasks"),
        (
            flow("bad id!"),
            'Invalid entity: id: must match "^[a-zA-Z0-9][a-zA-Z0-9._-]*"\n',
            "id",
        ),
        (
            flow("a").replace("debug.Return", "debug.Nothing"),
            "Invalid entity: Invalid type: io.kestra.plugin.core.debug.Nothing",
            'io.kestra.core.models.flows.FlowWithSource["tasks"]->java.util.ArrayList[0]',
        ),
    ],
    ids=["no tasks", "bad id", "unknown type"],
)
async def test_a_wrong_flow_is_refused_with_its_place(
    client: ApiClient, world: World, source: str, message: str, path: str
) -> None:
    answer = await client.post(FLOWS, content=source, headers=YAML)
    assert answer.status_code == 422
    assert answer.json()["message"] == message
    assert answer.json()["_embedded"]["errors"][0]["path"] == path
    assert list(world.flow_store.latest()) == []


async def test_text_that_is_no_yaml_is_refused_with_line_and_column(client: ApiClient) -> None:
    answer = await client.post(FLOWS, content="id: a\n  namespace: [b\n", headers=YAML)
    assert answer.status_code == 422
    assert answer.json()["message"].startswith(
        "Invalid entity: Illegal genericflow source: YAML parsing error: "
        "mapping values are not allowed here"
    )
    assert "line: 2, column: 12" in answer.json()["message"]


async def test_a_stored_flow_says_when_it_was_stored_and_has_its_triggers(
    client: ApiClient,
) -> None:
    await create(client)
    answer = (await client.get(f"{FLOWS}/gold.team/hello")).json()
    assert "updated" in answer
    assert answer["triggers"] == []
    assert "source" not in answer
    answer = (await client.get(f"{FLOWS}/gold.team/hello?source=true")).json()
    assert answer["source"] == HELLO


async def test_the_same_source_makes_no_revision_and_another_does(client: ApiClient) -> None:
    await create(client)
    url = f"{FLOWS}/gold.team/hello"
    assert (await client.put(url, content=HELLO, headers=YAML)).json()["revision"] == 1
    changed = HELLO.replace("A first flow", "Another")
    assert (await client.put(url, content=changed, headers=YAML)).json()["revision"] == 2
    assert (await client.get(f"{url}?revision=1")).json()["description"] == "A first flow"
    assert (await client.get(f"{url}?revision=9")).status_code == 404
    listed = (await client.get(f"{url}/revisions")).json()
    assert [entry["revision"] for entry in listed] == [1, 2]


async def test_an_update_cannot_move_a_flow(client: ApiClient) -> None:
    await create(client)
    moved = HELLO.replace("id: hello", "id: other")
    answer = await client.put(f"{FLOWS}/gold.team/hello", content=moved, headers=YAML)
    assert answer.status_code == 422
    assert answer.json()["message"] == "Invalid entity: flow.id: Illegal flow id update"


async def test_an_update_of_a_missing_flow_is_a_404(client: ApiClient) -> None:
    answer = await client.put(f"{FLOWS}/gold.team/hello", content=HELLO, headers=YAML)
    assert answer.status_code == 404


async def test_a_deleted_flow_is_gone_and_its_revisions_go_on(client: ApiClient) -> None:
    await create(client)
    url = f"{FLOWS}/gold.team/hello"
    assert (await client.delete(url)).status_code == 204
    assert (await client.delete(url)).status_code == 404
    assert (await client.get(url)).status_code == 404
    old = (await client.get(f"{url}?allowDeleted=true")).json()
    assert (old["deleted"], old["revision"]) == (True, 2)
    assert (await create(client))["revision"] == 3


async def test_search_filters_sorts_and_pages(client: ApiClient, world: World) -> None:
    for name in ("a1", "b2", "c3"):
        await create(client, flow(name))
    await create(client)
    world.index()
    found = (await client.get(f"{FLOWS}/search?size=2&sort=id:desc")).json()
    assert [item["id"] for item in found["results"]] == ["hello", "c3"]
    assert found["total"] == 4
    query = "filters%5Bnamespace%5D%5BEQUALS%5D=gold.bulk&filters%5BflowId%5D%5BSTARTS_WITH%5D=b"
    found = (await client.get(f"{FLOWS}/search?{query}")).json()
    assert [item["id"] for item in found["results"]] == ["b2"]
    found = (await client.get(f"{FLOWS}/search?labels=team:gold&namespace=gold&q=hel")).json()
    assert [item["id"] for item in found["results"]] == ["hello"]
    groups = (
        "filters%5Bor%5D%5B0%5D%5BflowId%5D%5BEQUALS%5D=a1"
        "&filters%5Bor%5D%5B1%5D%5BflowId%5D%5BEQUALS%5D=c3&sort=id:asc"
    )
    found = (await client.get(f"{FLOWS}/search?{groups}")).json()
    assert [item["id"] for item in found["results"]] == ["a1", "c3"]
    assert (await client.get(f"{FLOWS}/search?page=9")).json() == {"results": [], "total": 0}


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("page=0", 422, "Invalid entity: searchFlows.page: must be greater than or equal to 1"),
        (
            "page=abc",
            422,
            (
                "Internal server error: Failed to convert argument [page] for value [abc] due to: "
                'For input string: "abc"'
            ),
        ),
        ("sort=id", 422, "Unprocessable Entity: Invalid sort parameter"),
        ("filters[nosuch][EQUALS]=x", 422, "Illegal argument: Unsupported field 'nosuch'."),
        ("filters[q][REGEX]=x", 400, "Invalid query filters: Provided query filters are invalid: "),
        ("filters[q][WRONG]=x", 422, "Illegal argument: No enum constant"),
        ("labels=nocolon", 422, "Unprocessable Entity: Can't split the queryString parameter by"),
        ("size=20000", 422, "Invalid entity: searchFlows.size: must be less than or equal to"),
    ],
)
async def test_a_wrong_query_is_told_what_is_wrong(
    client: ApiClient, query: str, status: int, message: str
) -> None:
    answer = await client.get(f"{FLOWS}/search?{query}")
    assert answer.status_code == status
    assert answer.json()["message"].startswith(message)


async def test_validation_tells_every_mistake_and_stores_nothing(
    client: ApiClient, world: World
) -> None:
    text = flow("ok") + "---\n" + flow("a!").replace("id: t", "id: t t") + "---\nid: [broken\n"
    answer = await client.post(f"{FLOWS}/validate", content=text, headers=YAML)
    fine, wrong, broken = answer.json()
    assert fine == {
        "index": 0,
        "namespace": "gold.bulk",
        "flow": "ok",
        "outdated": False,
        "deprecationPaths": [],
        "warnings": [],
        "infos": [],
    }
    assert wrong["constraints"].startswith("Validation error: ")
    assert wrong["constraints"].count("must match") == 2
    assert broken["constraints"].startswith("Validation error: Illegal Flow source: ")
    assert broken.keys() == {"index", "constraints", "outdated"}
    assert list(world.flow_store.latest()) == []


async def test_a_subflow_that_is_not_there_or_disabled_is_told(client: ApiClient) -> None:
    await create(client, flow("there"))
    await create(client, flow("idle") + "disabled: true\n")
    called = ["there", "idle", "gone", "beside", "{{ vars.any }}"]
    parent = (
        "id: parent\nnamespace: gold.bulk\ntasks:\n  - id: s\n"
        "    type: io.kestra.plugin.core.flow.Sequential\n    tasks:\n"
    )
    for number, name in enumerate(called):
        parent += f"      - {{id: c{number}, type: io.kestra.plugin.core.flow.Subflow, "
        parent += f"namespace: gold.bulk, flowId: '{name}'}}\n"
    text = f"{parent}---\n{flow('beside')}"
    verdicts = (await client.post(f"{FLOWS}/validate", content=text, headers=YAML)).json()
    assert "constraints" not in verdicts[0]
    assert verdicts[0]["warnings"] == [
        "The subflow 'idle' is disabled in namespace 'gold.bulk'.",
        "The subflow 'gone' not found in namespace 'gold.bulk'.",
    ]


async def test_place_and_remedy_of_every_mistake_are_for_clients_that_ask(
    client: ApiClient,
) -> None:
    text = flow("a").replace("format", "formt")
    asks = {**YAML, "accept": "application/problem+json"}
    plain = await client.post(f"{FLOWS}/validate", content=text, headers=YAML)
    assert "violations" not in plain.json()[0]
    [full] = (await client.post(f"{FLOWS}/validate", content=text, headers=asks)).json()
    unknown = full["violations"][0]
    assert unknown["message"].startswith('Unrecognized field "formt"')
    assert {key: unknown[key] for key in ("path", "line", "column", "remedy")} == {
        "path": "$.tasks[0].formt",
        "line": text[: text.index("formt")].count("\n") + 1,
        "column": 5,
        "remedy": "Did you mean `format`?",
    }
    refused = await client.post(FLOWS, content=text, headers=asks)
    assert refused.status_code == 422
    assert refused.json()["violations"] == full["violations"]


async def test_a_task_and_a_trigger_are_validated_alone(client: ApiClient) -> None:
    answer = await client.post(
        f"{FLOWS}/validate/task?section=TASKS",
        content="id: t\ntype: io.kestra.plugin.core.log.Log\n",
        headers=YAML,
    )
    assert answer.json() == {
        "index": 0,
        "constraints": "message: must not be null\n",
        "outdated": False,
    }
    body = {"id": "t", "type": "io.kestra.plugin.core.trigger.Schedule", "cron": "0 * * * *"}
    answer = await client.post(f"{FLOWS}/validate/trigger", json=body)
    assert answer.json() == {"index": 0, "outdated": False}


async def test_bulk_deletes_nothing_unless_that_is_said(client: ApiClient, world: World) -> None:
    await create(client)
    text = flow("b1") + "---\n" + flow("b2")
    answer = await client.post(f"{FLOWS}/bulk", content=text, headers=YAML)
    assert [item["id"] for item in answer.json()] == ["b1", "b2"]
    assert len(list(world.flow_store.latest())) == 3
    answer = await client.post(f"{FLOWS}/bulk?delete=true", content=flow("b1"), headers=YAML)
    assert sorted(item["id"] for item in answer.json()) == ["b1", "b2", "hello"]
    assert [item.id for item in world.flow_store.latest()] == ["b1"]


async def test_bulk_stores_nothing_when_one_flow_is_wrong(client: ApiClient, world: World) -> None:
    text = flow("b1") + "---\nid: b2\nnamespace: gold.bulk\n"
    answer = await client.post(f"{FLOWS}/bulk?delete=false", content=text, headers=YAML)
    assert answer.status_code == 422
    assert list(world.flow_store.latest()) == []


async def test_a_namespace_takes_only_its_own_flows_and_each_once(client: ApiClient) -> None:
    url = f"{FLOWS}/gold.bulk?delete=false"
    answer = await client.post(url, content=flow("n", "gold.elsewhere"), headers=YAML)
    assert answer.status_code == 422
    assert answer.json()["message"] == (
        "Invalid entity: flow.namespace: main_gold.elsewhere_n_-1 - flow namespace is invalid"
    )
    text = flow("n") + "---\n" + flow("n")
    answer = await client.post(url, content=text, headers=YAML)
    assert answer.json()["message"] == "Invalid entity: flow.id: Duplicate flow id"


async def test_switching_counts_what_changed_and_keeps_the_rest_of_the_source(
    client: ApiClient,
) -> None:
    await create(client, flow("b1"))
    body = [{"namespace": "gold.bulk", "id": "b1", "additional_properties": {}}]
    url = f"{FLOWS}/disable/by-ids"
    assert (await client.post(url, json=body)).json() == {"count": 1}
    assert (await client.post(url, json=body)).json() == {"count": 0}
    shown = (await client.get(f"{FLOWS}/gold.bulk/b1?source=true")).json()
    assert (shown["disabled"], shown["revision"]) == (True, 2)
    assert shown["source"] == flow("b1") + "\ndisabled: true"
    assert (await client.post(f"{FLOWS}/enable/by-ids", json=body)).json() == {"count": 1}
    shown = (await client.get(f"{FLOWS}/gold.bulk/b1?source=true")).json()
    assert shown["source"] == flow("b1") + "\ndisabled: false\n"


async def test_actions_by_query_see_what_was_just_written(client: ApiClient) -> None:
    for name in ("b1", "b2"):
        await create(client, flow(name))
    query = "filters%5Bnamespace%5D%5BEQUALS%5D=gold.bulk"
    answer = await client.post(f"{FLOWS}/disable/by-query?{query}")
    assert answer.json() == {"count": 2}
    answer = await client.delete(f"{FLOWS}/delete/by-query?{query}&q=b2")
    assert answer.json() == {"count": 1}


async def test_deletion_by_ids_is_all_or_nothing(client: ApiClient) -> None:
    await create(client, flow("b1"))
    body = [{"namespace": "gold.bulk", "id": "b1"}, {"namespace": "gold.bulk", "id": "none"}]
    answer = await client.request("DELETE", f"{FLOWS}/delete/by-ids", json=body)
    assert answer.status_code == 404
    assert answer.json()["message"] == "Not Found: No value present"
    assert (await client.get(f"{FLOWS}/gold.bulk/b1")).status_code == 200


async def test_an_export_imports_again(client: ApiClient, world: World) -> None:
    await create(client)
    answer = await client.get(f"{FLOWS}/export/by-query")
    assert answer.headers["content-disposition"] == 'attachment; filename="flows.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.read("gold.team.hello.yml").decode() == HELLO
    await client.delete(f"{FLOWS}/gold.team/hello")
    files = {"fileUpload": ("flows.zip", answer.content)}
    assert (await client.post(f"{FLOWS}/import", files=files)).json() == []
    assert [item.id for item in world.flow_store.latest()] == ["hello"]


@pytest.mark.parametrize("content", [b"not a zip", b"PK\x03\x04garbage"])
async def test_a_broken_zip_is_a_422(client: ApiClient, content: bytes) -> None:
    answer = await client.post(f"{FLOWS}/import", files={"fileUpload": ("f.zip", content)})
    assert answer.status_code == 422


async def test_an_import_checks_flows_and_names_the_wrong_ones(client: ApiClient) -> None:
    text = flow("i1") + "---\nid: broken\nnamespace: gold.bulk\n"
    files = {"fileUpload": ("flows.yaml", text.encode())}
    answer = await client.post(f"{FLOWS}/import", files=files)
    assert answer.json() == ["flows.yaml(flow number: 1)"]
    answer = await client.post(f"{FLOWS}/import?failOnError=true", files=files)
    assert answer.status_code == 422


async def test_broken_json_is_a_422(client: ApiClient) -> None:
    answer = await client.request(
        "DELETE",
        f"{FLOWS}/delete/by-ids",
        content="[{",
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 422
    assert answer.json()["message"] == "Invalid json mapping"


async def test_a_task_is_read_and_replaced_at_any_depth(client: ApiClient) -> None:
    nested = (
        "id: nest\nnamespace: gold.bulk\ntasks:\n  - id: seq\n"
        "    type: io.kestra.plugin.core.flow.Sequential\n    tasks:\n"
        "      - {id: there, type: io.kestra.plugin.core.log.Log, message: one}\n"
    )
    await create(client, nested)
    url = f"{FLOWS}/gold.bulk/nest"
    task = {"id": "there", "type": "io.kestra.plugin.core.log.Log", "message": "one"}
    assert (await client.get(f"{url}/tasks/there")).json() == task
    answer = await client.patch(f"{url}/there", json=task | {"message": "two"})
    assert answer.json()["tasks"][0]["tasks"][0]["message"] == "two"
    assert (await client.get(f"{url}/tasks/none")).status_code == 404


async def test_dependencies_lead_from_parents_to_their_subflows(client: ApiClient) -> None:
    await create(client, flow("child"))
    await create(
        client,
        "id: parent\nnamespace: gold.bulk\ntasks:\n"
        "  - {id: call, type: io.kestra.plugin.core.flow.Subflow, namespace: gold.bulk, "
        "flowId: child}\n",
    )
    answer = (await client.get(f"{FLOWS}/gold.bulk/parent/dependencies")).json()
    assert answer["edges"] == [
        {
            "source": "main_gold.bulk_parent",
            "target": "main_gold.bulk_child",
            "relation": "FLOW_TASK",
        }
    ]
    only = await client.get(f"{FLOWS}/gold.bulk/parent/dependencies?destinationOnly=true")
    assert only.json() == {"nodes": [], "edges": []}


async def test_a_graph_shows_tasks_between_a_root_and_an_end(client: ApiClient) -> None:
    await create(client)
    answer = (await client.get(f"{FLOWS}/gold.team/hello/graph")).json()
    assert [node["uid"].partition("-")[0] for node in answer["nodes"]] == [
        "root.root",
        "root.end",
        "root.say",
    ]
    answer = await client.get(f"{FLOWS}/gold.team/none/graph")
    assert answer.json()["message"] == "Not Found: Unable to find flow main_gold.team_none"


async def test_a_subflow_that_only_an_execution_can_name_is_not_opened(client: ApiClient) -> None:
    await create(
        client,
        "id: parent\nnamespace: gold.team\ntasks:\n  - id: launch\n"
        "    type: io.kestra.plugin.core.flow.Subflow\n    namespace: gold.team\n"
        "    flowId: '{{ inputs.which }}'\n",
    )
    answer = await client.get(f"{FLOWS}/gold.team/parent/graph?subflows=root.launch")
    assert answer.status_code == 422
    assert answer.json()["message"] == (
        "Illegal argument: Can't expand subflow task 'launch' because namespace and/or flowId "
        "contains dynamic values. This can only be viewed on an execution."
    )


async def test_a_subflow_is_opened_at_the_revision_that_is_called(client: ApiClient) -> None:
    inner = "id: inner\nnamespace: gold.team\ntasks:\n  - {id: %s, type: %s, message: x}\n"
    log = "io.kestra.plugin.core.log.Log"
    await create(client, inner % ("first", log))
    await client.put(f"{FLOWS}/gold.team/inner", content=inner % ("second", log), headers=YAML)
    graph = f"{FLOWS}/graph?subflows=root.launch"
    call = (
        "id: outer\nnamespace: gold.team\ntasks:\n  - id: launch\n"
        "    type: io.kestra.plugin.core.flow.Subflow\n    namespace: gold.team\n"
        "    flowId: inner\n"
    )
    for more, task in (("", "second"), ("    revision: 1\n", "first")):
        answer = (await client.post(graph, content=call + more, headers=YAML)).json()
        uids = [node["uid"] for node in answer["nodes"]]
        assert f"root.launch.{task}" in uids, more
    for more, name in (("", "none"), ("    revision: 7\n", "none_7")):
        source = call.replace("flowId: inner", "flowId: none") + more
        answer = await client.post(graph, content=source, headers=YAML)
        assert (answer.status_code, answer.json()["message"]) == (
            404,
            f"Not Found: Unable to find subflow gold.team_{name} for task launch",
        )


async def test_a_source_that_names_another_revision_only_makes_no_revision(
    client: ApiClient,
) -> None:
    await create(client, flow("same"))
    for source in (flow("same"), f"revision: 1\n{flow('same')}", f"{flow('same')}revision: 7"):
        answer = await client.put(f"{FLOWS}/gold.bulk/same", content=source, headers=YAML)
        assert (answer.status_code, answer.json()["revision"]) == (200, 1)
    commented = f"# why\n{flow('same')}"
    answer = await client.put(f"{FLOWS}/gold.bulk/same", content=commented, headers=YAML)
    assert answer.json()["revision"] == 2
    stored = await client.get(f"{FLOWS}/gold.bulk/same?source=true")
    assert stored.json()["source"] == commented
