"""A flow as nodes, edges and clusters, in the shape that the API returns.

Node ids say where a node stands (`root.parent.task`); ids of structural nodes end in a derived
word, so the same flow always gives the same graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from domain.flow import tasks as t
from domain.flow.graph_branches import DYNAMIC, SEQUENTIAL, Branch, branches_of, relation_of
from domain.flow.model import Flow
from domain.flow.render_json import task_json, trigger_json
from domain.flow.tasks import Task
from domain.ids import derived

_PACKAGE: Final = "io.kestra.core.models.hierarchies."
_ERROR: Final = "ERROR"
_FINALLY: Final = "FINALLY"
_AFTER: Final = "AFTER_EXECUTION"

Json = dict[str, Any]


class GraphRun(msgspec.Struct, frozen=True, kw_only=True):
    """A task run as the graph of an execution shows it."""

    id: str
    task_id: str
    parent_id: str | None = None
    value: str | None = None
    shown: Json
    """The task run as JSON."""


class GraphOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a graph shows besides the flow."""

    task: Callable[[Task], Json] = task_json
    """How a node shows its task."""
    trigger_states: Mapping[str, Json] = {}
    """State of triggers by id."""
    runs: Sequence[GraphRun] | None = None
    """Task runs, for the graph of an execution."""
    subflows: Mapping[str, Flow] = {}
    """Flows to open in place, by the node id of the Subflow task."""


class _Cluster:
    """A part of the graph with one way in and one way out."""

    def __init__(self, graph: _Graph, uid: str, parents: tuple[str, ...]) -> None:
        self.graph = graph
        self.uid = uid
        self.parents = parents
        self.nodes: list[str] = []
        self.root = self.structural("root", "GraphClusterRoot")
        self.end = f"{uid}.end-{derived('graph', graph.seed, uid, 'end')}"
        self.finally_: str | None = None
        self.after: str | None = None

    def structural(self, word: str, kind: str) -> str:
        """Add a node that is no task."""
        uid = f"{self.uid}.{word}-{derived('graph', self.graph.seed, self.uid, word)}"
        self.add({"uid": uid, "type": _PACKAGE + kind})
        return uid

    def add(self, node: Json) -> str:
        """Add a node."""
        self.graph.nodes.append(node)
        uid: str = node["uid"]
        self.nodes.append(uid)
        return uid

    def close(self) -> None:
        """Add the way out; the nodes before it keep their order."""
        self.add({"uid": self.end, "type": _PACKAGE + "GraphClusterEnd"})


class _Graph:
    """One graph in the making."""

    def __init__(self, flow: Flow, options: GraphOptions) -> None:
        self.seed = f"{flow.tenant_id}/{flow.namespace}/{flow.id}/{flow.revision}"
        self.options = options
        self.nodes: list[Json] = []
        self.edges: list[Json] = []
        self.clusters: list[Json] = []
        self.looped: set[str] = set()
        """Ids of nodes of loops' task runs."""

    def edge(self, source: str, target: str, kind: str | None = None, value: Any = None) -> None:
        """Add an edge."""
        relation: Json = {}
        if kind is not None:
            relation["relationType"] = kind
        if value is not None:
            relation["value"] = value
        self.edges.append({"source": source, "target": target, "relation": relation})

    def fill(
        self,
        cluster: _Cluster,
        start: str,
        branches: Sequence[Branch],
        errors: Sequence[Task],
        finally_: Sequence[Task],
        after: Sequence[Task],
        parent_run: str | None,
        relation: str | None = None,
    ) -> None:
        """Add branches to a cluster, then its errors, finally and afterExecution.

        `relation` is the cluster's own: what leads into its `finally`.
        """
        if finally_:
            cluster.finally_ = cluster.structural("finally", "GraphClusterFinally")
        if after:
            cluster.after = cluster.structural("after-execution", "GraphClusterAfterExecution")
        cluster.close()
        target = cluster.finally_ or cluster.after or cluster.end
        for branch in branches:
            self._branch(cluster, start, branch, target, parent_run)
        if errors:
            branch = Branch(errors, _ERROR, _ERROR, first=_ERROR, branch_type=_ERROR)
            self._branch(cluster, start, branch, target, parent_run)
        if cluster.finally_ is not None:
            kind = DYNAMIC if relation == DYNAMIC else _FINALLY
            branch = Branch(finally_, kind, _FINALLY, first=relation, branch_type=_FINALLY)
            following = cluster.after or cluster.end
            self._branch(cluster, cluster.finally_, branch, following, parent_run)
        if cluster.after is not None:
            branch = Branch(after, _AFTER, _AFTER, branch_type=_AFTER)
            self._branch(cluster, cluster.after, branch, cluster.end, parent_run)

    def _branch(
        self,
        cluster: _Cluster,
        start: str,
        branch: Branch,
        target: str,
        parent_run: str | None,
    ) -> None:
        if branch.dag:
            self._dag(cluster, start, branch, target, parent_run)
            return
        previous = start
        for position, task in enumerate(branch.tasks):
            is_last = position == len(branch.tasks) - 1
            for run in self._runs(task, parent_run):
                entry, leave = self._task(cluster, task, branch, run)
                kind = branch.first if position == 0 else branch.kind
                value = branch.value if position == 0 else None
                if run is not None and run.value is not None:
                    value = run.value
                self.edge(previous, entry, kind, value)
                if branch.is_parallel or is_last:
                    self.edge(leave, target)
                if not branch.is_parallel:
                    # the runs of one task follow each other, too: as clients know it
                    previous = leave
        if not branch.tasks:
            self.edge(start, target)

    def _dag(
        self,
        cluster: _Cluster,
        start: str,
        branch: Branch,
        target: str,
        parent_run: str | None,
    ) -> None:
        places: dict[str, tuple[str, str]] = {}
        for entry in branch.dag:
            run = next(iter(self._runs(entry.task, parent_run)))
            places[entry.task.id] = self._task(cluster, entry.task, branch, run)
        needed = {name for entry in branch.dag for name in entry.depends_on}
        for entry in branch.dag:
            first, last = places[entry.task.id]
            for name in entry.depends_on:
                if name in places:
                    self.edge(places[name][1], first, branch.kind)
            if not entry.depends_on:
                self.edge(start, first, branch.kind)
            if entry.task.id not in needed:
                self.edge(last, target)

    def _runs(self, task: Task, parent_run: str | None) -> list[GraphRun | None]:
        if self.options.runs is None:
            return [None]
        found: list[GraphRun | None] = [
            run
            for run in self.options.runs
            if run.task_id == task.id and (parent_run is None or run.parent_id == parent_run)
        ]
        return found or [None]

    def _task(
        self, cluster: _Cluster, task: Task, branch: Branch, run: GraphRun | None
    ) -> tuple[str, str]:
        """Add a task, or the cluster it opens; return where edges come in and go out."""
        uid = f"{cluster.uid}.{task.id}"
        is_looped = branch.first == DYNAMIC or branch.branch_type is not None
        if run is not None and run.value is not None and is_looped:
            uid = f"{uid}.{run.value}"
            if uid in self.looped:
                uid = f"{uid}.{run.id}"  # a file may have a line twice
            self.looped.add(uid)
        inner = branches_of(task)
        opened = self.options.subflows.get(uid) if isinstance(task, t.Subflow) else None
        if inner is None and opened is None:
            kind = "SubflowGraphTask" if isinstance(task, t.Subflow) else "GraphTask"
            cluster.add(self._node(uid, kind, task, branch, run))
            return uid, uid
        relation = relation_of(task)
        child = _Cluster(self, uid, (*cluster.parents, f"cluster_{uid}"))
        node = self._node(uid, "GraphTask", task, branch, run)
        child.add(node)
        self.edge(child.root, uid)
        run_id = run.id if run is not None else None
        if opened is not None:
            if opened.triggers:
                _triggers(self, opened, child, {})
            blocks = dict(opened.blocks())
            self.fill(
                child,
                uid,
                [Branch(blocks["tasks"], SEQUENTIAL, SEQUENTIAL)],
                blocks["errors"],
                blocks["finally"],
                blocks["afterExecution"],
                run_id,
            )
        else:
            errors = task.errors if isinstance(task, t.Flowable) else ()
            finally_ = task.finally_ if isinstance(task, t.Flowable) else ()
            self.fill(child, uid, inner or (), errors, finally_, (), run_id, relation)
        kind = "SubflowGraphCluster" if opened is not None else "GraphCluster"
        self.cluster(child, cluster.parents, kind, node, relation)
        return child.root, child.end

    def _node(self, uid: str, kind: str, task: Task, branch: Branch, run: GraphRun | None) -> Json:
        node: Json = {"uid": uid, "type": _PACKAGE + kind}
        if branch.branch_type is not None:
            node["branchType"] = branch.branch_type
        node["task"] = self.options.task(task)
        if run is not None:
            node["taskRun"] = run.shown
        if self.options.runs is not None:
            node["values"] = [run.value] if run is not None and run.value is not None else []
        node["relationType"] = branch.relation
        return node

    def cluster(
        self,
        cluster: _Cluster,
        parents: tuple[str, ...],
        kind: str,
        node: Json | None = None,
        relation: str | None = None,
    ) -> None:
        """Describe a cluster that is complete."""
        final = cluster.finally_ or (
            f"{cluster.uid}.finally-{derived('graph', self.seed, cluster.uid, 'finally')}"
        )
        shown: Json = {"uid": f"cluster_{cluster.uid}", "type": _PACKAGE + kind}
        if relation is not None:
            shown["relationType"] = relation
        if node is not None:
            shown["taskNode"] = node
        shown["finally"] = {"uid": final, "type": _PACKAGE + "GraphClusterFinally"}
        self.clusters.append(
            {
                "cluster": shown,
                "nodes": cluster.nodes,
                "parents": list(parents),
                "start": cluster.root,
                "end": cluster.end,
            }
        )


def flow_graph(flow: Flow, options: GraphOptions | None = None) -> Json:
    """Return a flow's graph: `nodes`, `edges`, `clusters`.

    Args:
        flow: as written.
        options: what to show besides.
    """
    graph = _Graph(flow, options or GraphOptions())
    root = _Cluster(graph, "root", ())
    if flow.triggers:
        _triggers(graph, flow, root, graph.options.trigger_states)
    graph.fill(
        root,
        root.root,
        [Branch(flow.tasks, SEQUENTIAL, SEQUENTIAL)],
        flow.errors,
        flow.finally_,
        flow.after_execution,
        None,
    )
    return {"nodes": graph.nodes, "edges": graph.edges, "clusters": graph.clusters}


def _triggers(graph: _Graph, flow: Flow, root: _Cluster, states: Mapping[str, Json]) -> None:
    cluster = _Cluster(graph, f"{root.uid}.Triggers", root.parents)
    cluster.close()
    for trigger in flow.triggers:
        node: Json = {"triggerDeclaration": trigger_json(trigger)}
        state = states.get(trigger.id)
        if state is not None:
            node["trigger"] = state
        uid = f"{cluster.uid}.{trigger.id}"
        node |= {"uid": uid, "type": _PACKAGE + "GraphTrigger"}
        cluster.add(node)
        graph.edge(cluster.root, uid)
        graph.edge(uid, cluster.end)
    graph.edge(cluster.end, root.root)
    graph.cluster(cluster, root.parents, "GraphCluster")
