"""What can go wrong with an expression, in the words that clients of the API see.

ExpressionError          anything below; also a filter or function that cannot take its value
  TemplateSyntaxError    the text is no template
  UndefinedVariable      a name, key or index that is not there; `??`, `default` and `is defined`
  catch it LimitExceeded          the rendering asked for more than its limits allow

Inside the package operators, filters and functions raise `Fault`, which knows no position; the
node that called them turns it into an `ExpressionError`.
"""

from __future__ import annotations

from typing import Final

from domain.errors import TidewheelError

_SHOWN_CHARACTERS: Final = 4_000


class Fault(Exception):
    """A value that an operator, filter or function cannot take; its node adds the position."""


class LimitFault(Fault):
    """A limit that was passed inside an operator, filter or function."""


class ExpressionError(TidewheelError):
    """An expression that cannot be read or evaluated.

    Attributes:
        reason: what is wrong, without position.
        expression: the whole text of the template.
        line: line in that text, from 1.
        column: column in that line, from 1.
    """

    code = "EXPR001"

    def __init__(self, reason: str, expression: str, line: int, column: int) -> None:
        super().__init__(f"{reason} ({_shown(expression)}:{line})")
        self.reason = reason
        self.expression = expression
        self.line = line
        self.column = column


class TemplateSyntaxError(ExpressionError):
    """The text is not a template."""

    code = "EXPR002"


class UndefinedVariable(ExpressionError):
    """A variable, key, index or member that does not exist.

    Attributes:
        name: the missing part, as written last in the path (`b` for `a.b`).
        hint: a suggestion of what was meant, or the empty text.
    """

    code = "EXPR003"

    def __init__(self, name: str, expression: str, line: int, column: int, hint: str = "") -> None:
        super().__init__(f"Unable to find `{name}`", expression, line, column)
        text = (
            f"Unable to find `{name}` used in the expression `{_shown(expression)}` at line {line}"
        )
        self.args = (f"{text} ({hint})" if hint else text,)
        self.name = name
        self.hint = hint


class LimitExceeded(ExpressionError):
    """The rendering passed one of its limits."""

    code = "EXPR004"


def position(source: str, offset: int) -> tuple[int, int]:
    """Return line and column, both from 1, of a character offset in the source."""
    line = source.count("\n", 0, offset) + 1
    return line, offset - (source.rfind("\n", 0, offset) + 1) + 1


def _shown(expression: str) -> str:
    if len(expression) <= _SHOWN_CHARACTERS:
        return expression
    return expression[:_SHOWN_CHARACTERS] + "…"
