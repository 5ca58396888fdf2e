"""Exports as CSV: one row per record, nested values in the form of Java's `toString`.

Every record stands under the same head, so that one without a member has an empty cell there.
No record, no head.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from typing import Any

from api.reply import Streamed
from domain.expression.text import java_text

_LONGEST = 2**62
_QUOTED = frozenset(',"\n\r')


def columns(heads: Iterable[Iterable[str]]) -> list[str]:
    """Return the names of all heads; one that is not in the first stands where it stood."""
    names: list[str] = []
    known: set[str] = set()
    for head in heads:
        at = 0
        for name in head:
            if name in known:
                at = names.index(name) + 1
            else:
                names.insert(at, name)
                known.add(name)
                at += 1
    return names


def csv(name: str, head: list[str], records: AsyncIterator[Mapping[str, Any]]) -> Streamed:
    """Return a CSV file to be saved under a name, sent while it is made.

    Args:
        name: of the file; plain ASCII.
        head: the columns; none: the file is empty.
        records: the rows, by column.
    """
    disposition = (b"content-disposition", b"attachment; filename=" + name.encode())
    return Streamed(_lines(head, records), b"text/csv", (disposition,))


async def _lines(
    head: list[str], records: AsyncIterator[Mapping[str, Any]]
) -> AsyncGenerator[bytes]:
    if not head:
        return
    yield line(head)
    async for record in records:
        yield line(java_text(record.get(column), _LONGEST) for column in head)


def line(cells: Iterable[str]) -> bytes:
    """Return one row; cells are quoted only where they must be."""
    return (",".join(_cell(cell) for cell in cells) + "\n").encode()


def _cell(text: str) -> str:
    if _QUOTED.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'


async def each(records: Iterable[Mapping[str, Any]]) -> AsyncIterator[Mapping[str, Any]]:
    """Yield records that are known already, for `csv`."""
    for record in records:
        yield record
