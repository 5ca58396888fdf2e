"""Text to tokens.

Outside the delimiters everything is text. Inside, brackets are counted, so that `}}` closes a
print only when no bracket is open, and strings are opaque. A dash beside a delimiter trims the
blanks next to it; an opening dash only when a blank follows it, otherwise it is a minus.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Any, Final, NamedTuple

from domain.expression.errors import TemplateSyntaxError, position


class Kind(Enum):
    """What a token is."""

    TEXT = auto()
    RAW = auto()
    PRINT_OPEN = auto()
    TAG_OPEN = auto()
    CLOSE = auto()
    NAME = auto()
    NUMBER = auto()
    STRING = auto()
    INTERPOLATED = auto()
    OPERATOR = auto()
    PUNCTUATION = auto()
    END = auto()


class Token(NamedTuple):
    """One token; `value` of INTERPOLATED is a list of texts and token lists."""

    kind: Kind
    value: Any
    offset: int


WORD_OPERATORS: Final = frozenset({"and", "or", "not", "is", "contains", "equals"})

_OPENING: Final = re.compile(r"\{\{|\{%|\{#")
_TRIM_AFTER_OPENING: Final = re.compile(r"-(?=\s)")
_RAW_TAG: Final = re.compile(
    r"(?P<open>\{%-*\s*raw\s*-*%\})|(?P<close>\{%-*\s*endraw\s*-*%\})|(?P<line>\n)"
)
_VERBATIM: Final = re.compile(
    r"\{%(-(?=\s))?\s*verbatim\s*(-)?%\}(.*?)\{%(-(?=\s))?\s*endverbatim\s*(-)?%\}", re.DOTALL
)
_VERBATIM_START: Final = re.compile(r"\{%(-(?=\s))?\s*verbatim\s*(-)?%\}")
_BLANKS: Final = re.compile(r"\s+")
_NAME: Final = re.compile(r"[^\W\d]\w*")
_NUMBER: Final = re.compile(r"(\d+)(?:\.(\d+))?([lL])?", re.ASCII)
_SYMBOL: Final = re.compile(r"\?\?\?|\?\?|\.\.|==|!=|>=|<=|[><+\-*/%|~]")
_SINGLE_QUOTED: Final = re.compile(r"'([^'\\]*(?:\\.[^'\\]*)*)'", re.DOTALL)
_DOUBLE_PART: Final = re.compile(r'[^"\\#]*(?:(?:\\.|#(?!\{))[^"\\#]*)*', re.DOTALL)
_PUNCTUATION: Final = "()[]{},.:?="
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}
_LARGEST_INTEGER: Final = 2**63 - 1
_INTERPOLATION_DEPTH: Final = 20
MOST_TOKENS: Final = 100_000
"""Names, values and signs of one template."""


class RawSpan(NamedTuple):
    """A protected region: where it ends, what it protects, and the same with its tags."""

    end: int
    text: str
    tagged: str


def raw_spans(source: str) -> dict[int, RawSpan]:
    """Return the regions that `{% raw %}…{% endraw %}` protects, by where they start.

    Both tags stand on one line; the first closing tag after an opening one ends the region.
    """
    spans: dict[int, RawSpan] = {}
    if "endraw" not in source:
        return spans
    opened: re.Match[str] | None = None
    for found in _RAW_TAG.finditer(source):
        kind = found.lastgroup
        if kind == "line":
            opened = None
        elif kind == "open":
            opened = opened or found
        elif opened is not None:
            start, end = opened.start(), found.end()
            inner = source[opened.end() : found.start()]
            spans[start] = RawSpan(end, inner, source[start:end])
            opened = None
    return spans


def strip_raw(text: str) -> str:
    """Take the raw tags off a rendered text and keep what they protected."""
    spans = raw_spans(text)
    if not spans:
        return text
    parts: list[str] = []
    at = 0
    for start, span in spans.items():
        parts.append(text[at:start])
        parts.append(span.text)
        at = span.end
    return "".join([*parts, text[at:]])


def tokenize(source: str, *, raw: bool = True) -> list[Token]:
    """Split a template into tokens, ending with END.

    Args:
        source: the template.
        raw: whether `{% raw %}` is understood; without it such a tag is as unknown as Pebble finds
            it.

    Raises:
        TemplateSyntaxError: an unclosed delimiter, string, bracket or comment, or a character
            without meaning.
    """
    return _Lexer(source, raw=raw).run()


class _Lexer:
    def __init__(self, source: str, *, raw: bool) -> None:
        self._source = source
        self._raw = raw_spans(source) if raw else {}
        self._at = 0
        self._tokens: list[Token] = []
        self._trim_next = False
        self._count = 0

    def run(self) -> list[Token]:
        source = self._source
        while self._at < len(source):
            found = _OPENING.search(source, self._at)
            if found is None:
                self._text(source[self._at :], self._at)
                self._at = len(source)
                break
            start = found.start()
            if start > self._at:
                self._text(source[self._at : start], self._at)
            self._at = start
            opening = found.group()
            if opening == "{#":
                self._comment()
            elif opening == "{{":
                self._delimited(Kind.PRINT_OPEN, "}}")
            elif not self._raw_text() and not self._verbatim():
                self._delimited(Kind.TAG_OPEN, "%}")
        self._tokens.append(Token(Kind.END, "", len(source)))
        return self._tokens

    def _fail(self, reason: str, offset: int) -> TemplateSyntaxError:
        return TemplateSyntaxError(reason, self._source, *position(self._source, offset))

    def _text(self, text: str, offset: int) -> None:
        if self._trim_next:
            text = text.lstrip()
            self._trim_next = not text
        if text:
            self._tokens.append(Token(Kind.TEXT, text, offset))

    def _trim_before(self) -> None:
        if self._tokens and self._tokens[-1].kind is Kind.TEXT:
            last = self._tokens.pop()
            text = last.value.rstrip()
            if text:
                self._tokens.append(Token(Kind.TEXT, text, last.offset))

    def _comment(self) -> None:
        start = self._at
        end = self._source.find("#}", start + 2)
        if end < 0:
            raise self._fail("Unclosed comment.", start)
        if self._source.startswith("-", start + 2):
            self._trim_before()
        self._trim_next = self._source[end - 1] == "-" and end - 1 > start + 1
        self._at = end + 2

    def _raw_text(self) -> bool:
        span = self._raw.get(self._at)
        if span is None:
            return False
        self._trim_next = False
        self._tokens.append(Token(Kind.RAW, (span.text, span.tagged), self._at))
        self._at = span.end
        return True

    def _verbatim(self) -> bool:
        if _VERBATIM_START.match(self._source, self._at) is None:
            return False
        found = _VERBATIM.match(self._source, self._at)
        if found is None:
            raise self._fail("Unclosed verbatim tag.", self._at)
        before, after_opening, text, before_closing, after = found.groups()
        if before:
            self._trim_before()
        if after_opening:
            text = text.lstrip()
        if before_closing:
            text = text.rstrip()
        self._trim_next = False
        if text:
            self._tokens.append(Token(Kind.RAW, (text, text), self._at))
        self._trim_next = bool(after)
        self._at = found.end()
        return True

    def _delimited(self, kind: Kind, closing: str) -> None:
        start = self._at
        self._at += 2
        trim = _TRIM_AFTER_OPENING.match(self._source, self._at)
        if trim:
            self._trim_before()
            self._at = trim.end()
        self._trim_next = False
        self._tokens.append(Token(kind, "", start))
        if self._expression(self._tokens, closing, 0):
            self._tokens.append(Token(Kind.CLOSE, closing, self._at - 2))

    def _expression(self, tokens: list[Token], closing: str, depth: int) -> bool:
        """Read tokens up to and past the closing delimiter; false where the template ends first."""
        source = self._source
        brackets: list[tuple[str, int]] = []
        while True:
            blanks = _BLANKS.match(source, self._at)
            if blanks:
                self._at = blanks.end()
            at = self._at
            if at >= len(source):
                if brackets:
                    raise self._fail(f'Unclosed "{brackets[-1][0]}"', brackets[-1][1])
                return False
            if not brackets:
                if source.startswith(closing, at):
                    self._at += len(closing)
                    return True
                if closing != "}" and source.startswith("-" + closing, at):
                    self._at += len(closing) + 1
                    self._trim_next = True
                    return True
            self._token(tokens, brackets, depth)

    def _token(self, tokens: list[Token], brackets: list[tuple[str, int]], depth: int) -> None:
        source, at = self._source, self._at
        self._count += 1
        if self._count > MOST_TOKENS:
            raise self._fail("The template has too many expressions.", at)
        character = source[at]
        if found := _NAME.match(source, at):
            word = found.group()
            kind = Kind.OPERATOR if word in WORD_OPERATORS else Kind.NAME
            tokens.append(Token(kind, word, at))
            self._at = found.end()
        elif found := _NUMBER.match(source, at):
            tokens.append(self._number(found))
            self._at = found.end()
        elif found := _SYMBOL.match(source, at):
            tokens.append(Token(Kind.OPERATOR, found.group(), at))
            self._at = found.end()
        elif character in _PUNCTUATION:
            if character in _CLOSING:
                brackets.append((character, at))
            elif character in ")]}":
                self._closes(brackets, character)
            tokens.append(Token(Kind.PUNCTUATION, character, at))
            self._at += 1
        elif character == "'":
            found = _SINGLE_QUOTED.match(source, at)
            if found is None:
                raise self._fail("Unexpected character [']", at)
            tokens.append(Token(Kind.STRING, found.group(1).replace("\\'", "'"), at))
            self._at = found.end()
        elif character == '"':
            self._double_quoted(tokens, depth)
        else:
            raise self._fail(f"Unexpected character [{character}]", at)

    def _closes(self, brackets: list[tuple[str, int]], character: str) -> None:
        if not brackets:
            raise self._fail(f'Unexpected "{character}"', self._at)
        opening, opened = brackets.pop()
        if character != _CLOSING[opening]:
            raise self._fail(f'Unclosed "{_CLOSING[opening]}"', opened)

    def _number(self, found: re.Match[str]) -> Token:
        whole, fraction, long = found.groups()
        if fraction is not None and not long:
            return Token(Kind.NUMBER, float(found.group()), found.start())
        if fraction is not None or len(whole) > 19 or int(whole) > _LARGEST_INTEGER:
            raise self._fail(f'For input string: "{whole}"', found.start())
        return Token(Kind.NUMBER, int(whole), found.start())

    def _double_quoted(self, tokens: list[Token], depth: int) -> None:
        source, start = self._source, self._at
        if depth > _INTERPOLATION_DEPTH:
            raise self._fail("Strings are nested too deeply.", start)
        parts: list[str | list[Token]] = []
        self._at += 1
        while True:
            found = _DOUBLE_PART.match(source, self._at)
            text = found.group() if found else ""
            if text:
                parts.append(text.replace('\\"', '"'))
            self._at += len(text)
            if source.startswith('"', self._at):
                self._at += 1
                break
            if not source.startswith("#{", self._at):
                raise self._fail('Unclosed """', start)
            opened = self._at
            self._at += 2
            inner: list[Token] = []
            if not self._expression(inner, "}", depth + 1):
                raise self._fail('Unclosed "#{"', opened)
            inner.append(Token(Kind.END, "STRING_INTERPOLATION_END", self._at - 1))
            parts.append(inner)
        if all(isinstance(part, str) for part in parts):
            tokens.append(Token(Kind.STRING, "".join(map(str, parts)), start))
        else:
            tokens.append(Token(Kind.INTERPOLATED, parts, start))
