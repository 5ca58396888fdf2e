"""What a rendering sees: its variables, its lookups, its limits, its time zone and locale."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, tzinfo
from typing import Any, Final, Protocol

import msgspec

from domain.expression.errors import Fault


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one rendering; passing one raises `LimitExceeded`."""

    output_characters: int = 32 * 1024 * 1024
    """Longest text that a rendering or any value on its way may have."""
    items: int = 1_000_000
    """Longest list that a range, a filter or a concatenation may make."""
    steps: int = 1_000_000
    """Loop turns, calls, comparisons and, by the block, text and lists made, all together."""
    depth: int = 40
    """Macros and `render` calls inside one another."""
    regex_seconds: float = 0.5
    """Longest time one regular expression may take on one text."""
    is_past_deadline: Callable[[], bool] | None = None
    """Asked now and then; true ends the rendering. None: no deadline."""


DEFAULT_LIMITS: Final = Limits()


class Lookups(Protocol):
    """Answers every function whose result is not decided by its arguments alone."""

    def call(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        """Return the function's value.

        Args:
            name: a key of `IMPURE_FUNCTIONS`.
            arguments: every declared parameter, those not written with their default.
            scope: the rendering that asks.

        Raises:
            Fault: the function cannot answer; becomes an `ExpressionError` with its position. Any
                other exception passes through the evaluator unchanged, also through `??` and
                `default`.
        """
        ...


class _NoLookups:
    """Refuses every lookup."""

    def call(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        del arguments, scope
        raise Fault(f"Function [{name}] is not available here.")


NO_LOOKUPS: Final[Lookups] = _NoLookups()


class Scope:
    """The surroundings of a rendering; never changed and never copied by it.

    Attributes:
        variables: any mapping of names to values; values may be made on access.
        lookups: answers impure functions.
        limits: bounds.
        zone: the server's time zone, default of every date filter and function.
        locale: the server's locale, as `en_US`.
    """

    __slots__ = ("limits", "locale", "lookups", "variables", "zone")

    def __init__(
        self,
        variables: Mapping[str, Any],
        lookups: Lookups = NO_LOOKUPS,
        limits: Limits = DEFAULT_LIMITS,
        *,
        zone: tzinfo = UTC,
        locale: str = "en_US",
    ) -> None:
        self.variables = variables
        self.lookups = lookups
        self.limits = limits
        self.zone = zone
        self.locale = locale
