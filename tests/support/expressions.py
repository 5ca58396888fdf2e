"""The golden expressions' variables, and ports whose answers never change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from domain.errors import NotFound
from domain.expression.values import Float32
from domain.ports.files import FileVersion, NamespaceFiles
from domain.ports.kv import KeyValues, KvEntry
from domain.ports.stores import Blobs
from infra.expression import JqPool, World

SHARED: Final = Path(__file__).parents[3] / "shared"
"""The folder of specifications beside the repository."""


def golden_variables() -> dict[str, Any]:
    """Return the variables that every golden template was rendered with."""
    path = SHARED / "golden" / "pebble-vars.json"
    variables: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    del variables["//"]
    return variables | {
        "zdt": datetime(2024, 2, 29, 13, 5, 9, 123456, tzinfo=UTC),
        "inst": datetime(2024, 2, 29, 13, 5, 9, 123000, tzinfo=UTC),
        "ldate": date(2024, 2, 29),
        "nul": None,
        "i32": 7,
        "i64": 7,
        "f32": Float32(1.5),
        "bigd": Decimal("1.10"),
        "dur": timedelta(seconds=90),
        "set": ("x", "y"),
        "arr": [1, 2],
    }


def golden_lines(name: str) -> list[Mapping[str, Any]]:
    """Return the observations of a golden file."""
    text = (SHARED / "golden" / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


class StubWorld:
    """The ports behind impure functions: a clock that stands still, contents in dictionaries."""

    def __init__(self, jq: JqPool | None = None) -> None:
        self.blobs: dict[str, bytes] = {}
        self.secrets: dict[tuple[str, str], str] = {}
        self.entries: dict[tuple[str, str], Any] = {}
        self.files: dict[tuple[str, str], str] = {}
        """Namespace and path to URI."""
        self._jq = jq or JqPool()

    def ports(self, **others: Any) -> World:
        return World(
            clock=_Clock(),
            secrets=_Secrets(self.secrets),
            kv=cast(KeyValues, _KeyValues(self.entries)),
            files=cast(NamespaceFiles, _Files(self)),
            blobs=cast(Blobs, _Blobs(self.blobs)),
            jq=self._jq,
            **others,
        )


class _Clock:
    def now(self) -> datetime:
        return datetime(2024, 2, 29, 13, 5, 9, 123456, tzinfo=UTC)


class _Secrets:
    def __init__(self, known: Mapping[tuple[str, str], str]) -> None:
        self._known = known

    def secret(self, tenant: str, namespace: str, key: str) -> str:
        if (namespace, key) not in self._known:
            raise NotFound(key)
        return self._known[namespace, key]


class _KeyValues:
    def __init__(self, known: Mapping[tuple[str, str], Any]) -> None:
        self._known = known

    def get(self, tenant: str, namespace: str, key: str) -> KvEntry | None:
        if (namespace, key) not in self._known:
            return None
        now = _Clock().now()
        return KvEntry(
            tenant=tenant,
            namespace=namespace,
            key=key,
            value=self._known[namespace, key],
            type="JSON",
            revision=1,
            created=now,
            updated=now,
        )


class _Files:
    def __init__(self, world: StubWorld) -> None:
        self._world = world

    def find(
        self, tenant: str, namespace: str, path: str, version: int | None = None
    ) -> FileVersion | None:
        uri = self._world.files.get((namespace, path))
        if uri is None or version not in (None, 1):
            return None
        return FileVersion(
            namespace=namespace,
            path=path,
            version=1,
            size=len(self._world.blobs[uri]),
            modified=_Clock().now(),
            uri=uri,
        )


class _Blobs:
    def __init__(self, known: Mapping[str, bytes]) -> None:
        self._known = known

    def open(self, uri: str) -> BinaryIO:
        if uri not in self._known:
            raise NotFound(uri)
        return BytesIO(self._known[uri])

    def size(self, uri: str) -> int:
        if uri not in self._known:
            raise NotFound(uri)
        return len(self._known[uri])

    def exists(self, uri: str) -> bool:
        return uri in self._known
