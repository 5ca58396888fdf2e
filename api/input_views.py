"""What became of inputs, input by input."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from api.views.flow import shown_inputs
from domain.flow.common import Check
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


def _input_view(item: InputValue) -> dict[str, Any]:
    view: dict[str, Any] = {"input": shown_inputs([item.input])[0]}
    if item.value is not None:
        view["value"] = item.value
    return view | {
        "enabled": item.enabled,
        "isDefault": item.is_default,
        "errors": [{"message": error} for error in item.errors],
    }
