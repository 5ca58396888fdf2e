"""Rules about one place that the JSON Schema can tell too, so that editors show them at once.

The checker holds the same rules; a test holds the two together.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from domain.flow import input_types as i
from domain.flow import tasks as t
from domain.flow import triggers as g
from domain.flow.checker import RESERVED_IDS
from domain.flow.common import Concurrency, PluginDefault, Quota, Retry
from domain.flow.input_checker import ITEM_TYPES
from domain.flow.model import Flow

Json = dict[str, Any]
_Struct = type[msgspec.Struct]

_SOME: Final[Json] = {"minItems": 1}
_NOT_NEGATIVE: Final[Json] = {"minimum": 0}
_POSITIVE: Final[Json] = {"minimum": 1}
_ITEM_TYPE: Final[Json] = {"enum": list(ITEM_TYPES)}

FIELDS: Final[tuple[tuple[_Struct, str, Json], ...]] = (
    (Flow, "id", {"not": {"enum": list(RESERVED_IDS)}}),
    (Flow, "tasks", _SOME),
    (Concurrency, "limit", _POSITIVE),
    (Quota, "limit", _POSITIVE),
    (Retry, "maxAttempts", _POSITIVE),
    (Retry, "delayFactor", _POSITIVE),
    (t.Parallel, "concurrent", _NOT_NEGATIVE),
    (t.Dag, "concurrent", _NOT_NEGATIVE),
    (t.EachParallel, "concurrent", _NOT_NEGATIVE),
    (t.ForEach, "concurrencyLimit", _NOT_NEGATIVE),
    (t.Loop, "concurrencyLimit", _NOT_NEGATIVE),
    (t.TaskList, "tasks", _SOME),
    (t.Dag, "tasks", _SOME),
    (t.If, "then", _SOME),
    (t.Subflow, "revision", _POSITIVE),
    (t.ForEachItem, "revision", _POSITIVE),
    (i.ArrayInput, "itemType", _ITEM_TYPE),
    (i.MultiselectInput, "itemType", _ITEM_TYPE),
    (i.EnumInput, "values", _SOME),
    (i.FormInput, "inputs", _SOME),
    (g.FilterGroup, "filters", _SOME),
    (g.Not, "conditions", _SOME),
    (g.Or, "conditions", _SOME),
    (g.FlowTrigger, "minSatisfied", _POSITIVE),
)
"""What a property must be besides its type; holds for subclasses, too."""


def _needs(*names: str) -> Json:
    return {"required": list(names)}


def _without(*names: str) -> Json:
    return {"not": {"anyOf": [_needs(name) for name in names]}}


def _when(property_: str, value: Any, then: Json) -> Json:
    condition: Json = {"properties": {property_: {"const": value}}, "required": [property_]}
    return {"if": condition, "then": then}


_ONE_VALUES: Final[Json] = {
    "anyOf": [_needs("values"), _needs("options"), _needs("expression")],
    "not": _needs("values", "expression"),
}
STRUCTS: Final[tuple[tuple[_Struct, Json], ...]] = (
    (PluginDefault, {**_needs("values"), "properties": {"values": {"minProperties": 1}}}),
    (i.Input, {"not": _needs("defaults", "prefill")}),
    (
        i.Input,
        {"not": {**_needs("defaults", "required"), "properties": {"required": {"const": False}}}},
    ),
    (i.SelectInput, _ONE_VALUES),
    (i.MultiselectInput, _ONE_VALUES),
    (i.ReusableInputs, {"not": {}}),
    (
        t.Switch,
        {
            "anyOf": [
                {**_needs("cases"), "properties": {"cases": {"minProperties": 1}}},
                {**_needs("defaults"), "properties": {"defaults": _SOME}},
            ]
        },
    ),
    (t.WorkingDirectory, {"properties": {"tasks": {"items": _without("workerGroup")}}}),
    (
        g.Webhook,
        {
            "properties": {
                "responseContentType": {
                    "anyOf": [
                        {"enum": ["application/json", "text/plain", None]},
                        {"type": "string", "pattern": r"\{[{%]"},
                    ]
                }
            }
        },
    ),
    (Retry, _when("type", "constant", _needs("interval"))),
    (Retry, _when("type", "exponential", _needs("interval", "maxInterval"))),
    (Retry, _when("type", "random", _needs("minInterval", "maxInterval"))),
    (
        g.TimeWindow,
        _when(
            "type",
            "DAILY_TIME_DEADLINE",
            {**_needs("deadline"), **_without("window", "windowAdvance", "startTime", "endTime")},
        ),
    ),
    (
        g.TimeWindow,
        _when(
            "type",
            "DAILY_TIME_WINDOW",
            {**_needs("startTime", "endTime"), **_without("window", "windowAdvance", "deadline")},
        ),
    ),
    (
        g.TimeWindow,
        _when(
            "type",
            "SLIDING_WINDOW",
            {**_needs("window"), **_without("deadline", "startTime", "endTime", "windowAdvance")},
        ),
    ),
    (
        g.TimeWindow,
        {
            "if": {"properties": {"type": {"const": "DURATION_WINDOW"}}},
            "then": _without("deadline", "startTime", "endTime"),
        },
    ),
    (
        g.DependencyWindow,
        {
            "if": _needs("deadline"),
            "then": _without("every", "offset", "from", "to", "lookback"),
            "else": {
                "if": {"anyOf": [_needs("from"), _needs("to")]},
                "then": {**_needs("from", "to"), **_without("every", "offset", "lookback")},
                "else": {"if": _needs("lookback"), "then": _without("every", "offset")},
            },
        },
    ),
    (
        g.Filter,
        {
            "if": {"properties": {"type": {"enum": ["IN", "NOT_IN"]}}},
            "then": {**_needs("values"), **_without("value")},
            "else": {**_needs("value"), **_without("values")},
        },
    ),
    (g.FlowTrigger, _when("mode", "AT_LEAST", _needs("minSatisfied"))),
    (g.FlowTrigger, {"not": _needs("preconditions", "dependsOn")}),
)
"""What a whole mapping must be; holds for subclasses, too."""


def field_rules(struct: _Struct, name: str) -> Json:
    """Return what the schema of a property gets besides its type."""
    found: Json = {}
    for owner, field, rule in FIELDS:
        if field == name and issubclass(struct, owner):
            found |= rule
    return found


def struct_rules(struct: _Struct) -> list[Json]:
    """Return what the schema of a mapping must obey besides its properties."""
    return [rule for owner, rule in STRUCTS if issubclass(struct, owner)]
