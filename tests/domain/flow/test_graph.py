from __future__ import annotations

import json
import re
from typing import Any

import pytest

from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.graph import GraphOptions, GraphRun, flow_graph
from domain.flow.model import Flow
from domain.flow.reader import read_flow
from domain.flow.tasks import Task
from tests.domain.flow.conformance import SHARED, flow_files

API = SHARED / "golden" / "api"
_DERIVED = re.compile(r"-[0-9A-Za-z]{15,22}(?=\"|$)")


def _flow(name: str) -> Flow:
    folders = (SHARED / "conformance" / part / "valids" for part in ("flows", "flows-13"))
    path = next(folder / name for folder in folders if (folder / name).exists())
    return read_flow(path.read_text(), catalogue=CORE_CATALOGUE)


def _plain(value: Any) -> str:
    return _DERIVED.sub("", json.dumps(value, sort_keys=True))


def _same(found: dict[str, Any], recorded: dict[str, Any]) -> None:
    for member in ("nodes", "edges"):
        assert sorted(map(_plain, found[member])) == sorted(map(_plain, recorded[member]))
    assert len(found["clusters"]) == len(recorded["clusters"])
    for mine, theirs in zip(found["clusters"], recorded["clusters"], strict=True):
        assert sorted(map(_plain, mine["nodes"])) == sorted(map(_plain, theirs["nodes"]))
        for member in ("cluster", "parents", "start", "end"):
            assert _plain(mine[member]) == _plain(theirs[member])


def _source_of(flow_id: str) -> str:
    for path in sorted(API.glob("*-flows-create*.json")):
        body = json.loads(path.read_text())["request"].get("body")
        if isinstance(body, str) and f"id: {flow_id}\n" in body:
            return body
    raise LookupError(flow_id)


@pytest.mark.parametrize(
    ("recording", "flow_id"),
    [("171-flows-graph", "hello"), ("173-flows-graph-failing", "failing")],
)
def test_recorded_graphs_come_out_alike(recording: str, flow_id: str) -> None:
    recorded = json.loads((API / f"{recording}.json").read_text())["response"]["body"]
    flow = read_flow(_source_of(flow_id), catalogue=CORE_CATALOGUE)
    _same(flow_graph(flow), recorded)


def test_triggers_stand_in_a_cluster_before_the_tasks() -> None:
    recorded = json.loads((API / "176-flows-graph-trigger.json").read_text())["response"]["body"]
    flow = read_flow(_source_of("scheduled"), catalogue=CORE_CATALOGUE)
    states = {
        node["triggerDeclaration"]["id"]: node["trigger"]
        for node in recorded["nodes"]
        if "trigger" in node
    }
    _same(flow_graph(flow, GraphOptions(trigger_states=states)), recorded)


def test_a_subflow_is_a_node_of_its_own_kind_and_opens_on_demand() -> None:
    recorded = json.loads((API / "174-flows-graph-subflow.json").read_text())["response"]["body"]
    source = (
        "id: parent\nnamespace: gold.team\ntasks:\n"
        "  - {id: call, type: io.kestra.plugin.core.flow.Subflow, namespace: gold.team.sub, "
        "flowId: child, inputs: {n: 21}}\n"
        "  - {id: show, type: io.kestra.plugin.core.log.Log, "
        "message: '{{ outputs.call.outputs.doubled }}'}\n"
    )
    flow = read_flow(source, catalogue=CORE_CATALOGUE)
    _same(flow_graph(flow), recorded)
    opened = flow_graph(flow, GraphOptions(subflows={"root.call": _flow("return.yaml")}))
    assert len(opened["clusters"]) == 1
    assert "root.call.date" in opened["clusters"][0]["nodes"]


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("return.yaml", (5, 4, 0)),
        ("parallel.yaml", (12, 16, 1)),
        ("switch.yaml", (17, 20, 3)),
        ("each-sequential-nested.yaml", (13, 12, 2)),
        ("sequential.yaml", (19, 18, 3)),
        ("errors.yaml", (17, 17, 4)),
        ("each-parallel-nested.yaml", (11, 10, 2)),
        ("trigger-flow-listener.yaml", (6, 5, 1)),
        ("trigger-flow-listener-no-inputs.yaml", (7, 7, 1)),
        ("dag.yaml", (11, 13, 1)),
        ("task-flow.yaml", (6, 5, 1)),
        ("finally-sequential.yaml", (13, 13, 2)),
        ("finally-dag.yaml", (17, 18, 2)),
    ],
)
def test_graphs_have_the_sizes_that_clients_know(name: str, sizes: tuple[int, int, int]) -> None:
    graph = flow_graph(_flow(name))
    assert tuple(len(graph[part]) for part in ("nodes", "edges", "clusters")) == sizes


@pytest.mark.parametrize(
    ("name", "source", "target", "relation"),
    [
        ("sequential.yaml", ".*1-3-2_seq", ".*1-3-2-1", "SEQUENTIAL"),
        ("parallel.yaml", ".*parent", ".*t2", "PARALLEL"),
        ("switch.yaml", ".*parent-seq", r".*parent-seq\.default", "CHOICE"),
        ("each-parallel-nested.yaml", ".*1_each", ".*2-1_seq.*", "DYNAMIC"),
        ("errors.yaml", "root.root.*", ".*t2", "ERROR"),
        ("errors.yaml", "root.root.*", ".*failed", None),
        ("dag.yaml", ".*root.dag", ".*dag.task1", "PARALLEL"),
        ("dag.yaml", ".*dag.task2", ".*dag.task6", "PARALLEL"),
        ("dag.yaml", ".*dag.task6", ".*dag.end.*", None),
        ("finally-sequential.yaml", ".*seq.finally.*", ".*seq.a1", "SEQUENTIAL"),
        ("finally-sequential.yaml", ".*seq.a1", ".*seq.a2", "FINALLY"),
        ("finally-sequential.yaml", ".*seq.a2", ".*seq.end.*", None),
        ("finally-dag.yaml", ".*dag.e1", ".*dag.e2", "ERROR"),
        ("finally-dag.yaml", ".*dag.e2", ".*dag.finally.*", None),
        ("finally-dag.yaml", ".*dag.finally.*", ".*dag.a1", "DYNAMIC"),
        ("finally-dag.yaml", ".*dag.a1", ".*dag.a2", "DYNAMIC"),
        ("after-execution.yaml", "root.mytask.*", "root.after-execution.*", None),
    ],
)
def test_edges_say_how_tasks_are_related(
    name: str, source: str, target: str, relation: str | None
) -> None:
    edges = [
        edge
        for edge in flow_graph(_flow(name))["edges"]
        if re.fullmatch(source, edge["source"]) and re.fullmatch(target, edge["target"])
    ]
    assert edges[0]["relation"].get("relationType") == relation


def test_an_opened_subflow_shows_its_triggers() -> None:
    opened = GraphOptions(subflows={"root.launch": _flow("switch.yaml")})
    graph = flow_graph(_flow("task-flow.yaml"), opened)
    assert [len(graph[part]) for part in ("nodes", "edges", "clusters")] == [23, 26, 5]
    ids = {node["uid"] for node in graph["nodes"]}
    assert {"root.Triggers.schedule", "root.launch.Triggers.schedule"} <= ids


def test_the_runs_of_one_task_follow_each_other() -> None:
    flow = _flow("foreach-non-concurrent.yaml")
    values = [f"value {number}" for number in (1, 2, 3)]
    runs = [GraphRun(id="p", task_id="for_each", shown={})]
    runs += [
        GraphRun(id=f"{task}{value}", task_id=task, parent_id="p", value=value, shown={})
        for task in ("log", "shell")
        for value in values
    ]
    graph = flow_graph(flow, GraphOptions(runs=runs))
    assert [len(graph[part]) for part in ("nodes", "edges", "clusters")] == [11, 12, 1]
    [edge] = [edge for edge in graph["edges"] if edge["source"].endswith("log.value 1")]
    assert edge["target"].endswith("log.value 2")
    assert edge["relation"]["value"] == "value 2"


def _all_flows() -> list[Flow]:
    files = [*flow_files("flows/valids"), *flow_files("flows-13/valids")]
    refused = {"pause.yaml", "kv.yaml"}
    return [
        read_flow(path.read_text(), catalogue=CORE_CATALOGUE)
        for path in files
        if path.name not in refused
    ]


def test_every_graph_is_whole() -> None:
    """Each edge joins nodes, each task has a node, and all is reachable from the root."""
    for flow in _all_flows():
        graph = flow_graph(flow)
        ids = {node["uid"] for node in graph["nodes"]}
        assert len(ids) == len(graph["nodes"]), flow.id
        shown = {node["task"]["id"] for node in graph["nodes"] if "task" in node}
        hidden = {
            placement.task.id
            for placement in flow.placements.values()
            if placement.branch == "onPause"
        }
        assert {task.id for task in flow.all_tasks()} - hidden <= shown, flow.id
        follow: dict[str, list[str]] = {}
        for edge in graph["edges"]:
            assert {edge["source"], edge["target"]} <= ids, flow.id
            follow.setdefault(edge["source"], []).append(edge["target"])
        starts = [node["uid"] for node in graph["nodes"] if node["type"].endswith("ClusterRoot")]
        seen = set(starts[:1]) | {uid for uid in starts if uid.startswith("root.Triggers")}
        waiting = list(seen)
        while waiting:
            for target in follow.get(waiting.pop(), []):
                if target not in seen:
                    seen.add(target)
                    waiting.append(target)
        assert ids <= seen, (flow.id, ids - seen)
        assert _plain(flow_graph(flow)) == _plain(graph)


def test_the_graph_of_an_execution_shows_runs_once_per_value() -> None:
    flow = _flow("each-sequential.yaml")
    each = next(flow.all_tasks())
    runs = [GraphRun(id="p", task_id=each.id, shown={"id": "p"})]
    child = flow.placements[each.id].task.branches()
    name = next(tasks for _, tasks in child)[0].id
    runs += [
        GraphRun(id=value, task_id=name, parent_id="p", value=value, shown={"id": value})
        for value in ("a", "b")
    ]

    def light(task: Task) -> dict[str, Any]:
        return {"id": task.id, "type": task.type}

    graph = flow_graph(flow, GraphOptions(runs=runs, task=light))
    shown = [node for node in graph["nodes"] if node.get("task", {}).get("id") == name]
    assert [node["taskRun"]["id"] for node in shown] == ["a", "b"]
    assert [node["values"] for node in shown] == [["a"], ["b"]]


def test_the_blocks_of_a_loop_show_a_run_per_iteration() -> None:
    log = "type: io.kestra.plugin.core.log.Log, message: x"
    flow = read_flow(
        f"""
id: f
namespace: n
tasks:
  - id: loop
    type: io.kestra.plugin.core.flow.Loop
    values: [a, b]
    tasks: [{{id: t, {log}}}]
    errors: [{{id: e, {log}}}]
    finally: [{{id: z, {log}}}]
""",
        catalogue=CORE_CATALOGUE,
    )
    runs = [GraphRun(id="p", task_id="loop", shown={})]
    runs += [
        GraphRun(id=f"{task}{value}", task_id=task, parent_id="p", value=value, shown={})
        for task in ("t", "e", "z")
        for value in ("a", "b")
    ]
    runs.append(GraphRun(id="again", task_id="t", parent_id="p", value="a", shown={}))
    graph = flow_graph(flow, GraphOptions(runs=runs))
    ids = [node["uid"] for node in graph["nodes"]]
    assert len(set(ids)) == len(ids)
    assert {f"root.loop.{task}.{value}" for task in "tez" for value in "ab"} <= set(ids)
