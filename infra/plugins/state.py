"""`state.*`: small maps of a flow that outlive its executions."""

from __future__ import annotations

from threading import Lock
from typing import Any, Final

import msgspec

from domain.errors import InvalidInput, NotFound
from streams.worker.context import RunContext, slug
from streams.worker.errors import TaskFailed
from streams.worker.plugin import TaskPlugin

_WRITING = Lock()


class StateProperties(msgspec.Struct, rename="camel"):
    """Properties of all three."""

    name: str = "default"
    namespace: bool = False
    """Shared by all flows of the namespace."""
    taskrun_value: bool = True
    """In a loop, every value has a state of its own."""
    error_on_missing: bool = False
    data: dict[str, Any] | str | None = None
    """`state.Set`: members to write; the others stay."""


def set_(context: RunContext, properties: StateProperties) -> dict[str, Any]:
    """Write members of the state."""
    data = properties.data
    if isinstance(data, str):
        data = msgspec.json.decode(data) if data.strip() else {}
    if data is not None and not isinstance(data, dict):
        raise InvalidInput("`data` is a map.")
    uri = _uri(context, properties)
    with _WRITING:
        state = {**(_read(context, uri) or {}), **(data or {})}
        context.services.blobs.put(uri, msgspec.json.encode(state))
    return {"count": len(state), "key": uri}


def get(context: RunContext, properties: StateProperties) -> dict[str, Any]:
    """Read the state; an empty one when there is none."""
    uri = _uri(context, properties)
    state = _read(context, uri)
    if state is None and properties.error_on_missing:
        raise TaskFailed(f"Unable to find the state file {uri!r}")
    return {"count": len(state or {}), "data": state or {}, "key": uri}


def delete(context: RunContext, properties: StateProperties) -> dict[str, Any]:
    """Delete the state."""
    uri = _uri(context, properties)
    with _WRITING:
        deleted = context.services.blobs.delete(uri) > 0
    if not deleted and properties.error_on_missing:
        raise TaskFailed(f"Unable to find the state file {uri!r}")
    return {"deleted": deleted}


def _uri(context: RunContext, properties: StateProperties) -> str:
    namespace = f"kestra:///{context.namespace.replace('.', '/')}"
    base = f"{namespace}/_states" if properties.namespace else f"{context.flow_uri}/states"
    value = context.variables.get("taskrun", {}).get("value") if properties.taskrun_value else None
    folder = f"{base}/{slug(properties.name)}"
    return (
        f"{folder}/{slug(str(value))}/state.json" if value is not None else f"{folder}/state.json"
    )


def _read(context: RunContext, uri: str) -> dict[str, Any] | None:
    try:
        with context.services.blobs.open(uri) as file:
            return msgspec.json.decode(file.read(), type=dict[str, Any])
    except NotFound:
        return None


_PACKAGE: Final = "io.kestra.plugin.core.state."
PLUGINS: Final = (
    TaskPlugin(name=_PACKAGE + "Set", properties=StateProperties, run=set_),
    TaskPlugin(name=_PACKAGE + "Get", properties=StateProperties, run=get),
    TaskPlugin(name=_PACKAGE + "Delete", properties=StateProperties, run=delete),
)
