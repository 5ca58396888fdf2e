"""TriggerGateway port over the log: commands out, the records of their steps in."""

from __future__ import annotations

import asyncio
from threading import Lock

from domain.errors import LogUnavailable, UnreadableRecord
from domain.ports.gateway import TriggerOutcome
from domain.ports.log import Log, Tail
from domain.record.codec import encode
from domain.record.envelope import Outgoing, Position, Record
from domain.record.topics import TRIGGER_COMMANDS, TRIGGER_EVENTS
from domain.trigger.commands import TriggerCommand
from domain.trigger.events import TriggerCommandRejected, TriggerEventRecord
from domain.trigger.evolve import RECORDS

_Answer = tuple[asyncio.AbstractEventLoop, "asyncio.Future[TriggerOutcome]"]


class LogTriggerGateway:
    """Appends commands to `trigger.commands` and waits on `trigger.events` for their steps."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._waiting: dict[str, _Answer] = {}
        self._lock = Lock()
        self._tail: Tail | None = None

    def start(self) -> None:
        """Follow the events from here on."""
        reader = self._log.reader
        starts = {
            partition: reader.bounds(TRIGGER_EVENTS, partition)[1]
            for partition in range(reader.partitions(TRIGGER_EVENTS))
        }
        self._tail = reader.tail(TRIGGER_EVENTS, starts, self._deliver)

    def close(self) -> None:
        """Stop following."""
        if self._tail is not None:
            self._tail.close()

    async def submit(self, command: TriggerCommand, timeout: float = 10.0) -> TriggerOutcome:  # noqa: ASYNC109
        """Append a person's command and wait until its step is recorded."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[TriggerOutcome] = loop.create_future()
        with self._lock:
            self._waiting[command.command_id] = (loop, answer)

        def delivered(position: Position | None, error: Exception | None) -> None:
            if position is None:
                loop.call_soon_threadsafe(_fail, answer, f"the command was not written: {error}")

        try:
            outgoing = Outgoing(TRIGGER_COMMANDS, command.key.text, encode(command))
            self._log.writer.send(outgoing, delivered)
            return await asyncio.wait_for(answer, timeout)
        except TimeoutError:
            raise LogUnavailable("no scheduler answered in time") from None
        finally:
            with self._lock:
                self._waiting.pop(command.command_id, None)

    def _deliver(self, batch: list[Record]) -> None:
        for record in batch:
            if not self._waiting:
                return
            try:
                decoded = RECORDS.decode(record)
            except UnreadableRecord:
                continue  # whoever folds the topic puts it aside
            with self._lock:
                waiting = self._waiting.get(decoded.command_id)
            if waiting is not None:
                loop, answer = waiting
                loop.call_soon_threadsafe(_settle, answer, _outcome(decoded))


def _outcome(record: TriggerEventRecord) -> TriggerOutcome:
    for event in record.events:
        if isinstance(event, TriggerCommandRejected):
            return TriggerOutcome(False, event.code, event.message, record.state)
    return TriggerOutcome(True, trigger=record.state)


def _settle(answer: asyncio.Future[TriggerOutcome], outcome: TriggerOutcome) -> None:
    if not answer.done():
        answer.set_result(outcome)


def _fail(answer: asyncio.Future[TriggerOutcome], reason: str) -> None:
    if not answer.done():
        answer.set_exception(LogUnavailable(reason))
