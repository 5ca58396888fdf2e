"""Values of the topics that no room owns alone."""

from __future__ import annotations

from datetime import datetime

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
