"""The nodes of a parsed template. Every node knows its offset in the source, for errors."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec


class Literal(msgspec.Struct, frozen=True):
    """A number, text, boolean or null."""

    value: Any


class Name(msgspec.Struct, frozen=True):
    """A variable."""

    name: str
    offset: int


class Attribute(msgspec.Struct, frozen=True):
    """`target.name` or `target[key]`; `name` is None for brackets."""

    target: Expression
    key: Expression
    name: str | None
    offset: int


class Call(msgspec.Struct, frozen=True):
    """`target.member(arguments)`."""

    target: Expression
    member: str
    arguments: Arguments
    offset: int


class Arguments(msgspec.Struct, frozen=True):
    """Arguments by place, then by name."""

    positional: tuple[Expression, ...] = ()
    named: tuple[tuple[str, Expression], ...] = ()


class Function(msgspec.Struct, frozen=True):
    """A call of a function or macro."""

    name: str
    arguments: Arguments
    offset: int


class Filter(msgspec.Struct, frozen=True):
    """`value | name(arguments)`."""

    value: Expression
    name: str
    arguments: Arguments
    offset: int


class Test(msgspec.Struct, frozen=True):
    """`value is name(arguments)`."""

    value: Expression
    name: str
    arguments: Arguments
    negated: bool
    offset: int


class Unary(msgspec.Struct, frozen=True):
    """`not x`, `-x`, `+x`."""

    operator: str
    operand: Expression
    offset: int


class Binary(msgspec.Struct, frozen=True):
    """An operator with two operands."""

    operator: str
    left: Expression
    right: Expression
    offset: int


class Concat(msgspec.Struct, frozen=True):
    """A chain of `~`, or the parts of an interpolated string."""

    parts: tuple[Expression, ...]
    offset: int


class Ternary(msgspec.Struct, frozen=True):
    """`condition ? yes : no`."""

    condition: Expression
    yes: Expression
    no: Expression
    offset: int


class ListLiteral(msgspec.Struct, frozen=True):
    """`[a, b]`."""

    items: tuple[Expression, ...]
    offset: int


class MapLiteral(msgspec.Struct, frozen=True):
    """`{a: b}`; keys are expressions."""

    entries: tuple[tuple[Expression, Expression], ...]
    offset: int


Expression: TypeAlias = (
    Literal
    | Name
    | Attribute
    | Call
    | Function
    | Filter
    | Test
    | Unary
    | Binary
    | Concat
    | Ternary
    | ListLiteral
    | MapLiteral
)


class Text(msgspec.Struct, frozen=True):
    """Text between delimiters."""

    text: str


class Raw(msgspec.Struct, frozen=True):
    """Protected text, and the same with its tags."""

    text: str
    tagged: str


class Print(msgspec.Struct, frozen=True):
    """`{{ expression }}`."""

    expression: Expression
    offset: int


class If(msgspec.Struct, frozen=True):
    """`{% if %}` with its branches; `otherwise` is empty without `{% else %}`."""

    branches: tuple[tuple[Expression, Body], ...]
    otherwise: Body
    offset: int


class For(msgspec.Struct, frozen=True):
    """`{% for name in items %}`."""

    name: str
    items: Expression
    body: Body
    otherwise: Body
    offset: int


class Set(msgspec.Struct, frozen=True):
    """`{% set name = value %}`."""

    name: str
    value: Expression
    offset: int


class Macro(msgspec.Struct, frozen=True):
    """`{% macro name(parameters) %}`; a parameter without default is null when not given."""

    name: str
    parameters: tuple[tuple[str, Expression | None], ...]
    body: Body
    offset: int


class Block(msgspec.Struct, frozen=True):
    """`{% block name %}`."""

    name: str
    body: Body
    offset: int


class FilterTag(msgspec.Struct, frozen=True):
    """`{% filter a | b %}`."""

    filters: tuple[tuple[str, Arguments, int], ...]
    body: Body
    offset: int


Node: TypeAlias = Text | Raw | Print | If | For | Set | Macro | Block | FilterTag
Body: TypeAlias = tuple[Node, ...]
