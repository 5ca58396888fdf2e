"""The document of the latest revision of one flow."""

from __future__ import annotations

from datetime import datetime

import msgspec

from projections.store import ReadModel


class FlowDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A flow as of its latest revision; a deleted one stays, marked."""

    key: str
    """tenant/namespace/id."""
    tenant: str
    namespace: str
    id: str
    revision: int
    """The document's version."""
    updated: datetime
    disabled: bool = False
    deleted: bool = False
    label_pairs: list[str] = []
    """Every label as key, U+001F, value."""
    text: str
    """What `q` looks through: id, namespace, labels."""
    source: str
    """Word for word."""


FLOWS = ReadModel(
    "flows",
    FlowDocument,
    lookups=(("tenant", "namespace", "id"),),
    key="key",
)
