"""YAML out, laid out and quoted as Kestra's `yaml` filter does.

Blocks only: two blanks a level, a dash after one blank, nested lists and maps on a line of their
own. Texts are plain where YAML lets them be (`1` and `2024-01-01` included), else in single quotes;
what older readers take for something else, and what flow style would end at, is in double quotes;
texts of several lines are literal blocks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import timedelta
from io import StringIO
from typing import Any, Final

from yaml.emitter import Emitter

from domain.expression.errors import LimitFault
from domain.expression.text import data_text, duration_number, inner_java_text

_RESERVED: Final = frozenset(
    spelling
    for word in ("false", "n", "no", "null", "off", "on", "true", "y", "yes")
    for spelling in (word, word.capitalize(), word.upper())
)
_QUOTED: Final = re.compile(r"^~|[,\[\]{}]|:(?:\s|$)|(?:^|\s)#")
_OCTAL: Final = re.compile(r"0\d+", re.ASCII)
_KEY_START: Final = re.compile(r"[-+.0-9~]", re.ASCII)
_LONGEST_SIMPLE_KEY: Final = 128
_PART: Final = 8
_ANALYST: Final = Emitter(StringIO(), allow_unicode=True)


def write_yaml(value: Any, longest: int) -> str:
    """Return a value as a YAML document without marker, save that an empty text gets one.

    Raises:
        LimitFault: the document would be longer than `longest` characters.
        Fault: a value that expressions do not know.
    """
    if value is None:
        return "null"
    if value == "":
        return '--- ""\n'
    writer = _Writer(longest)
    writer.node(value, 0, at_root=True)
    return "".join(writer.parts)


class _Writer:
    def __init__(self, longest: int) -> None:
        self.parts: list[str] = []
        self._left = longest

    def _add(self, text: str) -> None:
        self._left -= len(text) + _PART
        if self._left < 0:
            raise LimitFault("The text is longer than allowed.")
        self.parts.append(text)

    def node(
        self, value: Any, indent: int, *, at_root: bool = False, in_list: bool = False
    ) -> None:
        """Write what follows a colon or a dash, its line break included."""
        if isinstance(value, Mapping) and value:
            self._break(at_root)
            for key, item in value.items():
                self._add(" " * indent + _key(inner_java_text(key), indent) + ":")
                # a list stands no deeper than its key
                self.node(item, indent if _is_list(item) else indent + 2)
        elif _is_list(value) and value:
            self._break(at_root)
            for item in value:
                self._add(" " * indent + " -")
                self.node(item, indent + 2, in_list=True)
        else:
            if not at_root:
                self._add(" ")
            self._add(_scalar(value, 2 if at_root else indent, in_list=in_list))
            self._add("\n")

    def _break(self, at_root: bool) -> None:
        if not at_root:
            self._add("\n")


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, AbstractSet))


def _scalar(value: Any, indent: int, *, in_list: bool) -> str:
    match value:
        case None:
            return "null"
        case str():
            return _text(value, indent, in_list=in_list)
        case timedelta():
            return duration_number(value)
        case Mapping():
            return "{}"
        case list() | tuple() | AbstractSet():
            return "[]"
        case _:
            return data_text(value)


def _text(text: str, indent: int, *, in_list: bool) -> str:
    analysis = _ANALYST.analyze_scalar(text)
    if "\n" in text:
        # the indentation that a block begins with cannot be told apart after a dash
        is_block = analysis.allow_block and not (in_list and text[0] in " \n")
        return _block(text, indent) if is_block else _double(text)
    if not text or text in _RESERVED or _QUOTED.search(text):
        return _double(text)
    if analysis.allow_block_plain and not _OCTAL.fullmatch(text):
        return text
    return _single(text) if analysis.allow_single_quoted else _double(text)


def _key(text: str, indent: int) -> str:
    if "\n" in text or len(text) > _LONGEST_SIMPLE_KEY:
        return f"? {_double(text)}\n{' ' * indent}"
    if not text:
        return f'? ""\n{" " * indent}'
    if text in _RESERVED or _KEY_START.match(text):
        return _double(text)
    analysis = _ANALYST.analyze_scalar(text)
    if analysis.allow_block_plain:
        return text
    return _single(text) if analysis.allow_single_quoted else _double(text)


def _single(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _double(text: str) -> str:
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    short = Emitter.ESCAPE_REPLACEMENTS.get(character)
    if short is not None:
        return f"\\{short}"
    return character if character.isprintable() else f"\\u{ord(character):04X}"


def _block(text: str, indent: int) -> str:
    hint = "2" if text[0] in " \n" else ""
    keeps = "" if text.endswith("\n") else "-"
    if text == "\n" or text.endswith("\n\n"):
        keeps = "+"
    lines = text.removesuffix("\n").split("\n")
    padding = " " * indent
    return "\n".join([f"|{hint}{keeps}", *(padding + line if line else "" for line in lines)])
