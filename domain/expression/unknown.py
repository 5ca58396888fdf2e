"""Filters, functions and tests that a template names and nobody knows: it will fail."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from domain.expression import syntax as s
from domain.expression.checks import TESTS
from domain.expression.errors import TemplateSyntaxError
from domain.expression.filters import FILTERS
from domain.expression.functions import FUNCTIONS
from domain.expression.impure import LOOKUPS
from domain.expression.tags import parse_template

_FILTERS: Final = {*FILTERS, "jq"}
_FUNCTIONS: Final = {*FUNCTIONS, *LOOKUPS, "block"}
_TESTS: Final = {*TESTS, "defined"}


def unknown_names(text: str) -> list[tuple[str, str, frozenset[str]]]:
    """Return kind, name and the known names of that kind for everything unknown, each once.

    Args:
        text: a template; nothing is told of one that cannot be read.
    """
    try:
        body = parse_template(text)
    except (TemplateSyntaxError, RecursionError):
        return []
    named: dict[tuple[str, str], None] = {}
    macros: set[str] = set()
    _visit(body, named, macros)
    known = {"filter": _FILTERS, "function": _FUNCTIONS | macros, "test": _TESTS}
    return [(kind, name, frozenset(known[kind])) for kind, name in named if name not in known[kind]]


def _visit(node: Any, named: dict[tuple[str, str], None], macros: set[str]) -> None:
    if isinstance(node, tuple | list):
        for item in node:
            _visit(item, named, macros)
        return
    if isinstance(node, s.Filter):
        named["filter", node.name] = None
    elif isinstance(node, s.FilterTag):
        for name, _, _ in node.filters:
            named["filter", name] = None
    elif isinstance(node, s.Function):
        named["function", node.name] = None
    elif isinstance(node, s.Test):
        named["test", node.name] = None
    elif isinstance(node, s.Macro):
        macros.add(node.name)
    if isinstance(node, msgspec.Struct):
        for field in node.__struct_fields__:
            _visit(getattr(node, field), named, macros)
