"""YAML texts to documents. libyaml gives the events, `builder` makes the values.

What scalars mean is in `scalars`, what is wrong with a text in `mistakes`.
"""

from __future__ import annotations

import re
from typing import Final

import yaml

from domain.yaml.builder import DEFAULT_LIMITS, Builder, YamlLimits
from domain.yaml.document import Document
from domain.yaml.mistakes import YamlError, explained, unprintable

_SURROGATES: Final = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_SEPARATOR: Final = re.compile(r"(?:^|\n)---(?=\s|$)[^\n]*(?:\n|$)")


def read_yaml(text: str, limits: YamlLimits = DEFAULT_LIMITS) -> Document:
    """Read the first document of a text.

    Args:
        text: YAML.
        limits: what the text may cost.

    Returns:
        Its value in dicts with text keys, lists, str, int, float, bool, bytes and None, with spots.
        What an alias names is the same object as its anchor: never change what you get.

    Raises:
        YamlError: not YAML, or refused (see the module), with line and column from 1.
    """
    if len(text) > limits.characters:
        raise YamlError(
            f"YAML parsing error: the text has {len(text)} characters, the most is "
            f"{limits.characters}",
            1,
            1,
            "Move scripts and data into namespace files.",
        )
    try:
        return _built(text, limits)
    except yaml.MarkedYAMLError as error:
        if "escape code" in (error.problem or "") and _SURROGATES.search(text):
            return read_yaml(_SURROGATES.sub(_joined, text), limits)
        raise explained(text, error) from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise unprintable(text) or YamlError(
            f"YAML parsing error: {error}", 1, 1, "Save the file as UTF-8."
        ) from None


def _built(text: str, limits: YamlLimits) -> Document:
    return Builder(text, limits).build(yaml.parse(text, Loader=yaml.CSafeLoader))


def _joined(found: re.Match[str]) -> str:
    """Return the one escape that stands for two halves, as JSON writers split them."""
    high, low = int(found[1], 16), int(found[2], 16)
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def split_documents(text: str) -> list[str]:
    """Return the documents of a text that holds several, as the API splits them.

    Source: Kestra splits at a line that starts with three dashes, before YAML is read.
    """
    return [part for part, _ in numbered_documents(text)]


def numbered_documents(text: str) -> list[tuple[str, int]]:
    """Return the documents of a text as `split_documents` does, each with its first line."""
    found: list[tuple[str, int]] = []
    start = 0
    for mark in [*_SEPARATOR.finditer(text), None]:
        part = text[start : mark.start() if mark is not None else len(text)]
        if part.strip():
            found.append((part, text.count("\n", 0, start) + 1))
        start = mark.end() if mark is not None else len(text)
    return found or [(text, 1)]
