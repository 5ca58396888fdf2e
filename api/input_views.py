"""What became of inputs, input by input."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from api.views.flow import shown_inputs
from api.views.text import duration, instant
from domain.flow.common import Check
from domain.flow.input_types import ArrayInput, FormInput, Input
from domain.flow.input_values import parse_instant
from domain.flow.inputs import InputValue, ResolvedInputs


def inputs_view(
    flow_id: str, namespace: str, resolved: ResolvedInputs | None, failed: Iterable[Check] = ()
) -> dict[str, Any]:
    """Return the answer of a validation: every input, and the checks that do not hold."""
    items = () if resolved is None else resolved.items
    return {
        "id": flow_id,
        "namespace": namespace,
        "inputs": [_input_view(item) for item in items],
        "checks": [
            {"message": check.message, "style": check.style, "behavior": check.behavior}
            for check in failed
        ],
    }


def given_inputs(declared: Iterable[Input], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of an execution as the answer to its creation shows them.

    Instants without needless digits and durations as ISO texts; read back, an execution shows them
    as its expressions see them.
    """
    kinds = {item.id: item for item in declared}
    return {name: _given(kinds.get(name), value) for name, value in values.items()}


def _given(declared: Input | None, value: Any) -> Any:
    if isinstance(declared, FormInput) and isinstance(value, dict):
        return given_inputs(declared.inputs, value)
    if isinstance(declared, ArrayInput) and isinstance(value, list):
        return [_given_value(declared.item_type, item) for item in value]
    return value if declared is None else _given_value(declared.type, value)


def _given_value(kind: str, value: Any) -> Any:
    if kind == "DURATION" and isinstance(value, int | float):
        return duration(timedelta(seconds=value))
    if kind == "DATETIME" and isinstance(value, str):
        return instant(parse_instant(value))
    return value


def _input_view(item: InputValue) -> dict[str, Any]:
    view: dict[str, Any] = {"input": shown_inputs([item.input])[0]}
    if item.value is not None:
        view["value"] = item.value
    return view | {
        "enabled": item.enabled,
        "isDefault": item.is_default,
        "errors": [{"message": error} for error in item.errors],
    }
