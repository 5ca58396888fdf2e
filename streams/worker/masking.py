"""Secrets never leave a worker in a log line or an error."""

from __future__ import annotations

from typing import Any

import msgspec

MASK = "******"
_SHORTEST_PART = 8


class Redactor:
    """Replaces the secrets that an attempt has seen by six stars.

    A secret is masked as a whole, each long line of it too; of a JSON secret also every scalar of
    at least eight characters, because expressions take those out.
    """

    __slots__ = ("_ordered", "_values")

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._ordered: list[str] = []

    def add(self, secret: Any) -> None:
        """Mask a secret, or every part of a structured one, from now on."""
        if isinstance(secret, str):
            self._add_text(secret)
        else:
            self._add_parts(secret)
        self._ordered = sorted(self._values, key=len, reverse=True)

    def redact(self, text: str) -> str:
        """Return the text with all secrets replaced; longer ones first."""
        for value in self._ordered:
            if value in text:
                text = text.replace(value, MASK)
        return text

    def _add_text(self, secret: str) -> None:
        if not secret.strip():
            return
        self._values.add(secret)
        lines = secret.splitlines()
        if len(lines) > 1:
            self._values.update(line for line in lines if len(line.strip()) >= _SHORTEST_PART)
        if secret.lstrip()[:1] in ("{", "["):
            try:
                self._add_parts(msgspec.json.decode(secret))
            except msgspec.DecodeError:
                return  # not JSON: it has no parts

    def _add_parts(self, value: Any) -> None:
        if isinstance(value, dict):
            for member in value.values():
                self._add_parts(member)
        elif isinstance(value, list):
            for member in value:
                self._add_parts(member)
        elif value is not None and not isinstance(value, bool):
            text = str(value)
            if len(text) >= _SHORTEST_PART:
                self._values.add(text)
