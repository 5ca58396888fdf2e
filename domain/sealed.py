"""Sealed values: encrypted text that stands in the place of a secret, `{type: ..., value: ...}`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

SEALED_TYPE: Final = "io.kestra.datatype:aes_encrypted"
"""Marks a sealed value."""

Encrypt = Callable[[str], str]
"""Encrypts a text; raises InvalidInput when it cannot."""


def sealed(text: str) -> dict[str, str]:
    """Return the sealed value of an encrypted text."""
    return {"type": SEALED_TYPE, "value": text}


def sealed_text(value: dict[Any, Any]) -> str | None:
    """Return the encrypted text of a value; None: it is no sealed one."""
    if value.get("type") != SEALED_TYPE:
        return None
    text = value.get("value")
    return text if isinstance(text, str) else None
