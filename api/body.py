"""Bodies: text and JSON, with refusals that say what is wrong."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from litestar import Request

from api.errors import ApiError, invalid_json, missing_body, unsupported_media_type
from domain.json_words import json_fault

T = TypeVar("T")


def content_type(request: Request[Any, Any, Any]) -> str:
    """Return the media type of the body, without parameters; empty when none is given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_text(request: Request[Any, Any, Any]) -> str:
    """Return the body as text; raises ApiError 422 when it is not UTF-8."""
    raw = await request.body()
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise ApiError(
            422, f"Unprocessable Entity: the body is not UTF-8 (byte {error.start})"
        ) from None


async def read_json(request: Request[Any, Any, Any], shape: type[T], name: str) -> T:
    """Return a JSON body as a value of a type; unknown members are ignored.

    Args:
        request: the request.
        shape: a msgspec type.
        name: what errors call the body.

    Raises:
        ApiError: 415 another content type, 422 no body, broken JSON or another shape.
    """
    kind = content_type(request)
    if kind and not kind.endswith("json"):
        raise unsupported_media_type(kind, "application/json")
    raw = await request.body()
    if not raw.strip():
        raise missing_body(name)
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _broken(name, raw, error) from None
    except RecursionError:
        raise invalid_json(name, "the document is nested too deeply") from None


def _broken(name: str, raw: bytes, error: Exception) -> ApiError:
    fault = json_fault(raw.decode(errors="replace"))
    if fault is None:
        return invalid_json(name, str(error))
    if len(fault.path) > 1 and isinstance(fault.path[0], int):
        path = f"java.util.ArrayList[{fault.path[0]}]"
        return invalid_json(name, f"{fault} (through reference chain: {path})", path)
    return invalid_json(name, str(fault))
