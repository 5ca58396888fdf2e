"""Values of the topics that no room owns alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class FlowRevision(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One revision of a flow: its source, word for word; the first in log order counts."""

    tenant: str
    namespace: str
    id: str
    revision: int
    """From 1, never used twice, also across a deletion."""
    source: str
    updated: datetime
    writer: str
    """Who wrote it: a nonce by which the writer knows its own record."""
    deleted: bool = False
    """True: from this revision on the flow does not exist."""
    disabled: bool = False
    withdrawn: bool = False
    """True: no longer shown; executions that are pinned to it still run by it."""


class StoredDefault(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Values for every object of a type: see `domain.flow.common.PluginDefault`."""

    type: str
    values: dict[str, Any] = {}
    forced: bool = False
    ref: str | None = None


class PluginDefaults(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The plugin defaults of the server and its namespaces, whole; the last set is in force.

    Executions and triggers keep the number of the set that they began with, so no set is dropped.
    """

    number: int
    """From 1; the first in log order takes it."""
    everywhere: list[StoredDefault] = []
    namespaces: dict[str, list[StoredDefault]] = {}
    since: datetime
    writer: str
    """Who wrote it: a nonce by which the writer knows its own record."""


class DeadLetter(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A record that could not be read or processed."""

    topic: str
    partition: int
    offset: int
    key: str
    value: str
    """The original bytes in base64, at most the first 256 KiB of them."""
    reason: str
    """What was wrong, in words, without secrets."""
    component: str
    at: datetime
    truncated: bool = False
