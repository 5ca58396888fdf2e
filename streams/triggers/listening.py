"""The flow triggers in force, found by the flow whose executions they may be about."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

import msgspec

from domain.flow.model import Flow
from domain.flow.triggers import ExecutionFlow, FlowTrigger, MultipleCondition
from domain.ids import flow_key
from domain.record.values import FlowRevision
from streams.scheduler.ports import FlowSource

_MARK = ".Flow"
"""Stands in the type of every flow trigger, old names included."""

_Place = tuple[str, str | None]
"""Namespace and flow; None: every flow of the namespace."""


class Listening(msgspec.Struct, frozen=True):
    """A flow trigger of the latest revision of its flow."""

    flow: Flow
    trigger: FlowTrigger


class FlowTriggers:
    """Every enabled flow trigger. Thread-safe; a saved flow counts from the moment it is told."""

    def __init__(self, flows: FlowSource) -> None:
        self._flows = flows
        self._lock = Lock()
        self._revisions: dict[str, tuple[int, int]] = {}
        self._by_flow: dict[str, list[Listening]] = {}
        self._by_place: dict[_Place | None, list[Listening]] = {}

    def start(self) -> None:
        """Learn what is in force, then follow the flows."""
        self._flows.listen(self._changed)

    def about(self, namespace: str, flow_id: str) -> Iterator[Listening]:
        """Yield the triggers that executions of a flow may concern."""
        with self._lock:
            places: tuple[_Place | None, ...] = ((namespace, flow_id), (namespace, None), None)
            found = [one for place in places for one in self._by_place.get(place, ())]
        seen: set[int] = set()
        for one in found:
            if id(one) not in seen:
                seen.add(id(one))
                yield one

    def _changed(self, revision: FlowRevision) -> None:
        name = flow_key(revision.tenant, revision.namespace, revision.id)
        defaults, fresh = self._read(revision)
        number = (revision.revision, defaults)
        with self._lock:
            if self._revisions.get(name, (0, 0)) >= number:
                return
            self._revisions[name] = number
            before = self._by_flow.pop(name, [])
            if fresh:
                self._by_flow[name] = fresh
            for one in before:
                for place in _places(one.trigger):
                    self._by_place[place].remove(one)
            for one in fresh:
                for place in _places(one.trigger):
                    self._by_place.setdefault(place, []).append(one)

    def _read(self, revision: FlowRevision) -> tuple[int, list[Listening]]:
        """Return the number of the plugin defaults that count, and the triggers."""
        if revision.deleted or _MARK not in revision.source:
            return self._flows.defaults, []
        flow = self._flows.get(revision.tenant, revision.namespace, revision.id, revision.revision)
        if flow is None:
            return self._flows.defaults, []
        flow = flow.effective
        return flow.defaults, [
            Listening(flow, trigger)
            for trigger in flow.triggers
            if isinstance(trigger, FlowTrigger) and not trigger.disabled and not flow.disabled
        ]


def _places(trigger: FlowTrigger) -> set[_Place | None]:
    """Return the flows that a trigger can be about; {None}: any."""
    for condition in trigger.conditions:
        if isinstance(condition, ExecutionFlow):
            return {(condition.namespace, condition.flow_id)}
    if trigger.depends_on:
        return {(one.namespace, one.flow_id) for one in trigger.depends_on}
    upstream = trigger.preconditions
    others = any(isinstance(condition, MultipleCondition) for condition in trigger.conditions)
    if upstream is not None and upstream.flows and not upstream.where and not others:
        return {(one.namespace, one.flow_id) for one in upstream.flows}
    return {None}
