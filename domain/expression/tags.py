"""Tokens to the nodes of a template: text, prints and tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from domain.expression.lexer import Kind, tokenize
from domain.expression.parser import Tokens, parse_arguments, parse_expression
from domain.expression.syntax import (
    Arguments,
    Block,
    Body,
    Expression,
    FilterTag,
    For,
    If,
    Macro,
    Node,
    Print,
    Raw,
    Set,
    Text,
)


def parse_template(source: str, *, raw: bool = True) -> Body:
    """Read a whole template.

    Args:
        source: the template.
        raw: whether `{% raw %}` is understood.

    Raises:
        TemplateSyntaxError: the text is no template.
    """
    tokens = Tokens(tokenize(source, raw=raw), source)
    return _body(tokens, frozenset())


def _body(tokens: Tokens, ends: frozenset[str]) -> Body:
    """Read nodes up to a tag named in `ends`; the cursor then stands on that name."""
    nodes: list[Node] = []
    tokens.enter()
    while True:
        token = tokens.current
        match token.kind:
            case Kind.END:
                if ends:
                    wanted = next(end for end in ends if end.startswith("end"))
                    raise tokens.fail(
                        f'Unexpected end of template. Pebble was looking for the "{wanted}" tag',
                        token,
                    )
                break
            case Kind.TEXT:
                tokens.advance()
                nodes.append(Text(token.value))
            case Kind.RAW:
                tokens.advance()
                nodes.append(Raw(*token.value))
            case Kind.PRINT_OPEN:
                tokens.advance()
                tokens.in_tag = False
                nodes.append(Print(parse_expression(tokens), token.offset))
                tokens.expect(Kind.CLOSE)
            case _:
                tokens.expect(Kind.TAG_OPEN)
                tokens.in_tag = True
                if tokens.current.kind is not Kind.NAME:
                    raise tokens.fail("A block must start with a tag name.", tokens.current)
                name = tokens.advance()
                if name.value in ends:
                    break
                reader = _TAGS.get(name.value)
                if reader is None:
                    raise tokens.fail(f'Unexpected tag name "{name.value}"', name)
                nodes.append(reader(tokens, token.offset))
    tokens.depth -= 1
    return tuple(nodes)


def _if(tokens: Tokens, offset: int) -> Node:
    branches: list[tuple[Expression, Body]] = []
    while True:
        condition = parse_expression(tokens)
        tokens.expect(Kind.CLOSE)
        body = _body(tokens, frozenset({"elseif", "else", "endif"}))
        branches.append((condition, body))
        end = _ended_by(tokens)
        if end != "elseif":
            break
    otherwise: Body = ()
    if end == "else":
        tokens.expect(Kind.CLOSE)
        otherwise = _body(tokens, frozenset({"endif"}))
    tokens.expect(Kind.CLOSE)
    return If(tuple(branches), otherwise, offset)


def _ended_by(tokens: Tokens) -> str:
    """Return the name of the tag that ended the body just read."""
    name: str = tokens.previous.value
    return name


def _for(tokens: Tokens, offset: int) -> Node:
    name = tokens.expect(Kind.NAME).value
    tokens.expect(Kind.NAME, "in")
    items = parse_expression(tokens)
    tokens.expect(Kind.CLOSE)
    body = _body(tokens, frozenset({"else", "endfor"}))
    otherwise: Body = ()
    if _ended_by(tokens) == "else":
        tokens.expect(Kind.CLOSE)
        otherwise = _body(tokens, frozenset({"endfor"}))
    tokens.expect(Kind.CLOSE)
    return For(name, items, body, otherwise, offset)


def _set(tokens: Tokens, offset: int) -> Node:
    name = tokens.expect(Kind.NAME).value
    tokens.expect(Kind.PUNCTUATION, "=")
    value = parse_expression(tokens)
    tokens.expect(Kind.CLOSE)
    return Set(name, value, offset)


def _macro(tokens: Tokens, offset: int) -> Node:
    name = tokens.expect(Kind.NAME).value
    tokens.expect(Kind.PUNCTUATION, "(")
    parameters: list[tuple[str, Expression | None]] = []
    while not tokens.is_punctuation(")"):
        if parameters:
            tokens.expect(Kind.PUNCTUATION, ",")
        parameter = tokens.expect(Kind.NAME).value
        default: Expression | None = None
        if tokens.is_punctuation("="):
            tokens.advance()
            default = parse_expression(tokens)
        parameters.append((parameter, default))
    tokens.advance()
    tokens.expect(Kind.CLOSE)
    body = _body(tokens, frozenset({"endmacro"}))
    if tokens.current.kind is Kind.NAME:
        tokens.advance()
    tokens.expect(Kind.CLOSE)
    return Macro(name, tuple(parameters), body, offset)


def _block(tokens: Tokens, offset: int) -> Node:
    token = tokens.advance() if tokens.current.kind is Kind.STRING else tokens.expect(Kind.NAME)
    name = token.value
    tokens.expect(Kind.CLOSE)
    body = _body(tokens, frozenset({"endblock"}))
    if tokens.current.kind in (Kind.NAME, Kind.STRING):
        tokens.advance()
    tokens.expect(Kind.CLOSE)
    return Block(name, body, offset)


def _filter(tokens: Tokens, offset: int) -> Node:
    filters: list[tuple[str, Arguments, int]] = []
    while True:
        name = tokens.expect(Kind.NAME)
        arguments = parse_arguments(tokens) if tokens.is_punctuation("(") else Arguments()
        filters.append((name.value, arguments, name.offset))
        if not (tokens.current.kind is Kind.OPERATOR and tokens.current.value == "|"):
            break
        tokens.advance()
    tokens.expect(Kind.CLOSE)
    body = _body(tokens, frozenset({"endfilter"}))
    tokens.expect(Kind.CLOSE)
    return FilterTag(tuple(filters), body, offset)


_TAGS: Final[dict[str, Callable[[Tokens, int], Node]]] = {
    "if": _if,
    "for": _for,
    "set": _set,
    "macro": _macro,
    "block": _block,
    "filter": _filter,
}
