"""Tokens to expressions: precedence climbing.

Loosest to tightest: ternary, `or`, `and`, `is`/`is not`/`contains`/`in`/`not in`, comparisons, `+
-`, `* / %`, filter, `~`, `.. ?? ???`, unary, postfix. Every binary operator groups to the left.
Source: the engine's own table, `ecosystem.md` 6.3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from domain.expression.errors import TemplateSyntaxError, position
from domain.expression.lexer import Kind, Token
from domain.expression.syntax import (
    Arguments,
    Attribute,
    Binary,
    Call,
    Concat,
    Expression,
    Filter,
    Function,
    ListLiteral,
    Literal,
    MapLiteral,
    Name,
    Ternary,
    Test,
    Unary,
)

BINARY_PRECEDENCE: Final = {
    "or": 10,
    "and": 15,
    "is": 20,
    "is not": 20,
    "contains": 20,
    "in": 20,
    "not in": 20,
    "isIn": 20,
    "not isIn": 20,
    "==": 30,
    "equals": 30,
    "!=": 30,
    ">": 30,
    "<": 30,
    ">=": 30,
    "<=": 30,
    "+": 40,
    "-": 40,
    "*": 60,
    "/": 60,
    "%": 60,
    "|": 100,
    "~": 110,
    "..": 120,
    "??": 120,
    "???": 120,
}
"""Operators that stand between two operands; a higher number binds tighter."""

_UNARY: Final = frozenset({"not", "-", "+"})
_UNARY_PRECEDENCE: Final = 500
_WORDS_FOR_IN: Final = frozenset({"in", "isIn"})
_CONSTANTS: Final[dict[str, object]] = {
    "true": True,
    "TRUE": True,
    "false": False,
    "FALSE": False,
    "null": None,
    "NULL": None,
    "none": None,
    "NONE": None,
}
MAX_DEPTH: Final = 100
"""Deepest nesting of expressions and of tags."""
_MAX_CHAIN: Final = 250


class Tokens:
    """A cursor over tokens, and the source they came from."""

    def __init__(self, tokens: Sequence[Token], source: str) -> None:
        self._tokens = tokens
        self._index = 0
        self.source = source
        self.depth = 0
        self.in_tag = False
        self.current = tokens[0]
        self.previous = tokens[0]

    def advance(self) -> Token:
        """Step over the current token and return it."""
        token = self.previous = self.current
        if token.kind is not Kind.END:
            self._index += 1
            self.current = self._tokens[self._index]
        return token

    def peek(self) -> Token:
        """Return the token after the current one."""
        return self._tokens[min(self._index + 1, len(self._tokens) - 1)]

    def is_punctuation(self, value: str) -> bool:
        """Tell whether the current token is that character."""
        return self.current.kind is Kind.PUNCTUATION and self.current.value == value

    def is_name(self, value: str) -> bool:
        """Tell whether the current token is that word."""
        return self.current.kind is Kind.NAME and self.current.value == value

    def expect(self, kind: Kind, value: str | None = None) -> Token:
        """Step over a token that must be of this kind and value.

        Raises:
            TemplateSyntaxError: it is another one.
        """
        token = self.current
        if token.kind is not kind or (value is not None and token.value != value):
            shown, found = _described(token)
            wanted = _TYPES[kind]
            if kind is Kind.CLOSE:
                wanted = "EXECUTE_END" if self.in_tag else "PRINT_END"
            raise self.fail(
                f'Unexpected token of value "{shown}" and type {found}, '
                f"expected token of type {wanted}",
                token,
            )
        return self.advance()

    def fail(self, reason: str, token: Token | int) -> TemplateSyntaxError:
        """Return the error for a token or an offset."""
        offset = token if isinstance(token, int) else token.offset
        return TemplateSyntaxError(reason, self.source, *position(self.source, offset))

    def enter(self) -> None:
        """Go one level down; leave with `self.depth -= 1`.

        Raises:
            TemplateSyntaxError: the template is nested too deeply.
        """
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.fail("The template is nested too deeply.", self.current)


_TYPES: Final = {
    Kind.TEXT: "TEXT",
    Kind.RAW: "TEXT",
    Kind.PRINT_OPEN: "PRINT_START",
    Kind.TAG_OPEN: "EXECUTE_START",
    Kind.CLOSE: "PRINT_END",
    Kind.NAME: "NAME",
    Kind.NUMBER: "NUMBER",
    Kind.STRING: "STRING",
    Kind.INTERPOLATED: "STRING",
    Kind.OPERATOR: "OPERATOR",
    Kind.PUNCTUATION: "PUNCTUATION",
    Kind.END: "EOF",
}
"""What the real engine's messages call each kind."""


def _described(token: Token) -> tuple[str, str]:
    """Return how messages show a token's value and its kind."""
    match token.kind:
        case Kind.END if token.value:
            return "null", token.value
        case Kind.END:
            return "null", "EOF"
        case Kind.CLOSE if token.value == "%}":
            return token.value, "EXECUTE_END"
        case Kind.INTERPOLATED:
            first = token.value[0]
            return first if isinstance(first, str) else "#{", "STRING"
        case kind:
            return str(token.value), _TYPES[kind]


def unexpected(tokens: Tokens) -> TemplateSyntaxError:
    """Return the error for a token where an expression should start."""
    shown, found = _described(tokens.current)
    return tokens.fail(f'Unexpected token "{found}" of value "{shown}"', tokens.current)


def parse_expression(tokens: Tokens, minimum: int = 0) -> Expression:
    """Read one expression whose operators bind at least as tightly as `minimum`.

    Raises:
        TemplateSyntaxError: no expression stands here.
    """
    tokens.enter()
    left = _operand(tokens)
    chain = 0
    while (found := _binary_operator(tokens)) is not None:
        operator, words = found
        precedence = BINARY_PRECEDENCE[operator]
        if precedence < minimum:
            break
        offset = tokens.current.offset
        for _ in range(words):
            tokens.advance()
        chain += 1
        if chain > _MAX_CHAIN and operator != "~":
            raise tokens.fail("The expression is too long: split it.", offset)
        left = _binary(tokens, operator, precedence, left, offset)
    if minimum == 0 and tokens.is_punctuation("?"):
        left = _ternary(tokens, left)
    tokens.depth -= 1
    return left


def _binary_operator(tokens: Tokens) -> tuple[str, int] | None:
    """Return the operator at the cursor and the number of tokens it takes."""
    token = tokens.current
    if token.kind is Kind.NAME:
        return (token.value, 1) if token.value in _WORDS_FOR_IN else None
    if token.kind is not Kind.OPERATOR:
        return None
    value = token.value
    if value == "is":
        following = tokens.peek()
        if following.kind is Kind.OPERATOR and following.value == "not":
            return "is not", 2
    elif value == "not":
        following = tokens.peek()
        if following.kind is Kind.NAME and following.value in _WORDS_FOR_IN:
            return f"not {following.value}", 2
        return None
    return (value, 1) if value in BINARY_PRECEDENCE else None


def _binary(
    tokens: Tokens, operator: str, precedence: int, left: Expression, offset: int
) -> Expression:
    if operator == "|":
        name = tokens.expect(Kind.NAME)
        return Filter(left, name.value, _optional_arguments(tokens), name.offset)
    if operator in ("is", "is not"):
        name = tokens.expect(Kind.NAME)
        arguments = _optional_arguments(tokens)
        return Test(left, name.value, arguments, operator == "is not", name.offset)
    right = parse_expression(tokens, precedence + 1)
    if operator == "~":
        if isinstance(left, Concat) and left.offset >= 0:
            return Concat((*left.parts, right), left.offset)
        return Concat((left, right), offset)
    return Binary("==" if operator == "equals" else operator, left, right, offset)


def _ternary(tokens: Tokens, condition: Expression) -> Expression:
    offset = tokens.advance().offset
    yes = parse_expression(tokens)
    tokens.expect(Kind.PUNCTUATION, ":")
    return Ternary(condition, yes, parse_expression(tokens), offset)


def _operand(tokens: Tokens) -> Expression:
    token = tokens.current
    match token.kind:
        case Kind.OPERATOR if token.value in _UNARY:
            tokens.advance()
            return Unary(token.value, parse_expression(tokens, _UNARY_PRECEDENCE), token.offset)
        case Kind.PUNCTUATION if token.value == "(":
            tokens.advance()
            inner = parse_expression(tokens)
            tokens.expect(Kind.PUNCTUATION, ")")
            if isinstance(inner, Concat):
                inner = Concat((inner,), -1)  # the brackets end the chain of `~`
            return _postfix(tokens, inner)
        case Kind.PUNCTUATION if token.value == "[":
            return _list(tokens)
        case Kind.PUNCTUATION if token.value == "{":
            return _map(tokens)
        case Kind.NUMBER | Kind.STRING:
            tokens.advance()
            return _postfix(tokens, Literal(token.value))
        case Kind.INTERPOLATED:
            tokens.advance()
            return _postfix(tokens, _interpolated(tokens, token))
        case Kind.NAME:
            tokens.advance()
            return _postfix(tokens, _name(tokens, token))
        case _:
            raise unexpected(tokens)


def _interpolated(tokens: Tokens, token: Token) -> Expression:
    parts: list[Expression] = []
    for part in token.value:
        if isinstance(part, str):
            parts.append(Literal(part))
            continue
        inner = Tokens(part, tokens.source)
        inner.depth = tokens.depth
        parts.append(parse_expression(inner))
        if inner.current.kind is not Kind.END:
            raise unexpected(inner)
    return parts[0] if len(parts) == 1 else Concat(tuple(parts), -1)


def _name(tokens: Tokens, token: Token) -> Expression:
    name = token.value
    if name in _CONSTANTS:
        return Literal(_CONSTANTS[name])
    if tokens.is_punctuation("("):
        return Function(name, parse_arguments(tokens), token.offset)
    return Name(name, token.offset)


def _postfix(tokens: Tokens, target: Expression) -> Expression:
    chain = 0
    while True:
        chain += 1
        if chain > _MAX_CHAIN:
            raise tokens.fail("The path is too long.", tokens.current)
        offset = tokens.current.offset
        if tokens.is_punctuation("."):
            tokens.advance()
            name = tokens.expect(Kind.NAME)
            if tokens.is_punctuation("("):
                target = Call(target, name.value, parse_arguments(tokens), name.offset)
            else:
                target = Attribute(target, Literal(name.value), name.value, name.offset)
        elif tokens.is_punctuation("["):
            tokens.advance()
            key = parse_expression(tokens)
            tokens.expect(Kind.PUNCTUATION, "]")
            target = Attribute(target, key, None, offset)
        else:
            return target


def _optional_arguments(tokens: Tokens) -> Arguments:
    return parse_arguments(tokens) if tokens.is_punctuation("(") else Arguments()


def parse_arguments(tokens: Tokens) -> Arguments:
    """Read `(a, b, name=c)`.

    Raises:
        TemplateSyntaxError: malformed, or an argument by place after one by name.
    """
    tokens.expect(Kind.PUNCTUATION, "(")
    positional: list[Expression] = []
    named: list[tuple[str, Expression]] = []
    while not tokens.is_punctuation(")"):
        if positional or named:
            tokens.expect(Kind.PUNCTUATION, ",")
        following = tokens.peek()
        if (
            tokens.current.kind is Kind.NAME
            and following.kind is Kind.PUNCTUATION
            and following.value == "="
        ):
            name = tokens.advance().value
            tokens.advance()
            named.append((name, parse_expression(tokens)))
        elif named:
            raise tokens.fail(
                "Positional arguments must be declared before any named arguments.", tokens.current
            )
        else:
            positional.append(parse_expression(tokens))
    tokens.advance()
    return Arguments(tuple(positional), tuple(named))


def _list(tokens: Tokens) -> Expression:
    offset = tokens.advance().offset
    items: list[Expression] = []
    while not tokens.is_punctuation("]"):
        if items:
            tokens.expect(Kind.PUNCTUATION, ",")
        items.append(parse_expression(tokens))
    tokens.advance()
    return ListLiteral(tuple(items), offset)


def _map(tokens: Tokens) -> Expression:
    offset = tokens.advance().offset
    entries: list[tuple[Expression, Expression]] = []
    while not tokens.is_punctuation("}"):
        if entries:
            tokens.expect(Kind.PUNCTUATION, ",")
        key = parse_expression(tokens)
        tokens.expect(Kind.PUNCTUATION, ":")
        entries.append((key, parse_expression(tokens)))
    tokens.advance()
    return MapLiteral(tuple(entries), offset)
