"""Which flows depend on which: by tasks that start one, and by triggers that wait for one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from api.context import Context
from domain.flow.model import Flow
from domain.flow.tasks import ForEachItem, Subflow
from domain.flow.triggers import ExecutionFlow, FlowTrigger
from domain.ids import DEFAULT_TENANT

Name = tuple[str, str]
"""Namespace and id."""


class Edge(NamedTuple):
    """The target runs because of the source."""

    source: Name
    target: Name
    relation: str


def dependencies_of(
    own: Context, name: Name, *, destination_only: bool, expand_all: bool
) -> dict[str, Any]:
    """Return the graph around one flow.

    Args:
        own: the context.
        name: the flow.
        destination_only: only what leads to it.
        expand_all: also what depends on those, to the end.
    """
    edges = _edges(own)
    reached = {name}
    kept: list[Edge] = []
    frontier = {name}
    while frontier:
        found = [
            edge
            for edge in edges
            if edge not in kept
            and (edge.target in frontier or (not destination_only and edge.source in frontier))
        ]
        kept += found
        frontier = {end for edge in found for end in (edge.source, edge.target)} - reached
        reached |= frontier
        if not expand_all:
            break
    return _view(kept)


def dependencies_within(own: Context, namespace: str) -> dict[str, Any]:
    """Return the graph of the flows of a namespace, its children included."""
    inside = f"{namespace}."
    kept = [
        edge
        for edge in _edges(own)
        if any(
            end[0] == namespace or end[0].startswith(inside) for end in (edge.source, edge.target)
        )
    ]
    return _view(kept)


def _edges(own: Context) -> list[Edge]:
    flows = [
        flow
        for stored in own.ports.flows.latest(DEFAULT_TENANT)
        if (flow := own.ports.flows.get(stored.tenant, stored.namespace, stored.id)) is not None
    ]
    known = {(flow.namespace, flow.id) for flow in flows}
    edges: dict[Edge, None] = {}
    for flow in flows:
        own_name = (flow.namespace, flow.id)
        for target in _started(flow):
            edges[Edge(own_name, target, "FLOW_TASK")] = None
        for source in _awaited(flow):
            edges[Edge(source, own_name, "FLOW_TRIGGER")] = None
    return [edge for edge in edges if edge.source in known and edge.target in known]


def _started(flow: Flow) -> Iterable[Name]:
    for task in flow.all_tasks():
        if isinstance(task, Subflow | ForEachItem):
            yield str(task.namespace), str(task.flow_id)


def _awaited(flow: Flow) -> Iterable[Name]:
    for trigger in flow.triggers:
        if not isinstance(trigger, FlowTrigger):
            continue
        for upstream in trigger.preconditions.flows if trigger.preconditions else ():
            if upstream.flow_id is not None:
                yield upstream.namespace, upstream.flow_id
        for dependency in trigger.depends_on:
            yield dependency.namespace, dependency.flow_id
        for condition in trigger.conditions:
            if isinstance(condition, ExecutionFlow):
                yield condition.namespace, condition.flow_id


def _view(edges: Iterable[Edge]) -> dict[str, Any]:
    kept = list(edges)
    names = dict.fromkeys(end for edge in kept for end in (edge.source, edge.target))
    return {
        "nodes": [{"uid": _uid(name), "namespace": name[0], "id": name[1]} for name in names],
        "edges": [
            {
                "source": _uid(edge.source),
                "target": _uid(edge.target),
                "relation": edge.relation,
            }
            for edge in kept
        ],
    }


def _uid(name: Name) -> str:
    return f"{DEFAULT_TENANT}_{name[0]}_{name[1]}"
