"""`kv.*`: the key-value store of namespaces."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final, Literal

import msgspec

from domain.errors import InvalidInput
from domain.ports.kv import KvEntry
from infra.kv import kind_of, typed_value
from streams.worker.context import RunContext
from streams.worker.errors import TaskFailed
from streams.worker.globs import file_pattern
from streams.worker.job import plain_outputs
from streams.worker.plugin import TaskPlugin

Kind = Literal["STRING", "NUMBER", "BOOLEAN", "DATETIME", "DATE", "DURATION", "JSON"]


class SetProperties(msgspec.Struct, rename="camel"):
    """Properties of `kv.Set`."""

    key: str
    value: Any
    """A text that is one expression keeps the type of its value."""
    namespace: str | None = None
    overwrite: bool = True
    ttl: timedelta | None = None
    kv_description: str | None = None
    kv_type: Kind | None = None
    """Read a text as this type; None: as it is."""


def set_(context: RunContext, properties: SetProperties) -> None:
    """Write a key."""
    services, namespace = context.services, properties.namespace or context.namespace
    value = (plain_outputs({"value": properties.value}) or {})["value"]
    kind = properties.kv_type
    if kind is not None and isinstance(value, str):
        value = typed_value(value, kind)
    if not properties.overwrite and _live(context, namespace, properties.key) is not None:
        raise TaskFailed(
            f"Cannot set value for key '{properties.key}'. Key already exists and `overwrite` is "
            "set to `false`."
        )
    expires = services.clock.now() + properties.ttl if properties.ttl is not None else None
    services.kv.put(
        context.tenant,
        namespace,
        properties.key,
        value,
        kind=kind or kind_of(value),
        expires=expires,
        description=properties.kv_description,
    )


class GetProperties(msgspec.Struct, rename="camel"):
    """Properties of `kv.Get` and `kv.Delete`."""

    key: str
    namespace: str | None = None
    error_on_missing: bool = False


def get(context: RunContext, properties: GetProperties) -> dict[str, Any]:
    """Read a key; null when it is missing."""
    namespace = properties.namespace or context.namespace
    entry = _live(context, namespace, properties.key)
    if entry is None and properties.error_on_missing:
        raise _missing(properties.key, namespace)
    return {"value": None if entry is None else entry.value}


def delete(context: RunContext, properties: GetProperties) -> dict[str, bool]:
    """Delete a key."""
    namespace = properties.namespace or context.namespace
    deleted = context.services.kv.delete(context.tenant, namespace, properties.key)
    if not deleted and properties.error_on_missing:
        raise _missing(properties.key, namespace)
    return {"deleted": deleted}


class GetKeysProperties(msgspec.Struct):
    """Properties of `kv.GetKeys`."""

    prefix: str | None = None
    namespace: str | None = None


def get_keys(context: RunContext, properties: GetKeysProperties) -> dict[str, list[str]]:
    """List the keys of a namespace."""
    namespace = properties.namespace or context.namespace
    entries = context.services.kv.entries(context.tenant, namespace, properties.prefix or "")
    now = context.services.clock.now()
    return {"keys": [entry.key for entry in entries if not entry.is_expired(now)]}


class PurgeProperties(msgspec.Struct, rename="camel"):
    """Properties of `kv.PurgeKV`; old revisions are not kept, so only keys can be purged."""

    namespaces: list[str] | None = None
    namespace_pattern: str | None = None
    key_pattern: str | None = None
    include_child_namespaces: bool = True
    behavior: dict[str, Any] | None = None
    expired_only: bool | None = None


def purge(context: RunContext, properties: PurgeProperties) -> dict[str, int]:
    """Delete expired keys, or with `expiredOnly: false` all keys that match."""
    behavior = properties.behavior or {"type": "key"}
    only_expired = behavior.get("expiredOnly", properties.expired_only is not False)
    if behavior.get("type", "key") != "key":
        return {"size": 0}
    services, size = context.services, 0
    now = services.clock.now()
    for entry in services.kv.entries(context.tenant):
        if not in_namespaces(
            entry.namespace,
            properties.namespaces,
            properties.namespace_pattern,
            children=properties.include_child_namespaces,
        ):
            continue
        if properties.key_pattern and not file_pattern(properties.key_pattern).fullmatch(entry.key):
            continue
        if only_expired and not entry.is_expired(now):
            continue
        services.kv.delete(context.tenant, entry.namespace, entry.key)
        size += 1
    return {"size": size}


def in_namespaces(
    namespace: str, listed: list[str] | None, pattern: str | None, *, children: bool
) -> bool:
    """Tell whether a namespace is listed, below one that is, or matches a pattern (`*`: any text).

    Raises:
        InvalidInput: both a list and a pattern are given.
    """
    if listed and pattern:
        raise InvalidInput("Give either `namespaces` or `namespacePattern`, not both.")
    if pattern:
        return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), namespace) is not None
    if not listed:
        return True
    return namespace in listed or (
        children and any(namespace.startswith(parent + ".") for parent in listed)
    )


def _live(context: RunContext, namespace: str, key: str) -> KvEntry | None:
    entry = context.services.kv.get(context.tenant, namespace, key)
    if entry is None or entry.is_expired(context.services.clock.now()):
        return None
    return entry


def _missing(key: str, namespace: str) -> TaskFailed:
    return TaskFailed(
        f"No value found for key '{key}' in namespace '{namespace}' and `errorOnMissing` is set to "
        "true"
    )


_PACKAGE: Final = "io.kestra.plugin.core.kv."
PLUGINS: Final = (
    TaskPlugin(
        name=_PACKAGE + "Set", properties=SetProperties, run=set_, typed=frozenset({"value"})
    ),
    TaskPlugin(name=_PACKAGE + "Get", properties=GetProperties, run=get),
    TaskPlugin(name=_PACKAGE + "GetKeys", properties=GetKeysProperties, run=get_keys),
    TaskPlugin(name=_PACKAGE + "Delete", properties=GetProperties, run=delete),
    TaskPlugin(name=_PACKAGE + "PurgeKV", properties=PurgeProperties, run=purge),
)
