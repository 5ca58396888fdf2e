"""Records of `flows` to documents."""

from __future__ import annotations

from typing import Any

from domain.ids import flow_key
from domain.record.codec import Codec
from domain.record.envelope import Record
from domain.record.values import FlowRevision
from domain.yaml.mistakes import YamlError
from domain.yaml.reader import read_yaml
from projections.flows.document import FLOWS, FlowDocument
from projections.labels import label_pair
from projections.store import Upsert, Write

_CODEC: Codec[FlowRevision] = Codec(FlowRevision)


def writes_of(record: Record) -> list[Write]:
    """Return what a record asks of the index; raises UnreadableRecord.

    The document's version is the revision: a later one wins, and of two writers of one revision the
    first in log order. A tombstone takes a loser back, which left no document.
    """
    if record.value is None:
        return []
    revision = _CODEC.decode(record)
    document = document_of(revision)
    return [Upsert(FLOWS, document.key, revision.revision, document)]


def document_of(revision: FlowRevision) -> FlowDocument:
    """Return the document of a revision; an unreadable source has no labels."""
    labels = labels_of(revision.source)
    words = [revision.id, revision.namespace]
    for label in labels:
        words += label
    return FlowDocument(
        key=flow_key(revision.tenant, revision.namespace, revision.id),
        tenant=revision.tenant,
        namespace=revision.namespace,
        id=revision.id,
        revision=revision.revision,
        updated=revision.updated,
        disabled=revision.disabled,
        deleted=revision.deleted,
        label_pairs=[label_pair(key, value) for key, value in labels],
        text=" ".join(words),
        source=revision.source,
    )


def labels_of(source: str) -> list[tuple[str, str]]:
    """Return the labels of a flow's source, written as a map or as a list of key and value."""
    try:
        flow = read_yaml(source).value
    except YamlError:
        return []
    labels = flow.get("labels") if isinstance(flow, dict) else None
    if isinstance(labels, dict):
        return [(str(key), _text(value)) for key, value in labels.items()]
    if isinstance(labels, list):
        return [
            (str(item["key"]), _text(item["value"]))
            for item in labels
            if isinstance(item, dict) and "key" in item and "value" in item
        ]
    return []


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
