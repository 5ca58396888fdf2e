"""The log itself: verified by stepping it again, and exported to be verified elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import Final

from litestar import Controller, get

from api.context import Context, context
from api.controllers.http import Http
from api.errors import illegal_state, not_found
from api.log_archive import archive_pieces
from api.log_verification import verification_lines
from api.parameters import Parameters
from api.reply import Reply, Streamed, attachment
from domain.record.topics import EXECUTION_EVENTS

_SHOWN: Final = 100
"""Divergences told one by one, unless asked otherwise."""
_MOST: Final = 10_000


class LogAudit(Controller):
    """Routes of the log."""

    path = "/api/v1/log"
    tags = ["Log"]  # noqa: RUF012 - Litestar's way

    @get("/verify", operation_id="verifyLog", status_code=200)
    async def verify(self, request: Http) -> Reply:
        """Step the recorded commands again and compare the events' bytes; one line a finding."""
        own, parameters = context(request), Parameters.of(request)
        execution_id = parameters.text("executionId")
        most = min(parameters.number("most", _SHOWN) or 0, _MOST)
        if execution_id is not None:
            await _require_stream(own, execution_id)
        if own.verifying.locked():
            raise illegal_state("A verification is under way: ask again when it has ended")
        ports = own.ports
        found = verification_lines(ports.log, ports.flows, ports.settings, execution_id, most)
        return Streamed(_alone(own, found), b"application/x-ndjson")

    @get("/export", operation_id="exportLog", status_code=200)
    async def export(self, request: Http) -> Reply:
        """Return the commands, the events and the flows as a zip archive."""
        own = context(request)
        execution_id = Parameters.of(request).text("executionId")
        if execution_id is not None:
            await _require_stream(own, execution_id)
        ports = own.ports
        pieces = archive_pieces(ports.log, ports.settings, ports.now(), execution_id)
        name = "log.zip" if execution_id is None else f"{execution_id}.zip"
        head = attachment(name, b"application/zip")
        return Streamed(_threaded(pieces), b"application/zip", head[1:])


async def _require_stream(own: Context, execution_id: str) -> None:
    def first() -> object:
        return next(iter(own.ports.log.by_key(EXECUTION_EVENTS, execution_id)), None)

    if await asyncio.to_thread(first) is None:
        raise not_found(f"There is no execution '{execution_id}' on the log")


async def _alone(own: Context, lines: Iterator[bytes]) -> AsyncGenerator[bytes]:
    """Yield lines while no other verification runs: each keeps a processor busy."""
    async with own.verifying:
        async for line in _threaded(lines):
            yield line


async def _threaded(pieces: Iterator[bytes]) -> AsyncGenerator[bytes]:
    """Yield what blocks, each piece made on a thread."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


ROUTES = [LogAudit]
