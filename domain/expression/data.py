"""JSON and YAML in, with the bounds that untrusted text needs."""

from __future__ import annotations

import json
from typing import Any, Final

from domain.expression.errors import Fault
from domain.yaml import reader
from domain.yaml.mistakes import YamlError

_MOST_DIGITS: Final = 1_000


def read_json(text: str) -> Any:
    """Read the first value of a JSON text; what follows is not looked at, as in Kestra.

    Raises:
        Fault: it is no JSON.
    """
    try:
        value, _ = _DECODER.raw_decode(text.lstrip(_BLANKS))
        return _mended(value) if "\\ud" in text or "\\uD" in text else value
    except (ValueError, RecursionError) as error:
        raise Fault(f"Invalid json: {error}") from None


def _mended(value: Any) -> Any:
    """Replace halves of letters, which no text can be written with."""
    match value:
        case str():
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        case list():
            return [_mended(item) for item in value]
        case dict():
            return {_mended(key): _mended(item) for key, item in value.items()}
        case _:
            return value


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError("a number has too many digits")
    return int(digits)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def read_yaml(text: str) -> Any:
    """Read the first document of a YAML text, typed as a flow's source is.

    Raises:
        Fault: it is no YAML, or too large a one.
    """
    try:
        return reader.read_yaml(text).value
    except YamlError as error:
        raise Fault(f"Invalid yaml: {error.message}") from None


_BLANKS: Final = " \t\n\r"
_DECODER: Final = json.JSONDecoder(parse_int=_whole, parse_constant=_no_constant)
