"""What someone may want of a trigger. Everything on `trigger.commands` is one of these."""

from __future__ import annotations

from datetime import datetime

import msgspec

from domain.trigger.state import TriggerKey


class Command(msgspec.Struct, kw_only=True, tag_field="type", omit_defaults=True):
    """Members of every command."""

    key: TriggerKey
    command_id: str
    issuer: str = ""


class RegisterTrigger(Command, tag="trigger.register"):
    """A revision of the flow declares the trigger."""

    flow_revision: int
    fingerprint: str


class RecoverTrigger(Command, tag="trigger.recover"):
    """A scheduler came up: deal with dates that passed meanwhile, as the trigger wants it."""


class UnregisterTrigger(Command, tag="trigger.unregister"):
    """No revision in force declares the trigger any more."""

    flow_revision: int


class FireTrigger(Command, tag="trigger.fire"):
    """The next date has come."""

    date: datetime


class SetTriggerDisabled(Command, tag="trigger.set-disabled"):
    """Switch the trigger off or on."""

    disabled: bool


TriggerCommand = (
    FireTrigger | RegisterTrigger | RecoverTrigger | UnregisterTrigger | SetTriggerDisabled
)
"""Any command, by its tag in `type`."""
