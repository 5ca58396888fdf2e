"""Flows as text: read, checked, stored; many of them in one body."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from api.context import Context
from api.errors import ApiError, Detail, invalid_entity, not_found
from api.views.flow import View, saved_view, stored_view
from domain.errors import InvalidFlow
from domain.flow.model import Flow
from domain.flow.reader import FlowReading, parse_flow, read_flow
from domain.ids import DEFAULT_TENANT
from domain.record.values import FlowRevision

_DOCUMENTS = re.compile(r"^---[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Checked:
    """A source that describes a valid flow."""

    source: str
    flow: Flow


def check(own: Context, source: str) -> Checked:
    """Return a source with its flow; raises InvalidFlow with everything that is wrong."""
    return Checked(
        source,
        read_flow(source, catalogue=own.ports.catalogue, defaults=own.ports.flows.plugin_defaults),
    )


def parse(own: Context, source: str) -> FlowReading:
    """Return everything there is to say about a source."""
    return parse_flow(
        source,
        catalogue=own.ports.catalogue,
        defaults=own.ports.flows.plugin_defaults,
        hints=True,
    )


def split(text: str) -> list[str]:
    """Return the documents of a text, word for word; empty ones are left out."""
    return [part for part in _DOCUMENTS.split(text) if part.strip()]


def entity_error(path: str, message: str) -> ApiError:
    """422: a rule about a flow as a whole is broken."""
    return invalid_entity(f"{path}: {message}", Detail(message, path))


def latest(own: Context, namespace: str, flow_id: str) -> FlowRevision | None:
    """Return the latest revision of a flow that is not deleted."""
    found = own.ports.flows.revision(DEFAULT_TENANT, namespace, flow_id)
    return None if found is None or found.deleted else found


def require(own: Context, namespace: str, flow_id: str) -> FlowRevision:
    """Return the latest revision of a flow; raises ApiError 404."""
    found = latest(own, namespace, flow_id)
    if found is None:
        raise not_found()
    return found


async def save(own: Context, checked: Checked) -> tuple[FlowRevision, bool]:
    """Store a flow; returns its revision, and whether that is a new one."""
    flow = checked.flow
    before = own.ports.flows.revision(DEFAULT_TENANT, flow.namespace, flow.id)
    stored = await own.ports.flow_writer.save(
        DEFAULT_TENANT, flow.namespace, flow.id, checked.source
    )
    return stored, before is None or stored.revision != before.revision


async def saved(own: Context, checked: Checked) -> View:
    """Store a flow and return it as the answer shows it."""
    stored, is_new = await save(own, checked)
    flow = msgspec.structs.replace(checked.flow, revision=stored.revision)
    if is_new:
        return saved_view(flow, stored.source)
    return stored_view(flow, stored, source=True)


def shown(own: Context, stored: FlowRevision, *, source: bool) -> View:
    """Return a stored revision; one that cannot be read shows why."""
    reading = parse_flow(
        stored.source,
        catalogue=own.ports.catalogue,
        tenant_id=stored.tenant,
        revision=stored.revision,
        defaults=own.ports.flows.plugin_defaults,
        allow_unknown_types=True,
    )
    return stored_view(reading.flow, stored, source=source, exception=reading.constraints)


def check_all(own: Context, documents: Sequence[str], namespace: str | None) -> list[Checked]:
    """Return all documents as flows, or raise for the first that is wrong; nothing is stored.

    Raises:
        InvalidFlow: a document is no valid flow.
        ApiError: 422 another namespace, or a flow written twice.
    """
    found: list[Checked] = []
    seen: set[tuple[str, str]] = set()
    for document in documents:
        checked = check(own, document)
        flow = checked.flow
        if namespace is not None and flow.namespace != namespace:
            name = f"{DEFAULT_TENANT}_{flow.namespace}_{flow.id}_-1"
            raise entity_error("flow.namespace", f"{name} - flow namespace is invalid")
        if (flow.namespace, flow.id) in seen:
            raise entity_error("flow.id", "Duplicate flow id")
        seen.add((flow.namespace, flow.id))
        found.append(checked)
    return found


def switched(source: str, *, disabled: bool) -> str:
    """Return a source with its `disabled` line set; the rest stays word for word."""
    word = "true" if disabled else "false"
    line = re.compile(r"^disabled:.*$", re.MULTILINE)
    if line.search(source):
        changed = line.sub(f"disabled: {word}", source)
        return changed if changed.endswith("\n") else changed + "\n"
    return f"{source}\ndisabled: {word}"


def import_documents(own: Context, text: str) -> list[Checked | None]:
    """Return the flows of a text; None where a document is no valid flow."""
    found: list[Checked | None] = []
    for document in split(text):
        try:
            found.append(check(own, document))
        except InvalidFlow:
            found.append(None)
    return found
