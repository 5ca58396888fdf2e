"""A render context made readable: encrypted texts opened, outputs fetched that were too large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from domain.execution.variables import BY_REFERENCE
from domain.ports.stores import Blobs
from domain.sealed import sealed_text

REFERENCE = BY_REFERENCE


def opened(value: Any, open_text: Callable[[str], str], blobs: Blobs) -> Any:
    """Return a value in which no encrypted text and no reference is left.

    Args:
        value: any nesting of maps and lists.
        open_text: makes the text of an encrypted one.
        blobs: where outputs by reference are.

    Raises:
        NotFound: a file of outputs is gone.
        InvalidInput: an encrypted text cannot be opened.
    """
    if isinstance(value, dict):
        text = sealed_text(value)
        if text is not None:
            return open_text(text)
        uri = value.get(BY_REFERENCE)
        if isinstance(uri, str):
            with blobs.open(uri) as file:
                return msgspec.json.decode(file.read())
        return {key: opened(member, open_text, blobs) for key, member in value.items()}
    if isinstance(value, list):
        return [opened(member, open_text, blobs) for member in value]
    return value
