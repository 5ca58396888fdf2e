"""The document of one trigger."""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.trigger.state import Trigger
from projections.store import ReadModel


class TriggerDocument(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A trigger that its flow declares, and what it is found by."""

    key: str
    """tenant/namespace/flow/trigger."""
    tenant: str
    namespace: str
    flow_id: str
    trigger_id: str
    kind: str
    """Type of the trigger."""
    disabled: bool = False
    """Switched off by a person or by `stopAfter`."""
    locked: bool = False
    """A running execution forbids the next one."""
    next_date: datetime | None = None
    last_date: datetime | None = None
    execution_id: str | None = None
    """The execution that runs and locks it."""
    updated: datetime | None = None
    text: str
    """What `q` looks through: namespace, flow, trigger."""
    sequence: int
    """Of the last event: the document's version."""
    body: Trigger


TRIGGERS = ReadModel(
    "triggers",
    TriggerDocument,
    lookups=(("tenant", "namespace", "flow_id", "trigger_id"),),
    key="key",
)
