"""One rendering under way: its variables, what it may still spend, and how it reports errors."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from domain.expression.errors import (
    ExpressionError,
    Fault,
    LimitExceeded,
    LimitFault,
    UndefinedVariable,
    position,
)
from domain.expression.scope import Scope

_EMPTY: Final[Mapping[str, Any]] = {}
_DEADLINE_EVERY: Final = 256


class Budget:
    """What a rendering, with all renderings inside it, may still spend."""

    __slots__ = ("_is_past_deadline", "_until_check", "left")

    def __init__(self, scope: Scope) -> None:
        self.left = scope.limits.steps
        self._is_past_deadline = scope.limits.is_past_deadline
        self._until_check = _DEADLINE_EVERY

    def pay_text(self, length: int) -> None:
        """Take the steps for a text of that length away.

        Raises:
            LimitFault: none are left.
        """
        self.spend(1 + (length >> 7))

    def pay_items(self, count: int) -> None:
        """Take the steps for a list of so many elements away.

        Raises:
            LimitFault: none are left.
        """
        self.spend(1 + (count >> 4))

    def check_deadline(self) -> None:
        """Look at the clock, before something that may take long.

        Raises:
            LimitFault: the deadline has passed.
        """
        if self._is_past_deadline is not None and self._is_past_deadline():
            raise LimitFault("The expression takes too long.")

    def spend(self, steps: int = 1) -> None:
        """Take steps away.

        Raises:
            LimitFault: none are left, or the deadline has passed.
        """
        self.left -= steps
        if self.left < 0:
            raise LimitFault("The expression takes too many steps.")
        if self._is_past_deadline is not None:
            self._until_check -= steps
            if self._until_check <= 0:
                self._until_check = _DEADLINE_EVERY
                self.check_deadline()


class Run:
    """The state of one rendering.

    Attributes:
        source: the template's text, for errors.
        scope: what the caller gave.
        variables: where names are looked up last.
        locals: names made by the template, innermost scope last.
        macros: every macro of the template.
        blocks: every block of the template.
        budget: shared with renderings inside this one.
        depth: macros and renderings around this one.
        prints_json: whether maps and lists print as JSON; not inside macros, blocks by name and
            filter tags.
        keeps_raw_tags: whether protected text keeps its tags, for another round.
    """

    __slots__ = (
        "blocks",
        "budget",
        "depth",
        "keeps_raw_tags",
        "locals",
        "macros",
        "prints_json",
        "scope",
        "source",
        "variables",
    )

    def __init__(self, source: str, scope: Scope, parent: Run | None = None) -> None:
        self.source = source
        self.scope = scope
        self.variables = scope.variables
        self.locals: list[dict[str, Any]] = [{}]
        self.macros: Mapping[str, MacroCall] = _EMPTY
        self.blocks: Mapping[str, Writer] = _EMPTY
        self.prints_json = True
        self.keeps_raw_tags = False
        if parent is None:
            self.budget = Budget(scope)
            self.depth = 0
        else:
            self.budget = parent.budget
            self.depth = parent.depth + 1
            self.variables = parent.variables
            layers: list[Any] = [made for made in reversed(parent.locals) if made]
            if layers:
                layers.append(parent.variables)
                self.variables = ChainMap(*layers)
            if self.depth > scope.limits.depth:
                raise LimitFault("Renderings are nested too deeply.")

    def undefined(self, name: str, offset: int, hint: str = "") -> UndefinedVariable:
        """Return the error for something that is not there."""
        return UndefinedVariable(name, self.source, *position(self.source, offset), hint)

    def error(self, fault: Exception, offset: int) -> ExpressionError:
        """Return the error for a fault at a place."""
        kind = LimitExceeded if isinstance(fault, LimitFault) else ExpressionError
        return kind(str(fault), self.source, *position(self.source, offset))

    def checked(self, value: Any) -> Any:
        """Return a value that a filter or function made, having paid for its size.

        Raises:
            LimitFault: it is larger than the limits allow.
        """
        limits = self.scope.limits
        if isinstance(value, str):
            if len(value) > limits.output_characters:
                raise LimitFault("The text is longer than allowed.")
            self.budget.pay_text(len(value))
        elif isinstance(value, (list, dict)):
            if len(value) > limits.items:
                raise LimitFault("The list is longer than allowed.")
            self.budget.pay_items(len(value))
        else:
            self.budget.spend()
        return value


Evaluator: TypeAlias = Callable[[Run], Any]
"""A compiled expression."""
MacroCall: TypeAlias = Callable[[Run, tuple[Any, ...], dict[str, Any]], str]
"""A compiled macro: takes its arguments by place and by name, returns what it prints."""
Writer: TypeAlias = Callable[[Run, list[Any]], None]
"""A compiled node: appends what it prints, text or a value, to a list."""


def faulty(reason: str) -> Evaluator:
    """Return an expression that fails when it is evaluated, not before."""

    def fail(run: Run) -> Any:
        del run
        raise Fault(reason)

    return fail
