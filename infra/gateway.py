"""CommandGateway port over the log and the window."""

from __future__ import annotations

import asyncio

import msgspec

from domain.errors import LogUnavailable
from domain.execution.commands import ExecutionCommand
from domain.ports.gateway import Outcome
from domain.ports.log import LogWriter
from domain.record.codec import encode
from domain.record.envelope import Outgoing, Position
from domain.record.topics import EXECUTION_COMMANDS
from projections.window import Window


class LogGateway:
    """Appends commands to `execution.commands` and waits on the window for their steps."""

    def __init__(self, writer: LogWriter, window: Window) -> None:
        self._writer = writer
        self._window = window

    async def send(self, command: ExecutionCommand) -> Position:
        """Append a command; returns when it is durable. Raises LogUnavailable."""
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[Position] = loop.create_future()

        def delivered(position: Position | None, error: Exception | None) -> None:
            loop.call_soon_threadsafe(_settle, durable, position, error)

        outgoing = Outgoing(EXECUTION_COMMANDS, command.execution_id, encode(command))
        self._writer.send(outgoing, delivered)
        return await durable

    async def submit(self, command: ExecutionCommand, timeout: float = 10.0) -> Outcome:  # noqa: ASYNC109
        """Append a command and wait until its step is recorded and seen by our own window.

        An execution that was not in the window, because it is older than this process or was left
        out long ago, is taken in.
        """
        self._window.expect(command.command_id)
        try:
            await self.send(command)
        except BaseException:
            self._window.forget(command.command_id)
            raise
        outcome = await self._window.outcome(command.command_id, timeout)
        if outcome.accepted and outcome.execution is None:
            execution = await asyncio.to_thread(self._window.recall, command.execution_id)
            outcome = msgspec.structs.replace(outcome, execution=execution)
        return outcome


def _settle(
    durable: asyncio.Future[Position], position: Position | None, error: Exception | None
) -> None:
    if durable.done():
        return
    if position is not None:
        durable.set_result(position)
    elif isinstance(error, LogUnavailable):
        durable.set_exception(error)
    else:
        durable.set_exception(LogUnavailable(f"the command could not be written: {error}"))
