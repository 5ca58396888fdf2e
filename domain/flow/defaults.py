"""pluginDefaults: values that a flow, a namespace or the server gives to types of plugins.

Order, each winning over the one before: the server's, the namespace's, the flow's, the task's own;
then the forced ones the other way round, so that the server's forced values win over everything.
Mappings are merged at any depth, lists are replaced.

Source: Kestra's pluginDefaults, `kestra-features.md` 11.5.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from domain.flow.common import PluginDefault

Canonical = Callable[[str], str]
"""Older name of a type -> canonical name; others unchanged."""

Known = Callable[[str], Collection[str] | None]
"""Canonical type -> the properties it has; None: anything goes."""

Dropped = Callable[[str, str], None]
"""Told of a default that a type has no property for: type, property."""


def inject_defaults(
    content: Mapping[str, Any],
    defaults: Sequence[PluginDefault],
    canonical: Canonical,
    known: Known,
    dropped: Dropped,
) -> dict[str, Any]:
    """Return a flow's content with all defaults applied to all typed objects in it.

    Args:
        content: the flow as a mapping; never changed.
        defaults: the server's first, then the namespace's, then the flow's.
        canonical: resolves older names on both sides.
        known: properties that a default may set; others are left out.
        dropped: told what was left out.
    """
    ranked = [(default.type, canonical(default.type), default) for default in defaults]

    def visit(value: Any) -> Any:
        if isinstance(value, list):
            return [visit(item) for item in value]
        if not isinstance(value, dict):
            return value
        found = value
        written = value.get("type")
        if isinstance(written, str) and "." in written:
            found = apply(value, written)
        return {key: visit(item) for key, item in found.items()}

    def apply(value: dict[str, Any], written: str) -> dict[str, Any]:
        type_ = canonical(written)
        names = known(type_)
        below: dict[str, Any] = {}
        above: dict[str, Any] = {}
        fitting = [
            default
            for prefix, resolved, default in ranked
            if _fits(default, value, (type_, written), (prefix, resolved))
        ]
        for default in fitting:
            if not default.forced:
                below = merged(below, _usable(default.values, names, type_, dropped))
        for default in reversed(fitting):
            if default.forced:
                above = merged(above, _usable(default.values, names, type_, dropped))
        return merged(merged(below, value), above) if below or above else value

    skipped = {"pluginDefaults", "taskDefaults", "inputs", "variables", "labels"}
    return {key: item if key in skipped else visit(item) for key, item in content.items()}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return both mappings as one; `over` wins, mappings inside are merged likewise."""
    found = dict(base)
    for key, value in over.items():
        there = found.get(key)
        both = isinstance(there, Mapping) and isinstance(value, Mapping)
        found[key] = merged(there, value) if both else value  # type: ignore[arg-type]
    return found


def _fits(
    default: PluginDefault,
    value: Mapping[str, Any],
    types: tuple[str, str],
    prefixes: tuple[str, str],
) -> bool:
    if default.ref is not None and value.get("pluginDefaultsRef") != default.ref:
        return False
    return any(
        prefix and (type_ == prefix or type_.startswith(prefix.rstrip(".") + "."))
        for prefix in prefixes
        for type_ in types
    )


def _usable(
    values: Mapping[str, Any], names: Collection[str] | None, type_: str, dropped: Dropped
) -> Mapping[str, Any]:
    if names is None or all(name in names for name in values):
        return values
    for name in values:
        if name not in names:
            dropped(type_, name)
    return {name: value for name, value in values.items() if name in names}
