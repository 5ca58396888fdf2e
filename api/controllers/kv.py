"""The key-value store of namespaces."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import Controller, delete, get, put

from api import reply
from api.body import read_json, read_text
from api.context import Context, context
from api.controllers.http import Http, Segment
from api.edge import segment
from api.errors import ApiError, illegal_argument, missing_body, not_found
from api.matching import found_in
from api.parameters import Parameters, read_query
from api.reply import Reply
from api.values import read_value
from api.views.text import instant
from domain.duration import InvalidDuration, parse_duration
from domain.ids import DEFAULT_TENANT
from domain.ports.kv import KvEntry
from projections.fields import Field, Resource
from projections.meanings import date_field, free_text, text_field
from projections.store import Order

_RESOURCE = Resource(
    "KV_METADATA",
    {
        Field.QUERY: free_text(),
        Field.NAMESPACE: text_field("namespace"),
        Field.UPDATED: date_field("updated", "updated"),
        Field.EXPIRATION_DATE: date_field("expires", "expirationDate"),
    },
    {
        "key": "key",
        "namespace": "namespace",
        "updated": "updated",
        "updateDate": "updated",
        "created": "created",
        "creationDate": "created",
        "version": "revision",
        "expirationDate": "expires",
        "description": "description",
    },
    (Order("namespace"), Order("key")),
)
_FLAT = frozenset({"q", "namespace"})


class Keys(msgspec.Struct):
    """Keys to be deleted."""

    keys: list[str] = []


class KeyValues(Controller):
    """Routes of key-value entries."""

    path = "/api/v1"
    tags = ["KV"]  # noqa: RUF012 - Litestar's way

    @get("/kv", operation_id="listAllKeys", status_code=200)
    async def search(self, request: Http) -> Reply:
        """Return a page of the entries of all namespaces, without their values."""
        own = context(request)
        query = read_query(Parameters.of(request), _FLAT)
        found = found_in(_alive(own, None), query, _RESOURCE, _field, own.ports.now())
        return reply.page([_entry_view(entry) for entry in found.results], found.total)

    @get("/namespaces/{namespace:str}/kv", operation_id="listKeys", status_code=200)
    async def of_namespace(self, request: Http, namespace: Segment) -> Reply:
        """Return the entries of a namespace, without their values."""
        return reply.json([_entry_view(entry) for entry in _alive(context(request), namespace)])

    @get(
        "/namespaces/{namespace:str}/kv/inheritance",
        operation_id="listKeysWithInheritence",
        status_code=200,
    )
    async def inherited(self, request: Http, namespace: Segment) -> Reply:
        """Return the entries of the parents of a namespace that it sees."""
        own = context(request)
        parts = namespace.split(".")
        seen: dict[str, KvEntry] = {}
        for length in range(len(parts) - 1, 0, -1):
            for entry in _alive(own, ".".join(parts[:length])):
                seen.setdefault(entry.key, entry)
        return reply.json([_entry_view(entry) for entry in seen.values()])

    @delete("/namespaces/{namespace:str}/kv", operation_id="deleteKeyValues", status_code=200)
    async def delete_many(self, request: Http, namespace: Segment) -> Reply:
        """Delete keys; answer those that there were."""
        own = context(request)
        wanted = await read_json(request, Keys, "keys")
        gone = [key for key in wanted.keys if await _remove(own, namespace, key)]
        return reply.json({"keys": gone})

    @get("/namespaces/{namespace:str}/kv/{key:str}", operation_id="getKeyValue", status_code=200)
    async def read(self, request: Http, namespace: Segment, key: Segment) -> Reply:
        """Return the value of a key."""
        own = context(request)
        name = segment(key)
        entry = own.ports.kv.get(DEFAULT_TENANT, namespace, name)
        if entry is None:
            raise not_found(f"No value found for key '{name}' in namespace '{namespace}'")
        if entry.is_expired(own.ports.now()):
            raise ApiError(410, "Resource has expired: The requested value has expired")
        return reply.json(
            {
                "type": entry.type,
                "value": entry.value,
                "revision": entry.revision,
                "updated": instant(entry.updated),
            }
        )

    @put("/namespaces/{namespace:str}/kv/{key:str}", operation_id="setKeyValue", status_code=200)
    async def write(self, request: Http, namespace: Segment, key: Segment) -> Reply:
        """Set the value of a key: JSON, or a bare word, date, instant or duration."""
        own = context(request)
        text = await read_text(request)
        if not text:
            raise missing_body("value")
        value, kind = read_value(text)
        expires = None
        ttl = request.headers.get("ttl")
        if ttl:
            try:
                expires = own.ports.now() + parse_duration(ttl)
            except (InvalidDuration, OverflowError):
                raise illegal_argument(f"The header 'ttl' is no duration: {ttl[:100]}") from None
        await asyncio.to_thread(
            own.ports.kv.put,
            DEFAULT_TENANT,
            namespace,
            segment(key),
            value,
            kind=kind,
            expires=expires,
            description=request.headers.get("description"),
        )
        return reply.empty()

    @delete(
        "/namespaces/{namespace:str}/kv/{key:str}", operation_id="deleteKeyValue", status_code=200
    )
    async def remove(self, request: Http, namespace: Segment, key: Segment) -> Reply:
        """Delete a key; answer whether there was one."""
        return reply.json(await _remove(context(request), namespace, segment(key)))


async def _remove(own: Context, namespace: str, key: str) -> bool:
    return await asyncio.to_thread(own.ports.kv.delete, DEFAULT_TENANT, namespace, key)


def _alive(own: Context, namespace: str | None) -> list[KvEntry]:
    now = own.ports.now()
    entries = own.ports.kv.entries(DEFAULT_TENANT, namespace)
    return [entry for entry in entries if not entry.is_expired(now)]


def _field(entry: KvEntry, name: str) -> Any:
    if name == "tenant":
        return entry.tenant
    if name == "text":
        return f"{entry.namespace} {entry.key} {entry.description or ''}"
    return getattr(entry, name)


def _entry_view(entry: KvEntry) -> dict[str, Any]:
    view: dict[str, Any] = {
        "namespace": entry.namespace,
        "key": entry.key,
        "version": entry.revision,
    }
    if entry.description is not None:
        view["description"] = entry.description
    view["creationDate"] = instant(entry.created)
    view["updateDate"] = instant(entry.updated)
    if entry.expires is not None:
        view["expirationDate"] = instant(entry.expires)
    return view


ROUTES = [KeyValues]
