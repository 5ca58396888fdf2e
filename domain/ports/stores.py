"""Stores behind the components: files, snapshots, secrets, the flows in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Protocol

from domain.flow.defaults import ScopedDefaults
from domain.flow.model import Flow
from domain.record.values import FlowRevision


class Blobs(Protocol):
    """Internal storage: files by URI `kestra:///...`. Paths are confined to the store."""

    def put(self, uri: str, data: BinaryIO | bytes) -> str:
        """Write a file whole or not at all; returns its URI."""
        ...

    def open(self, uri: str) -> BinaryIO:
        """Open a file for reading; raises NotFound."""
        ...

    def size(self, uri: str) -> int:
        """Bytes of a file; raises NotFound."""
        ...

    def exists(self, uri: str) -> bool:
        """True when there is such a file."""
        ...

    def list(self, uri: str) -> Iterator[str]:
        """URIs of the files below a folder."""
        ...

    def delete(self, uri: str) -> int:
        """Delete a file, or a folder with all in it; returns how many files."""
        ...


class Snapshots(Protocol):
    """A local cache of folded state, one per component; when lost, rebuilt from the log."""

    def offset(self, partition: int) -> int | None:
        """The next offset to fold after what is stored; None when nothing is."""
        ...

    def load(self, partition: int, execution_id: str) -> bytes | None:
        """The stored state of an execution."""
        ...

    def live(self, partition: int) -> Iterator[tuple[str, bytes]]:
        """Every stored state that was not ended."""
        ...

    def save(self, partition: int, offset: int, states: Iterable[tuple[str, bytes, bool]]) -> None:
        """Store changed states (id, bytes, ended) and the next offset, in one transaction."""
        ...

    def forget(self, partition: int) -> None:
        """Drop everything of a partition."""
        ...

    def close(self) -> None:
        """Release."""
        ...


class Secrets(Protocol):
    """Secrets of namespaces."""

    def secret(self, tenant: str, namespace: str, key: str) -> str:
        """The secret's value; raises NotFound."""
        ...


class FlowReader(Protocol):
    """Finds flows in force. Thread-safe; reads do not block."""

    def get(
        self,
        tenant: str,
        namespace: str,
        flow_id: str,
        revision: int | None = None,
        defaults: int | None = None,
    ) -> Flow | None:
        """The parsed flow, by default the latest; None when missing, deleted or unreadable.

        Args:
            tenant: whose it is.
            namespace: its namespace.
            flow_id: its id.
            revision: which; None: the latest.
            defaults: number of the set of plugin defaults to read it with; None: the last one.
        """
        ...


class FlowHistory(FlowReader, Protocol):
    """Finds flows by every revision that they had."""

    def revisions(self, tenant: str, namespace: str, flow_id: str) -> list[FlowRevision]:
        """All revisions that are not withdrawn, oldest first."""
        ...


class Flows(FlowHistory, Protocol):
    """The flows in force, as folded from the topic `flows`."""

    @property
    def plugin_defaults(self) -> ScopedDefaults:
        """The plugin defaults in force."""
        ...

    def revision(
        self, tenant: str, namespace: str, flow_id: str, revision: int | None = None
    ) -> FlowRevision | None:
        """The stored revision, deleted and withdrawn ones included."""
        ...

    def latest(self, tenant: str | None = None) -> Iterator[FlowRevision]:
        """The latest revision of every flow that is not deleted."""
        ...
