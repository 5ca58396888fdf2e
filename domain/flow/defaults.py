"""pluginDefaults: values that a flow, a namespace or the server gives to types of plugins.

Order, each winning over the one before: the server's, the namespace's, the flow's, the task's own;
then the forced ones the other way round, so that the server's forced values win over everything.
Of one place the first that is written wins. Mappings are merged at any depth, lists get the
elements of both, each once.

Source: Kestra's pluginDefaults, `kestra-features.md` 11.5; lists and the first of one place from
its `PluginDefaultServiceTest`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from domain.flow.common import PluginDefault

Canonical = Callable[[str], str]
"""Older name of a type -> canonical name; others unchanged."""

Known = Callable[[str], Collection[str] | None]
"""Canonical type -> the properties it has; None: anything goes."""

Spellings = Callable[[str], Mapping[str, str]]
"""Canonical type -> other spellings of its properties, with today's."""

Dropped = Callable[[str, str], None]
"""Told of a default that a type has no property for: type, property."""


Place = Sequence[PluginDefault]
"""What one place gives - the server, a namespace, a flow - in the order in which it is written."""


class ScopedDefaults(msgspec.Struct, frozen=True, kw_only=True):
    """What the server gives, and each namespace to itself and those below it."""

    number: int = 0
    """Of the set in the log, from 1; 0: none was ever in force."""
    everywhere: tuple[PluginDefault, ...] = ()
    namespaces: dict[str, tuple[PluginDefault, ...]] = {}

    def of(self, namespace: str) -> tuple[Place, ...]:
        """Return the defaults of a namespace by place: the server's first, its own last."""
        found = [self.everywhere]
        if self.namespaces:
            parts = namespace.split(".")
            names = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
            found.extend(self.namespaces.get(name, ()) for name in names)
        return tuple(place for place in found if place)


NO_DEFAULTS: Final = ScopedDefaults()


def inject_defaults(
    content: Mapping[str, Any],
    places: Sequence[Place],
    canonical: Canonical,
    known: Known,
    spellings: Spellings,
    dropped: Dropped,
) -> dict[str, Any]:
    """Return a flow's content with all defaults applied to all typed objects in it.

    Args:
        content: the flow as a mapping; never changed.
        places: the server's first, then the namespace's, then the flow's.
        canonical: resolves older names on both sides.
        known: properties that a default may set; others are left out.
        spellings: by which a default and a task mean the same property.
        dropped: told what was left out.
    """
    # each wins over those before it: of one place the first comes last
    ranked = [
        (default.type, canonical(default.type), default)
        for place in places
        for default in reversed(place)
        if not default.forced
    ]
    forced = [
        (default.type, canonical(default.type), default)
        for place in reversed(places)
        for default in reversed(place)
        if default.forced
    ]

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
            for prefix, resolved, default in [*ranked, *forced]
            if _fits(default, value, (type_, written), (prefix, resolved))
        ]
        others = spellings(type_) if fitting else {}
        written_as = {others.get(name, name): name for name in value} if others else {}

        def usable(default: PluginDefault) -> dict[str, Any]:
            names_today = ((others.get(name, name), name) for name in default.values)
            values = {
                written_as.get(today, today): default.values[name] for today, name in names_today
            }
            return _usable(values, names, type_, dropped)

        for default in fitting:
            if default.forced:
                above = merged(above, usable(default))
            else:
                below = merged(below, usable(default))
        return merged(merged(below, value), above) if below or above else value

    skipped = {"pluginDefaults", "taskDefaults", "inputs", "variables", "labels"}
    return {key: item if key in skipped else visit(item) for key, item in content.items()}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return both mappings as one; `over` wins, what is inside is merged likewise.

    Of two lists comes one with the elements of both, each once.
    """
    found = dict(base)
    for key, value in over.items():
        there = found.get(key)
        if isinstance(there, Mapping) and isinstance(value, Mapping):
            found[key] = merged(there, value)
        elif isinstance(there, list) and isinstance(value, list):
            found[key] = [*there, *(item for item in value if item not in there)]
        else:
            found[key] = value
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
    values: dict[str, Any], names: Collection[str] | None, type_: str, dropped: Dropped
) -> dict[str, Any]:
    if names is None or all(name in names for name in values):
        return values
    for name in values:
        if name not in names:
            dropped(type_, name)
    return {name: value for name, value in values.items() if name in names}
