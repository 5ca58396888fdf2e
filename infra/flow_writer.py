"""The writer of new revisions of flows."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from domain.errors import LogUnavailable, NotFound
from domain.flow.reader import parse_flow, read_flow
from domain.ids import flow_key
from domain.ports.log import Log
from domain.record.codec import encode
from domain.record.envelope import Outgoing
from domain.record.topics import FLOWS, partition_of
from domain.record.values import FlowRevision
from infra.flows import FlowStore

_SAVE_ATTEMPTS = 20
_REVISION = re.compile(r"^revision:[ \t]*\d+[ \t]*(?:\r?\n|\Z)", re.MULTILINE)


class LogFlowWriter:
    """FlowWriter port: the first in log order takes a number, the loser tries the next one."""

    def __init__(self, log: Log, store: FlowStore) -> None:
        self._log = log
        self._store = store

    async def save(self, tenant: str, namespace: str, flow_id: str, source: str) -> FlowRevision:
        """Store a checked source as the next revision, or return the latest if equal."""
        return await asyncio.to_thread(self._save, tenant, namespace, flow_id, source)

    async def delete(self, tenant: str, namespace: str, flow_id: str) -> FlowRevision:
        """Write the deletion as a revision of its own. Raises NotFound."""
        return await asyncio.to_thread(self._delete, tenant, namespace, flow_id)

    async def withdraw(self, revision: FlowRevision) -> None:
        """Show an old revision no more. The latest one of a flow must not be withdrawn."""
        await asyncio.to_thread(self._withdraw, revision)

    def seed(self, files: Iterable[Path]) -> None:
        """Store flows of files when there is no flow at all."""
        if next(self._store.latest(), None) is not None:
            return
        for file in files:
            source = file.read_text()
            flow = read_flow(
                source, catalogue=self._store.catalogue, defaults=self._store.plugin_defaults
            )
            self._save(flow.tenant_id, flow.namespace, flow.id, source)

    def _save(self, tenant: str, namespace: str, flow_id: str, source: str) -> FlowRevision:
        disabled = False
        flow = parse_flow(
            source,
            tenant_id=tenant,
            revision=None,
            catalogue=self._store.catalogue,
            defaults=self._store.plugin_defaults,
        ).flow
        if flow is not None:
            disabled = flow.disabled

        def next_revision(latest: FlowRevision | None) -> FlowRevision | None:
            if latest is not None and not latest.deleted and _same(latest.source, source):
                return None
            return FlowRevision(
                tenant=tenant,
                namespace=namespace,
                id=flow_id,
                revision=1 if latest is None else latest.revision + 1,
                source=source,
                updated=datetime.now(UTC),
                writer=uuid.uuid4().hex,
                disabled=disabled,
            )

        return self._write(tenant, namespace, flow_id, next_revision)

    def _delete(self, tenant: str, namespace: str, flow_id: str) -> FlowRevision:
        def next_revision(latest: FlowRevision | None) -> FlowRevision | None:
            if latest is None or latest.deleted:
                raise NotFound(f"flow {namespace}.{flow_id} does not exist")
            return msgspec.structs.replace(
                latest,
                revision=latest.revision + 1,
                deleted=True,
                updated=datetime.now(UTC),
                writer=uuid.uuid4().hex,
            )

        return self._write(tenant, namespace, flow_id, next_revision)

    def _withdraw(self, revision: FlowRevision) -> None:
        gone = msgspec.structs.replace(revision, withdrawn=True)
        self._store.wait_for(*self._append(gone))

    def _write(
        self,
        tenant: str,
        namespace: str,
        flow_id: str,
        next_revision: Callable[[FlowRevision | None], FlowRevision | None],
    ) -> FlowRevision:
        key = flow_key(tenant, namespace, flow_id)
        for _ in range(_SAVE_ATTEMPTS):
            latest = self._store.revision(tenant, namespace, flow_id)
            wanted = next_revision(latest)
            if wanted is None:
                assert latest is not None
                return latest
            partition, next_offset = self._append(wanted)
            self._store.wait_for(partition, next_offset)
            stored = self._store.revision(tenant, namespace, flow_id, wanted.revision)
            if stored is not None and stored.writer == wanted.writer:
                return stored
            # the loser takes its record back, or compaction would keep it for ever
            self._log.writer.append(
                [Outgoing(FLOWS, _record_key(wanted), None, partition=partition)]
            )
        raise LogUnavailable(f"flow {key} is being written by too many at once")

    def _append(self, revision: FlowRevision) -> tuple[int, int]:
        """Append a revision; returns its partition and the offset behind it."""
        key = flow_key(revision.tenant, revision.namespace, revision.id)
        # by the flow, not by the record's key: one order for all writers of a flow
        partition = partition_of(key, self._log.writer.partitions(FLOWS))
        [position] = self._log.writer.append(
            [Outgoing(FLOWS, _record_key(revision), encode(revision), partition=partition)]
        )
        return partition, position.offset + 1


def _same(one: str, other: str) -> bool:
    """Tell whether two sources are the same text, whatever revision they say they are."""
    return one == other or _REVISION.sub("", one) == _REVISION.sub("", other)


def _record_key(revision: FlowRevision) -> str:
    key = flow_key(revision.tenant, revision.namespace, revision.id)
    return f"{key}/{revision.revision}/{revision.writer}"
