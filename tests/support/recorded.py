"""What a world of the heart has done, as it stands on a log."""

from __future__ import annotations

import msgspec

from domain.execution.record import EventRecord
from domain.flow.core_specs import CORE_CATALOGUE
from domain.record.codec import encode
from domain.record.envelope import Outgoing, milliseconds_of
from domain.record.topics import EXECUTION_COMMANDS, EXECUTION_EVENTS, FLOWS
from domain.record.values import FlowRevision
from infra.flows import FlowStore
from tests.support.heart import START, World, flow_of
from tests.support.memory_log import MemoryLog

_RECORDS = msgspec.json.Decoder(EventRecord)


def log_of(world: World, *sources: str) -> MemoryLog:
    """Return a log of one partition with flows, commands and events.

    Args:
        world: where it happened.
        sources: of the flows, in the order in which the world got them.
    """
    log = MemoryLog()
    revisions: dict[str, int] = {}
    for source in sources:
        flow = world_flow(source)
        revisions[flow] = revisions.get(flow, 0) + 1
        stored = FlowRevision(
            tenant="main",
            namespace="n",
            id=flow,
            revision=revisions[flow],
            source=source,
            updated=START,
            writer="test",
        )
        log.append([Outgoing(FLOWS, flow, encode(stored))])
    for data, time in zip(world.commands, world.times, strict=True):
        key = msgspec.json.decode(data)["execution_id"]
        log.append([Outgoing(EXECUTION_COMMANDS, key, data, timestamp_ms=milliseconds_of(time))])
    for data in world.records:
        record = _RECORDS.decode(data)
        log.append([Outgoing(EXECUTION_EVENTS, record.execution_id, data)])
    return log


def world_flow(source: str) -> str:
    """Return the id of a flow of the namespace `n`."""
    flow = flow_of(source)
    assert flow.namespace == "n"
    return flow.id


def flows_of(log: MemoryLog) -> FlowStore:
    """Return the flows of a log."""
    flows = FlowStore(log, CORE_CATALOGUE)
    flows.start()
    return flows
