"""The value of one YAML scalar, by its tag or by the table of plain texts.

Source: SnakeYAML's implicit tags as Jackson decodes them: YAML 1.1, but times, dates and `=` are
text.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

from domain.yaml.mistakes import error_at

_TAG: Final = "tag:yaml.org,2002:"
_MOST_DIGITS: Final = 1_000
_BOOLEANS: Final = {
    text: value
    for word, value in (
        ("yes", True),
        ("true", True),
        ("on", True),
        ("no", False),
        ("false", False),
        ("off", False),
    )
    for text in (word, word.title(), word.upper())
}
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER: Final = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)", re.ASCII)
_FLOAT: Final = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?)",
    re.ASCII,
)
_NOT_A_NUMBER: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", re.ASCII)
_NUMERIC_START: Final = frozenset("0123456789+-.")


def typed(event: Any) -> Any:
    """Return a scalar event's value by its tag or, when plain, by the table.

    Raises:
        YamlError: a number that is not finite or too long, or a value that its tag refuses.
    """
    text: str = event.value
    tag = event.tag
    if tag is not None:
        if tag.startswith(_TAG):
            return _tagged(tag[len(_TAG) :], text, event)
        return text if tag != "!" or event.style else _plain(text, event)
    return _plain(text, event) if event.implicit[0] else text


def _plain(text: str, event: Any) -> Any:
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if text[0] in _NUMERIC_START:
        if _INTEGER.fullmatch(text):
            return _integer(text, event)
        if _FLOAT.fullmatch(text):
            return float(text.replace("_", ""))
        if _NOT_A_NUMBER.fullmatch(text):
            raise error_at(
                event.start_mark,
                f"Non-standard token '{text}': a number must be finite",
                "Put it in quotes.",
            )
    return text


def _integer(text: str, event: Any) -> int:
    digits = text.replace("_", "")
    if len(digits) > _MOST_DIGITS:
        raise error_at(
            event.start_mark, f"a number of more than {_MOST_DIGITS} digits", "Quote it."
        )
    sign = -1 if digits[0] == "-" else 1
    digits = digits.lstrip("+-")
    if digits.startswith("0b"):
        return sign * int(digits[2:] or "0", 2)
    if digits.startswith("0x"):
        return sign * int(digits[2:] or "0", 16)
    if len(digits) > 1 and digits[0] == "0":
        return sign * int(digits, 8)
    return sign * int(digits)


def _tagged(name: str, text: str, event: Any) -> Any:
    digits = text.strip()
    if name == "int":
        if not _INTEGER.fullmatch(digits):
            raise error_at(event.start_mark, f"'{text}' is not a whole number", "Mend the number.")
        return _integer(digits, event)
    if name == "float":
        if not (_FLOAT.fullmatch(digits) or _INTEGER.fullmatch(digits)):
            raise error_at(event.start_mark, f"'{text}' is not a number", "Mend the number.")
        return float(digits.replace("_", ""))
    if name == "bool":
        return _BOOLEANS.get(digits, text)
    if name == "null":
        return None
    if name == "binary":
        try:
            return base64.b64decode(text, validate=False)
        except (binascii.Error, ValueError):
            raise error_at(event.start_mark, "!!binary is not base 64", "Mend the value.") from None
    return text
