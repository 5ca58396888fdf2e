"""JSON and YAML in and out, with the bounds that untrusted text needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any, Final

import yaml

from domain.expression.errors import Fault
from domain.expression.text import float_text, inner_java_text, to_json, to_text
from domain.flow import yaml as yaml_reader

_MOST_DIGITS: Final = 1_000


def read_json(text: str) -> Any:
    """Read a JSON text.

    Raises:
        Fault: it is no JSON.
    """
    try:
        value = json.loads(text, parse_int=_whole, parse_constant=_no_constant)
        return _mended(value) if "\\ud" in text or "\\uD" in text else value
    except (ValueError, RecursionError) as error:
        raise Fault(f"Invalid JSON: {error}") from None


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


def write_yaml(value: Any, longest: int) -> str:
    """Return a value as a YAML document without marker; null members of maps are left out.

    Raises:
        LimitFault: the value is longer than `longest` characters as JSON.
        Fault: a value that expressions do not know.
    """
    to_json(value, longest)
    try:
        text: str = yaml.dump(
            _plain(value),
            Dumper=_Dumper,
            default_flow_style=False,
            allow_unicode=True,
            sort_keys=False,
            width=float("inf"),
        )
    except (yaml.YAMLError, RecursionError) as error:
        raise Fault(f"The value cannot be written as YAML: {error}") from None
    return text.removesuffix("...\n")


def _plain(value: Any) -> Any:
    """Return a value in types that the dumper knows."""
    match value:
        case None | bool() | str() | float():
            return value
        case int():
            return value
        case Mapping():
            return {
                inner_java_text(key): _plain(item)
                for key, item in value.items()
                if item is not None
            }
        case list() | tuple() | AbstractSet():
            return [_plain(item) for item in value]
        case Decimal():
            return _Verbatim(to_text(value))
        case _:
            return to_text(value)


class _Verbatim(str):
    """A number that is written exactly as it stands."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes texts plain, else in double quotes, and in blocks when they have lines."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, indentless=True)

    def choose_scalar_style(self) -> str:
        style: str = super().choose_scalar_style()
        return '"' if style == "'" else style


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


def _represent_float(dumper: _Dumper, number: float) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:float", float_text(number), "")


def _represent_verbatim(dumper: _Dumper, text: _Verbatim) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:float", str(text), "")


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(float, _represent_float)
_Dumper.add_multi_representer(float, _represent_float)
_Dumper.add_representer(_Verbatim, _represent_verbatim)


def read_yaml(text: str) -> Any:
    """Read the first document of a YAML text, typed as a flow's source is.

    Raises:
        Fault: it is no YAML, or too large a one.
    """
    try:
        return yaml_reader.read_yaml(text).value
    except yaml_reader.YamlError as error:
        raise Fault(f"Invalid YAML at line {error.line}: {error.message}") from None
