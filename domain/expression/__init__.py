"""Expressions: Pebble's language with Kestra's filters and functions, compiled to closures.

`compile_template(text).render(scope)` is all that most callers need. Values are plain Python data;
nothing in a template can reach a Python attribute, run code or touch the world except through the
scope's `Lookups`.
"""

from domain.expression.errors import (
    ExpressionError,
    Fault,
    LimitExceeded,
    TemplateSyntaxError,
    UndefinedVariable,
)
from domain.expression.impure import IMPURE_FUNCTIONS
from domain.expression.scope import DEFAULT_LIMITS, NO_LOOKUPS, Limits, Lookups, Scope
from domain.expression.template import Template, compile_template, render_deep
from domain.expression.text import is_truthy_text, to_text

__all__ = [
    "DEFAULT_LIMITS",
    "IMPURE_FUNCTIONS",
    "NO_LOOKUPS",
    "ExpressionError",
    "Fault",
    "LimitExceeded",
    "Limits",
    "Lookups",
    "Scope",
    "Template",
    "TemplateSyntaxError",
    "UndefinedVariable",
    "compile_template",
    "is_truthy_text",
    "render_deep",
    "to_text",
]
