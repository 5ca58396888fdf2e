"""Filters that write data formats: JSON, Ion, YAML."""

from __future__ import annotations

from typing import Any

from domain.expression.ion import write_ion
from domain.expression.registry import filter_
from domain.expression.runtime import Run
from domain.expression.text import to_json
from domain.expression.yaml_text import write_yaml


@filter_("toJson", "json")
def to_json_(run: Run, value: Any) -> str:
    """Return the value as JSON; null is `null`."""
    return to_json(value, run.scope.limits.output_characters)


@filter_("toIon")
def to_ion(run: Run, value: Any) -> str:
    """Return the value as Ion text; null is `null`."""
    return write_ion(value, run.scope.limits.output_characters)


@filter_("yaml")
def yaml(run: Run, value: Any) -> str:
    """Return the value as a YAML document without marker."""
    return write_yaml(value, run.scope.limits.output_characters)
