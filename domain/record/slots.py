"""What executions ask of the slots of their flow: the values of the topic `flow.slots`.

The key of a record names flow and execution, its partition is that of the flow: one order for all
executions of a flow. The last record of a key is its standing wish; a tombstone ends it. So the
topic may be compacted, and the slots of a flow are the fold of what is left.
"""

from __future__ import annotations

import msgspec


class TakeSlot(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """An execution wants to run."""

    execution_id: str
    flow_key: str
    """`tenant/namespace/flow`."""
    limit: int
    """The limit in the execution's revision of the flow."""
    revision: int = 0
    """That revision: the limit of the latest one counts."""
    behavior: str = "QUEUE"
    """What becomes of it when no slot is free: QUEUE, CANCEL or FAIL."""
    ask: int = 1
    """Which asking of the execution this is: a restart asks anew. Answers repeat it."""
    forced: bool = False
    """It runs already, beyond the limit: count it."""
    issuer: str = ""
    """Who asked for it by hand; empty: the executor, for an execution."""


def slot_record_key(flow_key: str, execution_id: str) -> str:
    """Return the key of an execution's wish on `flow.slots`."""
    return f"{flow_key}/{execution_id}"
