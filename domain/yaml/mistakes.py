"""What is wrong with a YAML text, in the words that clients know, and how it is mended."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from domain.errors import InvalidInput

_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_EXPLAINED: Final = 32_768
"""Longest text that is scanned a second time, slowly, for a better message."""


class YamlError(InvalidInput):
    """The text is not YAML that we read."""

    code = "FLOW002"

    def __init__(self, message: str, line: int, column: int, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.remedy = remedy


def error_at(mark: Any, problem: str, remedy: str = "") -> YamlError:
    """Return the error for a problem at a parser's mark, in the words clients know."""
    line, column = mark.line + 1, mark.column + 1
    return YamlError(
        f"YAML parsing error: {problem}\n at [Source: (StringReader); line: {line}, column: "
        f"{column}] (at line {line})",
        line,
        column,
        remedy,
    )


def explained(text: str, error: yaml.MarkedYAMLError) -> YamlError:
    """Return the error in the words clients know: those of the scanner libyaml was made after."""
    if len(text) <= _EXPLAINED:
        try:
            for _ in yaml.parse(text, Loader=yaml.SafeLoader):
                pass
        except yaml.MarkedYAMLError as slow:
            error = slow
        except yaml.YAMLError:
            pass
    lines: list[str] = []
    if error.context:
        lines.append(error.context)
        if error.context_mark is not None:
            lines.append(_place(error.context_mark))
    if error.problem:
        lines.append(error.problem)
    remedy = _remedy(error)
    if error.problem_mark is None:
        return YamlError("YAML parsing error: " + "\n".join(lines), 1, 1, remedy)
    lines.append(_place(error.problem_mark))
    lines.append("")
    return error_at(error.problem_mark, "\n".join(lines), remedy)


def unprintable(text: str) -> YamlError | None:
    """Return the error for the first character that YAML does not take; None: there is none."""
    found = _UNPRINTABLE.search(text)
    if found is None:
        return None
    line = text.count("\n", 0, found.start()) + 1
    column = found.start() - text.rfind("\n", 0, found.start())
    return YamlError(
        f"YAML parsing error: unacceptable character U+{ord(found[0]):04X}\n"
        f" at [Source: (StringReader); line: {line}, column: {column}] (at line {line})",
        line,
        column,
        "Remove it, or write it as an escape in double quotes.",
    )


def _place(mark: Any) -> str:
    where = f" in 'reader', line {mark.line + 1}, column {mark.column + 1}:"
    snippet = mark.get_snippet() if mark.buffer is not None else None
    return f"{where}\n{snippet}" if snippet else where


def _remedy(error: yaml.MarkedYAMLError) -> str:
    problem, context, begin = error.problem or "", error.context or "", error.context_mark
    if "mapping values" in problem:
        return (
            "Indent keys of one mapping alike, write a blank after each colon, and quote texts"
            " that hold a colon and a blank."
        )
    if "'\\t'" in problem:
        return "Indent with blanks, not with tabs."
    if "cannot start any token" in problem or "scanning an alias" in context:
        return "Put the value in quotes."
    if "could not find expected ':'" in problem:
        return "Write `key: value`; indent lines of a longer text more than its key."
    if begin is not None:
        place = f"line {begin.line + 1}, column {begin.column + 1}"
        if "quoted scalar" in context:
            return f"Close the quote that begins in {place}."
        if "flow sequence" in context or "flow mapping" in context:
            return f"Close the bracket that begins in {place}, or put the text in quotes."
        if "block" in context:
            return f"Indent the line like the others of the list or mapping that begins in {place}."
    return "Check indentation, brackets and quotes near that place."
