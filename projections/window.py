"""The window: recent executions folded from the log's tail, to read own writes and to follow.

It is bounded: ended executions leave first, else the least recently touched. What has left is
folded again from its own stream when somebody follows it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from itertools import islice
from threading import RLock

import msgspec

from domain.errors import LogUnavailable, UnreadableRecord
from domain.execution.commands import CreateExecution
from domain.execution.events import CommandRejected
from domain.execution.fold import RECORDS, continues, decode_state, encode_state, fold_record
from domain.execution.record import EventRecord
from domain.execution.state import Execution
from domain.ports.gateway import Outcome
from domain.ports.log import LogReader, Tail
from domain.record.envelope import Record
from domain.record.topics import EXECUTION_EVENTS

_CREATE = CreateExecution.__struct_config__.tag
"""Tag of the one command whose answer shows its execution as created, whatever came after."""


class WindowOptions(msgspec.Struct, frozen=True):
    """Bounds of the window. All since 0.1."""

    ended: int = 1_000
    """Ended executions kept; count."""
    executions: int = 10_000
    """Executions kept in all; count."""


class _Waiter:
    """A coroutine that waits for the next change: a flag that any thread may raise."""

    __slots__ = ("_event", "_loop")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Raise the flag, from any thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        """Wait for the flag and lower it."""
        await self._event.wait()
        self._event.clear()


class Window:
    """ExecutionWindow port over the log."""

    def __init__(self, reader: LogReader, options: WindowOptions | None = None) -> None:
        self._reader = reader
        self._options = options or WindowOptions()
        self._executions: OrderedDict[str, Execution] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._waiters: dict[str, set[_Waiter]] = {}
        self._recalling: dict[str, list[EventRecord]] = {}
        """Records that came while their execution was folded from its own stream."""
        self._outcomes: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.Future[Outcome]]] = {}
        self._lock = RLock()
        self._tail: Tail | None = None

    def __len__(self) -> int:
        return len(self._executions)

    def start(self) -> None:
        """Follow the log from its present end."""
        partitions = self._reader.partitions(EXECUTION_EVENTS)
        starts = {n: self._reader.bounds(EXECUTION_EVENTS, n)[1] for n in range(partitions)}
        self._tail = self._reader.tail(EXECUTION_EVENTS, starts, self._deliver)

    def close(self) -> None:
        """Stop following."""
        if self._tail is not None:
            self._tail.close()

    def get(self, execution_id: str) -> Execution | None:
        """The execution as of the last record seen; None when it is not in the window."""
        return self._executions.get(execution_id)

    def latest(self, most: int) -> list[Execution]:
        """The executions that moved last, the last one first: the index may not have them yet."""
        with self._lock:
            return list(islice(reversed(self._executions.values()), most))

    async def outcome(self, command_id: str, timeout: float) -> Outcome:  # noqa: ASYNC109 - port
        """Wait for the step of a command announced by `expect`; raises LogUnavailable."""
        _, future = self._outcomes[command_id]
        try:
            return await asyncio.wait_for(future, timeout)
        except TimeoutError:
            raise LogUnavailable(f"no executor answered within {timeout:g} s") from None
        finally:
            self._outcomes.pop(command_id, None)

    def expect(self, command_id: str) -> None:
        """Remember that somebody waits for a command's step; to be said before it is sent."""
        loop = asyncio.get_running_loop()
        self._outcomes[command_id] = (loop, loop.create_future())

    def forget(self, command_id: str) -> None:
        """Nobody waits any more."""
        self._outcomes.pop(command_id, None)

    async def follow(self, execution_id: str) -> AsyncIterator[Execution]:
        """Yield the execution now and after every later step, until the consumer stops."""
        waiter = _Waiter()
        with self._lock:
            self._waiters.setdefault(execution_id, set()).add(waiter)
        try:
            execution = self.get(execution_id)
            if execution is None:
                execution = await asyncio.to_thread(self.recall, execution_id)
            while True:
                if execution is not None:
                    yield execution
                await waiter.wait()
                execution = self.get(execution_id)
        finally:
            with self._lock:
                waiters = self._waiters[execution_id]
                waiters.discard(waiter)
                if not waiters:
                    del self._waiters[execution_id]

    async def ended(self, execution_id: str, timeout: float) -> Execution | None:  # noqa: ASYNC109
        """Wait until the execution has ended (afterExecution included); None when time is up."""
        try:
            async with asyncio.timeout(timeout):
                async for execution in self.follow(execution_id):
                    if execution.closed:
                        return execution
        except TimeoutError:
            return None
        return None

    def recall(self, execution_id: str) -> Execution | None:
        """Fold an execution from its own stream into the window; None: no such stream. Blocks."""
        with self._lock:
            self._recalling.setdefault(execution_id, [])
        state: Execution | None = None
        for record in self._reader.by_key(EXECUTION_EVENTS, execution_id):
            try:
                event_record = RECORDS.decode(record)
            except UnreadableRecord:
                continue
            state = _applied(state, event_record) or state
        with self._lock:
            for event_record in self._recalling.pop(execution_id, []):
                state = _applied(state, event_record) or state
            known = self._executions.get(execution_id)
            if state is None or (known is not None and known.sequence >= state.sequence):
                return known
            self._keep(state)
            return state

    def _deliver(self, batch: list[Record]) -> None:
        """On the tail's thread: fold a batch, then wake whom it concerns."""
        answered: list[tuple[str, Outcome]] = []
        woken: set[_Waiter] = set()
        with self._lock:
            for record in batch:
                try:
                    event_record = RECORDS.decode(record)
                except UnreadableRecord:
                    continue  # no reader can fold it; the indexer puts it aside
                known = self._executions.get(event_record.execution_id)
                state = self._fold(event_record)
                lost = known is not None and state is None and event_record.sequence != 0
                if event_record.command_id in self._outcomes and not lost:
                    answered.append((event_record.command_id, _outcome(event_record, state)))
                if state is not None:
                    woken |= self._waiters.get(event_record.execution_id, set())
            self._trim()
        for command_id, outcome in answered:
            waiting = self._outcomes.get(command_id)
            if waiting is not None:
                loop, future = waiting
                loop.call_soon_threadsafe(_answer, future, outcome)
        for waiter in woken:
            waiter.wake()

    def _fold(self, record: EventRecord) -> Execution | None:
        known = self._executions.get(record.execution_id)
        if known is None and record.sequence != 1:
            recalling = self._recalling.get(record.execution_id)
            if recalling is not None:
                recalling.append(record)
            return None
        state = _applied(known, record)
        if state is None:
            return None
        self._keep(state)
        return state

    def _keep(self, state: Execution) -> None:
        self._executions[state.id] = state
        self._executions.move_to_end(state.id)
        if state.closed:
            self._ended[state.id] = None
        else:
            self._ended.pop(state.id, None)

    def _trim(self) -> None:
        while len(self._ended) > self._options.ended:
            self._drop(next(iter(self._ended)))
        while len(self._executions) > self._options.executions:
            self._drop(next(iter(self._executions)))

    def _drop(self, execution_id: str) -> None:
        self._ended.pop(execution_id, None)
        self._executions.pop(execution_id, None)


def _applied(state: Execution | None, record: EventRecord) -> Execution | None:
    """Return the state after a record, None when the record does not count."""
    return fold_record(state, record) if continues(state, record) else None


def _outcome(record: EventRecord, state: Execution | None) -> Outcome:
    first = record.events[0]
    if isinstance(first, CommandRejected):
        return Outcome(accepted=False, code=first.code, message=first.message, execution=state)
    if state is not None and record.command != _CREATE:
        state = decode_state(encode_state(state))  # the next record moves the one of the window
    return Outcome(accepted=True, execution=state)


def _answer(future: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not future.done():
        future.set_result(outcome)
