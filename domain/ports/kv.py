"""The key-value store of namespaces: its entries and its port."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import msgspec


class KvEntry(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """The current value of one key of a namespace."""

    tenant: str
    namespace: str
    key: str
    value: Any
    """Plain JSON data."""
    type: str
    """STRING, NUMBER, BOOLEAN, DATETIME, DATE, DURATION or JSON."""
    revision: int
    """From 1, counting the writes since the key was last created."""
    created: datetime
    updated: datetime
    description: str | None = None
    expires: datetime | None = None

    def is_expired(self, now: datetime) -> bool:
        """Tell whether the entry counts as absent at an instant."""
        return self.expires is not None and self.expires <= now


class KeyValues(Protocol):
    """Reads and writes entries. Thread-safe. Reads never block; a write is seen when it returns."""

    def get(self, tenant: str, namespace: str, key: str) -> KvEntry | None:
        """The entry of this very namespace, also an expired one; None when there is none."""
        ...

    def put(
        self,
        tenant: str,
        namespace: str,
        key: str,
        value: Any,
        *,
        kind: str | None = None,
        expires: datetime | None = None,
        description: str | None = None,
    ) -> KvEntry:
        """Write an entry.

        Args:
            tenant: tenant id.
            namespace: namespace id.
            key: letter or digit first, then those, `.`, `_` and `-`.
            value: plain JSON data.
            kind: type of the value; None takes it from the value.
            expires: instant from which the entry counts as absent.
            description: text for people; None keeps the present one.

        Raises:
            InvalidInput: the key breaks the rule.
            LogUnavailable: the write is not durable.
        """
        ...

    def delete(self, tenant: str, namespace: str, key: str) -> bool:
        """Delete an entry; False when there was none."""
        ...

    def entries(self, tenant: str, namespace: str | None = None, prefix: str = "") -> list[KvEntry]:
        """Entries of a namespace (None: all) whose keys begin so, in order, expired ones too."""
        ...
