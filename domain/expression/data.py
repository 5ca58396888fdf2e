"""JSON and YAML in and out, with the bounds that untrusted text needs."""

from __future__ import annotations

import json
from typing import Any, Final

import yaml

from domain.expression.errors import Fault

_LONGEST_INTEGER: Final = 1_000


def read_json(text: str) -> Any:
    """Read a JSON text.

    Raises:
        Fault: it is no JSON.
    """
    try:
        return json.loads(text, parse_int=_whole, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Fault(f"Invalid JSON: {error}") from None


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER:
        raise ValueError("a number has too many digits")
    return int(digits)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def read_yaml(text: str) -> Any:
    """Read the first document of a YAML text.

    Raises:
        Fault: it is no YAML.
    """
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Fault(f"Invalid YAML: {error}") from None
