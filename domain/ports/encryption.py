"""Encryption of SECRET inputs and encrypted outputs: stored as text, read by workers only."""

from __future__ import annotations

from typing import Protocol


class Encryption(Protocol):
    """Turns text into sealed text and back. Empty text passes through."""

    def encrypt(self, text: str) -> str:
        """Seal a text; raises InvalidInput when no key is configured."""
        ...

    def decrypt(self, sealed: str) -> str:
        """Open a sealed text; raises InvalidInput when it is not sealed with our key."""
        ...
