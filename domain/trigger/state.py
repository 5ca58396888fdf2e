"""What a scheduled trigger is at one point of its stream."""

from __future__ import annotations

from datetime import datetime

import msgspec


class TriggerKey(msgspec.Struct, frozen=True):
    """Which trigger of which flow."""

    tenant: str
    namespace: str
    flow_id: str
    trigger_id: str

    @property
    def text(self) -> str:
        """The record key: tenant/namespace/flow/trigger."""
        return f"{self.tenant}/{self.namespace}/{self.flow_id}/{self.trigger_id}"


class Trigger(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The state of one trigger. It belongs to one fold, which changes it in place."""

    key: TriggerKey
    sequence: int = 0
    """Sequence number of the last event folded in."""
    flow_revision: int = 0
    fingerprint: str = ""
    """Of the definition: another one means that the next date is computed anew."""
    next_date: datetime | None = None
    """When it fires next; None when it never does or is unregistered."""
    last_date: datetime | None = None
    """The date that it fired for last."""
    last_execution_id: str | None = None
    updated: datetime | None = None
    disabled: bool = False
    """Switched off through the API, whatever the flow says."""
    registered: bool = False
