"""Handlers as Faust agents: assignment, consumption and offsets are Faust's, everything else ours.

No Faust tables, no sending through Faust (docs/adr/0003-faust.md). An event is acknowledged from
the delivery reports of what its step wrote, so an offset is committed only when that is durable.
Nothing may escape an agent, for Faust would acknowledge the event and go on: handlers stop the
process instead.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, cast

import faust
import msgspec
from faust.streams import Stream
from faust.types import TP, EventT, StreamT

from domain.record.envelope import Record
from streams.handler import CommandHandler

_ACKNOWLEDGE_SECONDS = 0.05


class AgentOptions(msgspec.Struct, frozen=True):
    """How Faust joins the broker."""

    bootstrap_servers: str
    """host:port of some brokers, separated by commas."""
    prefix: str
    """Stands before every topic name on the broker."""
    instance_id: str
    """Stable name of this member: a restart takes its partitions back without a rebalance."""
    folder: Path
    """Where Faust may make folders: it does, though we give it nothing to put there."""
    session_timeout_seconds: float = 10.0
    """How long a silent member keeps its partitions."""
    commit_interval_seconds: float = 0.25
    """Time between two commits."""


def build_app(name: str, options: AgentOptions, handlers: Iterable[CommandHandler]) -> faust.App:
    """Return a Faust app with one agent per handler; nothing is connected yet."""
    handlers = list(handlers)
    app = faust.App(
        f"{options.prefix}{name}",
        broker=[f"kafka://{server}" for server in options.bootstrap_servers.split(",")],
        # Faust formats the path
        datadir=str(options.folder).replace("{", "{{").replace("}", "}}"),
        broker_client_id=options.instance_id,
        broker_commit_interval=options.commit_interval_seconds,
        broker_commit_every=500,
        broker_session_timeout=options.session_timeout_seconds,
        broker_heartbeat_interval=min(3.0, options.session_timeout_seconds / 5),
        broker_rebalance_timeout=max(15.0, options.session_timeout_seconds * 1.5),
        broker_max_poll_interval=60.0,
        broker_max_poll_records=500,
        consumer_group_instance_id=options.instance_id,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        stream_buffer_maxsize=512,
        key_serializer="raw",
        value_serializer="raw",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        autodiscover=False,
    )
    for handler in handlers:
        topic = app.topic(options.prefix + handler.topic, key_type=bytes, value_type=bytes)
        app.agent(topic, name=handler.topic)(_agent(handler))
    by_topic = {options.prefix + handler.topic: handler for handler in handlers}

    async def assigned(_: object, *arguments: Any, **__: Any) -> None:
        _tell(by_topic, arguments[0], "assigned")

    async def revoked(_: object, *arguments: Any, **__: Any) -> None:
        _tell(by_topic, arguments[0], "revoked")

    # the signal's declared callback type has no way to spell its own keywords
    cast("Any", app.on_partitions_assigned).connect(assigned, weak=False)
    cast("Any", app.on_partitions_revoked).connect(revoked, weak=False)
    return app


def _tell(by_topic: dict[str, CommandHandler], partitions: set[TP], what: str) -> None:
    for name, handler in by_topic.items():
        numbers = sorted(tp.partition for tp in partitions if tp.topic == name)
        if numbers:
            getattr(handler, what)(numbers)


def _agent(handler: CommandHandler) -> Callable[[StreamT[bytes]], Any]:
    async def agent(stream: StreamT[bytes]) -> None:
        acknowledgements = _Acknowledgements(asyncio.get_running_loop())
        async for event in cast("Stream[bytes]", stream).noack().events():
            handler.process(_record(handler.topic, event), acknowledgements.of(event))

    return agent


class _Acknowledgements:
    """Tells Faust on its loop what other threads say is done.

    Gathered: commits come at intervals anyhow, and every call from another thread wakes the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._done: deque[EventT[bytes]] = deque()
        self._open = 0

    def of(self, event: EventT[bytes]) -> Callable[[], None]:
        """Return what says, on any thread, that an event is done."""
        self._open += 1
        if self._open == 1:
            self._loop.call_later(_ACKNOWLEDGE_SECONDS, self._flush)
        return partial(self._done.append, event)

    def _flush(self) -> None:
        while self._done:
            self._done.popleft().ack()
            self._open -= 1
        if self._open:
            self._loop.call_later(_ACKNOWLEDGE_SECONDS, self._flush)


def _record(topic: str, event: EventT[bytes]) -> Record:
    message = event.message
    key = message.key
    value = message.value
    headers = cast("list[tuple[str, bytes]]", message.headers or [])
    return Record(
        topic=topic,
        partition=message.partition,
        offset=message.offset,
        key=key.decode() if isinstance(key, bytes) else str(key or ""),
        value=value if isinstance(value, bytes) or value is None else str(value).encode(),
        timestamp_ms=round(message.timestamp * 1000),
        headers={name: data.decode() for name, data in headers},
    )


async def run_app(app: faust.App, stop: asyncio.Event, *, stop_timeout: float = 10.0) -> None:
    """Run an app until `stop` is set; raises what made it crash."""
    app.finalize()
    await app.start()
    stopped = asyncio.ensure_future(stop.wait())
    crashed = asyncio.ensure_future(app.wait_until_stopped())
    try:
        await asyncio.wait({stopped, crashed}, return_when=asyncio.FIRST_COMPLETED)
        if app.crashed:
            raise app.crash_reason or RuntimeError("Faust crashed")
    finally:
        stopped.cancel()
        crashed.cancel()
        await asyncio.wait_for(app.stop(), stop_timeout)
