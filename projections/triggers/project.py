"""Records of `trigger.events` to documents, by the fold that all readers share."""

from __future__ import annotations

from domain.record.envelope import Record
from domain.trigger.evolve import RECORDS, fold
from domain.trigger.state import Trigger
from projections.store import Delete, Upsert, Write
from projections.triggers.document import TRIGGERS, TriggerDocument


class TriggerFold:
    """The triggers of one partition that changed since it is ours. Not thread-safe."""

    def __init__(self) -> None:
        self._states: dict[str, Trigger] = {}

    def writes_of(self, record: Record) -> list[Write]:
        """Return what a record asks of the index; raises UnreadableRecord.

        A record that does not continue its stream asks nothing.
        """
        step = RECORDS.decode(record)
        state = fold(self._states.get(step.key.text), step)
        if state is None:
            return []
        self._states[step.key.text] = state
        return [write_of(state)]


def write_of(trigger: Trigger) -> Upsert | Delete:
    """Return what brings the index up to a trigger's state: one that no flow declares goes."""
    if not trigger.registered:
        return Delete(TRIGGERS, trigger.key.text, trigger.sequence)
    return Upsert(TRIGGERS, trigger.key.text, trigger.sequence, document_of(trigger))


def document_of(trigger: Trigger) -> TriggerDocument:
    """Return the document of a trigger."""
    key = trigger.key
    return TriggerDocument(
        key=key.text,
        tenant=key.tenant,
        namespace=key.namespace,
        flow_id=key.flow_id,
        trigger_id=key.trigger_id,
        kind=trigger.kind,
        disabled=trigger.disabled,
        locked=trigger.is_locked,
        next_date=trigger.next_date,
        last_date=trigger.last_date,
        execution_id=trigger.running[0] if trigger.is_locked else None,
        updated=trigger.updated,
        text=f"{key.namespace} {key.flow_id} {key.trigger_id}",
        sequence=trigger.sequence,
        body=trigger,
    )
