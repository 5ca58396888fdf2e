"""The beginning of a file, as people look at it."""

from __future__ import annotations

import base64
import codecs
import io
import itertools
from typing import Any, BinaryIO

from api.errors import illegal_argument
from domain.expression import Fault
from domain.expression.ion import read_ion

_IMAGES = frozenset({"jpg", "jpeg", "png", "svg", "gif", "bmp", "webp"})
_LONGEST_BYTES = 8 * 1024 * 1024


def preview(data: BinaryIO, extension: str, rows: int, encoding: str) -> dict[str, Any]:
    """Return the first rows of a file; blocks.

    Args:
        data: the file, at its start.
        extension: of its name, without the dot.
        rows: how many lines or records to show.
        encoding: of its text.

    Raises:
        ApiError: 422 no such encoding.
    """
    view: dict[str, Any] = {"extension": extension}
    if extension in _IMAGES or extension == "pdf":
        content = base64.b64encode(data.read(_LONGEST_BYTES)).decode()
        kind = "PDF" if extension == "pdf" else "IMAGE"
        return view | {"type": kind, "content": content, "truncated": bool(data.read(1))}
    try:
        codecs.lookup(encoding)
    except (LookupError, ValueError):
        raise illegal_argument(f"Unable to preview using encoding '{encoding}'") from None
    lines = io.TextIOWrapper(data, encoding=encoding, errors="replace", newline=None)
    shown, more = _first(lines, rows)
    if extension == "ion":
        try:
            records = [_without_nulls(record) for record in read_ion("".join(shown))]
        except Fault:
            pass
        else:
            return view | {
                "maxLine": rows,
                "type": "LIST",
                "content": records,
                "truncated": more,
            }
    text = "".join(shown)
    return view | {
        "type": "MARKDOWN" if extension == "md" else "TEXT",
        "content": text if more else text.removesuffix("\n"),
        "maxLine": rows,
        "truncated": more,
    }


def _first(lines: io.TextIOWrapper, rows: int) -> tuple[list[str], bool]:
    shown: list[str] = []
    left = _LONGEST_BYTES
    for line in itertools.islice(lines, rows):
        shown.append(line[:left])
        left -= len(line)
        if left <= 0:
            return shown, True
    return shown, bool(lines.read(1))


def _without_nulls(record: Any) -> Any:
    if isinstance(record, dict):
        return {key: _without_nulls(value) for key, value in record.items() if value is not None}
    return record
