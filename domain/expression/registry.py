"""The tables of filters, functions and tests, and how arguments are bound to parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from domain.expression.errors import Fault

_Implementation = TypeVar("_Implementation", bound=Callable[..., Any])
_Bound = TypeVar("_Bound")


class Required:
    """The default of a parameter that has none."""


REQUIRED: Final = Required()


class Signature(msgspec.Struct, frozen=True):
    """A filter, function or test."""

    name: str
    kind: str
    """`filter`, `function` or `test`."""
    parameters: tuple[tuple[str, Any], ...]
    """Names in order, each with its default or REQUIRED."""
    call: Callable[..., Any] | None = None
    """Takes the run, for filters and tests the value, then the arguments; None: a lookup."""
    is_variadic: bool = False
    """Whether any number of arguments by place follows."""
    aliases: Mapping[str, str] = {}
    """Further names of parameters, each with the one it stands for."""

    def bind(
        self,
        positional: Sequence[_Bound],
        named: Sequence[tuple[str, _Bound]],
        constant: Callable[[Any], _Bound],
    ) -> list[_Bound]:
        """Put arguments in the order of the parameters, defaults where none is written.

        Raises:
            Fault: too many, unknown, doubled or missing arguments.
        """
        if self.is_variadic:
            if named:
                raise Fault(f"The '{self.name}' {self.kind} takes no named arguments.")
            return list(positional)
        if not self.parameters:
            return []  # as in Pebble, which then looks at no argument at all
        if len(positional) > len(self.parameters):
            raise Fault(
                f"The '{self.name}' {self.kind} takes at most {len(self.parameters)} arguments."
            )
        given: dict[str, _Bound] = {
            parameter: argument
            for (parameter, _), argument in zip(self.parameters, positional, strict=False)
        }
        known = {parameter for parameter, _ in self.parameters}
        for alias, argument in named:
            name = self.aliases.get(alias, alias)
            if name not in known:
                raise Fault(f"The following named argument does not exist: {name}")
            given[name] = argument
        bound: list[_Bound] = []
        for parameter, default in self.parameters:
            if parameter in given:
                bound.append(given[parameter])
            elif default is REQUIRED:
                raise Fault(f"The '{self.name}' {self.kind} expects an argument '{parameter}'.")
            else:
                bound.append(constant(default))
        return bound


FILTERS: Final[dict[str, Signature]] = {}
FUNCTIONS: Final[dict[str, Signature]] = {}
TESTS: Final[dict[str, Signature]] = {}


def _declare(
    table: dict[str, Signature], kind: str, names: Sequence[str], parameters: Mapping[str, Any]
) -> Callable[[_Implementation], _Implementation]:
    def declare(call: _Implementation) -> _Implementation:
        for name in names:
            table[name] = Signature(name, kind, tuple(parameters.items()), call)
        return call

    return declare


def filter_(*names: str, **parameters: Any) -> Callable[[_Implementation], _Implementation]:
    """Declare a filter under its names; keywords are parameters with their defaults, in order."""
    return _declare(FILTERS, "filter", names, parameters)


def function(*names: str, **parameters: Any) -> Callable[[_Implementation], _Implementation]:
    """Declare a pure function."""
    return _declare(FUNCTIONS, "function", names, parameters)


def test_(*names: str, **parameters: Any) -> Callable[[_Implementation], _Implementation]:
    """Declare a test, as in `value is even`."""
    return _declare(TESTS, "test", names, parameters)


def variadic(name: str) -> Callable[[_Implementation], _Implementation]:
    """Declare a pure function of any number of arguments."""

    def declare(call: _Implementation) -> _Implementation:
        FUNCTIONS[name] = Signature(name, "function", (), call, is_variadic=True)
        return call

    return declare
