"""Java's regular expressions on top of the `regex` library, with a bound on their time.

Syntax is nearly the same; what differs is translated: the `$1` and `${name}` of replacements, and
`split`, which drops empty texts at the end. A pattern that runs too long is stopped.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import regex

from domain.expression.errors import Fault, LimitFault
from domain.expression.runtime import Run

_STEPS: Final = 50
_LONGEST_PATTERN: Final = 10_000
_COUNTED: Final = regex.compile(r"\{(\d+)(?:,(\d*))?\}")
_MOST_REPEATS: Final = 1_000


@lru_cache(maxsize=512)
def compiled(pattern: str) -> regex.Pattern[str]:
    """Return a compiled pattern.

    Raises:
        Fault: it is no pattern, or too large a one.
    """
    if len(pattern) > _LONGEST_PATTERN:
        raise Fault("The regular expression is too long.")
    for least, most in _COUNTED.findall(pattern):
        if any(len(bound) > 4 or int(bound) > _MOST_REPEATS for bound in (least, most) if bound):
            raise Fault("The regular expression repeats too often.")
    try:
        return regex.compile(pattern, regex.V0)
    except (regex.error, RecursionError, OverflowError, ValueError, KeyError, IndexError) as error:
        raise Fault(f"Invalid regular expression: {error}") from None


def _ready(pattern: str, text: str, run: Run) -> regex.Pattern[str]:
    """Return a compiled pattern, having paid for its use on a text."""
    run.budget.check_deadline()
    run.budget.spend(_STEPS + (len(text) >> 4))
    return compiled(pattern)


def split_text(pattern: str, text: str, limit: int, run: Run) -> list[str]:
    """Split as Java's `String.split`; a limit of zero drops empty texts at the end.

    Raises:
        Fault: the pattern is none.
        LimitFault: it takes too long or makes too many parts.
    """
    if not text:
        return [""]
    parts: list[str] = []
    start = 0
    try:
        for found in _ready(pattern, text, run).finditer(
            text, timeout=run.scope.limits.regex_seconds
        ):
            if limit > 0 and len(parts) == limit - 1:
                break
            if found.end() == 0:
                continue
            if found.start() == found.end() == len(text):
                break
            parts.append(text[start : found.start()])
            start = found.end()
            if len(parts) > run.scope.limits.items:
                raise LimitFault("The text splits into too many parts.")
    except TimeoutError:
        raise _too_slow() from None
    parts.append(text[start:])
    if limit == 0:
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        if parts == [""]:
            parts = []
    return parts


def replace_all(
    pattern: str, text: str, replacement: str, run: Run, *, most: int | None = None
) -> str:
    """Replace every match, or the first `most`.

    `$1`, `${name}` and backslashes in the replacement have Java's meaning.

    Raises:
        Fault: the pattern or the replacement is invalid.
        LimitFault: it takes too long, or the text becomes too long.
    """
    pieces: list[str] = []
    start = size = 0
    parts = _replacement(replacement)
    try:
        for found in _ready(pattern, text, run).finditer(
            text, timeout=run.scope.limits.regex_seconds
        ):
            if most is not None and len(pieces) >= 2 * most:
                break
            pieces.append(text[start : found.start()])
            pieces.append(_expanded(found, parts))
            size += len(pieces[-1]) + len(pieces[-2])
            start = found.end()
            if size > run.scope.limits.output_characters:
                raise LimitFault("The text is longer than allowed.")
    except TimeoutError:
        raise _too_slow() from None
    pieces.append(text[start:])
    return "".join(pieces)


def matches_whole(pattern: str, text: str, run: Run) -> bool:
    """Tell whether the whole text matches.

    Raises:
        Fault: the pattern is none.
        LimitFault: it takes too long.
    """
    try:
        return (
            _ready(pattern, text, run).fullmatch(text, timeout=run.scope.limits.regex_seconds)
            is not None
        )
    except TimeoutError:
        raise _too_slow() from None


def first_match(pattern: str, text: str, run: Run) -> Any:
    """Return the first match, or None.

    Raises:
        Fault: the pattern is none.
        LimitFault: it takes too long.
    """
    try:
        return _ready(pattern, text, run).search(text, timeout=run.scope.limits.regex_seconds)
    except TimeoutError:
        raise _too_slow() from None


def _too_slow() -> LimitFault:
    return LimitFault("The regular expression takes too long.")


def _replacement(text: str) -> list[str | int | tuple[str]]:
    """Split a replacement into texts, group numbers and (one-tuples of) group names."""
    parts: list[str | int | tuple[str]] = []
    at = 0
    while at < len(text):
        character = text[at]
        if character == "\\":
            if at + 1 == len(text):
                raise Fault("character to be escaped is missing")
            parts.append(text[at + 1])
            at += 2
        elif character != "$":
            parts.append(character)
            at += 1
        elif text.startswith("{", at + 1):
            end = text.find("}", at)
            name = text[at + 2 : end]
            if end < 0 or not name.isidentifier():
                raise Fault("named capturing group is missing trailing '}'")
            parts.append((name,))
            at = end + 1
        elif text[at + 1 : at + 2].isdecimal() and text[at + 1].isascii():
            parts.append(int(text[at + 1]))
            at += 2
        else:
            raise Fault("Illegal group reference")
    return parts


def _expanded(found: Any, parts: list[str | int | tuple[str]]) -> str:
    texts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        try:
            texts.append(found.group(part if isinstance(part, int) else part[0]) or "")
        except IndexError:
            raise Fault(f"No group {part if isinstance(part, int) else part[0]}") from None
    return "".join(texts)
