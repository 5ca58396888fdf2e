"""Filters on texts. Most leave null alone and see maps and lists in their Java form."""

from __future__ import annotations

import base64
import binascii
import hashlib
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote_plus, unquote_plus

import regex

from domain.expression.errors import Fault, LimitFault
from domain.expression.regexes import compiled, first_match, replace_all, split_text
from domain.expression.registry import REQUIRED, filter_
from domain.expression.runtime import Run
from domain.expression.text import inner_java_text, java_text
from domain.expression.values import class_name

_ESCAPED: Final[dict[str, Callable[[str], str]]] = {
    "single": lambda text: text.replace("'", "\\'"),
    "double": lambda text: text.replace('"', '\\"'),
    "shell": lambda text: text.replace("'", "'\\''"),
}
_NOT_SLUG: Final = regex.compile(r"[^a-z0-9 \t\n\r\f\v-]+")
_DASHES: Final = regex.compile(r"[\s-]+")
_LINE_ENDS: Final = regex.compile(r"\r\n|\n|\r")


def _shown(run: Run, value: Any) -> str:
    return java_text(value, run.scope.limits.output_characters)


def _text_of(filter_name: str, value: Any) -> str:
    """Return the value of a filter that takes texts only."""
    if not isinstance(value, str):
        raise Fault(
            f"The '{filter_name}' filter expects a text, not {class_name(value)}: "
            "put `| string` before it."
        )
    return value


def _argument(filter_name: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Fault(f"The '{filter_name}' filter expects a text as argument '{name}'.")
    return value


def _count(filter_name: str, name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Fault(f"The '{filter_name}' filter expects a whole number as argument '{name}'.")
    return value


@filter_("upper")
def upper(run: Run, value: Any) -> Any:
    """Return the text in capitals."""
    return None if value is None else _shown(run, value).upper()


@filter_("lower")
def lower(run: Run, value: Any) -> Any:
    """Return the text in small letters."""
    return None if value is None else _shown(run, value).lower()


@filter_("nl2br")
def nl2br(run: Run, value: Any) -> Any:
    """Return the text with HTML line breaks in place of its line ends."""
    del run
    return None if value is None else _LINE_ENDS.sub("<br />", _text_of("nl2br", value))


@filter_("capitalize")
def capitalize(run: Run, value: Any) -> Any:
    """Return the text with its first letter in capitals, the rest as it is."""
    del run
    if value is None:
        return None
    text = _text_of("capitalize", value)
    for index, character in enumerate(text):
        if not character.isspace():
            return text[:index] + character.upper() + text[index + 1 :]
    return text


@filter_("title")
def title(run: Run, value: Any) -> Any:
    """Return the text with the first letter of each word in capitals, the rest as it is."""
    del run
    if value is None:
        return None
    letters: list[str] = []
    starts = True
    for character in _text_of("title", value):
        titled = character.title() if starts else character
        letters.append(titled if len(titled) == 1 else character)
        starts = character.isspace()
    return "".join(letters)


@filter_("trim")
def trim(run: Run, value: Any) -> Any:
    """Return the text without control characters and blanks at its ends."""
    del run
    return None if value is None else _text_of("trim", value).strip(_BLANKS)


_BLANKS: Final = "".join(map(chr, range(33)))


@filter_("abbreviate", length=REQUIRED)
def abbreviate(run: Run, value: Any, length: Any) -> Any:
    """Return at most `length` characters, three dots included; a text of just that length, too."""
    del run
    if value is None:
        return None
    text, size = _text_of("abbreviate", value), _count("abbreviate", "length", length)
    if size < 0:
        raise Fault("Invalid argument to abbreviate filter; must be greater than zero")
    if len(text) < size or len(text) <= len(_DOTS):
        return text
    return text[: size - len(_DOTS)] + _DOTS if size > len(_DOTS) else text[:size]


_DOTS: Final = "..."


@filter_("split", delimiter=REQUIRED, limit=0)
def split(run: Run, value: Any, delimiter: Any, limit: Any) -> Any:
    """Split at a regular expression; empty texts at the end are dropped unless a limit is given."""
    if value is None:
        return None
    pattern = _argument("split", "delimiter", delimiter)
    count = _count("split", "limit", 0 if limit is None else limit)
    return split_text(pattern, _text_of("split", value), count, run)


@filter_("replace", replace_pairs=REQUIRED, regexp=False)
def replace(run: Run, value: Any, pairs: Any, regexp: Any) -> Any:
    """Replace every key of a map by its value, in texts, and in the texts of lists and maps.

    Keys of maps stay as they are.
    """
    if value is None:
        return None
    if not isinstance(pairs, Mapping):
        raise Fault("The 'replace' filter expects a map of what to replace by what.")
    replacements: list[tuple[str, str]] = []
    for wanted, other in pairs.items():
        if other is None:
            raise Fault(f"The 'replace' filter cannot replace '{wanted}' by null.")
        replacements.append((inner_java_text(wanted), inner_java_text(other)))
    return _replaced(run, value, replacements, is_pattern=regexp is True)


def _replaced(
    run: Run, value: Any, replacements: list[tuple[str, str]], *, is_pattern: bool
) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _replaced(run, item, replacements, is_pattern=is_pattern)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        run.budget.spend(len(value))
        return [_replaced(run, item, replacements, is_pattern=is_pattern) for item in value]
    if value is None:
        return None
    text, limits = _shown(run, value), run.scope.limits
    for wanted, other in replacements:
        if is_pattern:
            text = replace_all(wanted, text, other, run)
            continue
        if len(text) + text.count(wanted) * len(other) > limits.output_characters:
            raise LimitFault("The text is longer than allowed.")
        text = text.replace(wanted, other)
    return text


@filter_("startsWith", value=REQUIRED)
def starts_with(run: Run, text: Any, value: Any) -> bool:
    """Tell whether the text starts with another."""
    if text is None:
        raise Fault("The 'startsWith' filter cannot be applied to null.")
    return _shown(run, text).startswith(_part(run, "startsWith", value))


@filter_("endsWith", value=REQUIRED)
def ends_with(run: Run, text: Any, value: Any) -> bool:
    """Tell whether the text ends with another."""
    if text is None:
        raise Fault("The 'endsWith' filter cannot be applied to null.")
    return _shown(run, text).endswith(_part(run, "endsWith", value))


def _part(run: Run, name: str, value: Any) -> str:
    if value is None:
        raise Fault(f"The '{name}' filter expects a value.")
    return _shown(run, value)


def _cut(
    name: str, find: Callable[[str, str], int], *, before: bool
) -> Callable[[Run, Any, Any], Any]:
    def cut(run: Run, value: Any, separator: Any) -> Any:
        if value is None:
            return None
        text = _shown(run, value)
        if separator is None:
            return text if before else ""
        by = _argument(name, "separator", separator)
        at = find(text, by)
        if at < 0:
            return text if before else ""
        return text[:at] if before else text[at + len(by) :]

    filter_(name, separator=REQUIRED)(cut)
    return cut


substring_before = _cut("substringBefore", str.find, before=True)
substring_before_last = _cut("substringBeforeLast", str.rfind, before=True)
substring_after = _cut("substringAfter", str.find, before=False)
substring_after_last = _cut("substringAfterLast", str.rfind, before=False)


@filter_("indent", amount=REQUIRED, prefix=" ")
def indent(run: Run, value: Any, amount: Any, prefix: Any) -> Any:
    """Put a prefix, some number of times, before every line but the first."""
    return value if value is None or value == "" else _indented(run, value, amount, prefix)


@filter_("nindent", amount=REQUIRED, prefix=" ")
def nindent(run: Run, value: Any, amount: Any, prefix: Any) -> Any:
    """Put a line break, and then a prefix before every line."""
    if value is None or value == "":
        return value
    text = _shown(run, value)
    end = _LINE_ENDS.search(text)
    return _indented(run, (end.group() if end else "\n") + text, amount, prefix)


def _indented(run: Run, value: Any, amount: Any, prefix: Any) -> str:
    text, count = _shown(run, value), _count("indent", "amount", amount)
    lead, longest = _argument("indent", "prefix", prefix), run.scope.limits.output_characters
    if count < 0:
        raise Fault("The 'indent' filter expects an argument 'amount' of at least zero.")
    lines = len(_LINE_ENDS.findall(text))
    if count * len(lead) > longest or len(text) + lines * count * len(lead) > longest:
        raise LimitFault("The text is longer than allowed.")
    padding = lead * count
    return str(_LINE_ENDS.sub(lambda end: end.group() + padding, text))


@filter_("escapeChar", type=REQUIRED)
def escape_char(run: Run, value: Any, kind: Any) -> Any:
    """Escape quotes for `single`, `double` or `shell`, also inside lists and maps."""
    if not isinstance(kind, str) or kind not in _ESCAPED:
        raise Fault(
            "The 'escapeChar' filter expects the value of 'type' to be either 'single', 'double', "
            "or 'shell'."
        )
    return _escaped(run, value, _ESCAPED[kind])


def _escaped(run: Run, value: Any, escape: Callable[[str], str]) -> Any:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {key: _escaped(run, item, escape) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        run.budget.spend(len(value))
        return [_escaped(run, item, escape) for item in value]
    return escape(_shown(run, value))


@filter_("sh")
def shell_quoted(run: Run, value: Any) -> Any:
    """Return the text as one word of a shell command."""
    if value is None:
        return None
    return "'" + _shown(run, value).replace("'", "'\\''") + "'"


@filter_("slugify")
def slugify(run: Run, value: Any) -> Any:
    """Return small ASCII letters, digits and dashes."""
    if value is None:
        return None
    plain = unicodedata.normalize("NFD", _shown(run, value)).encode("ascii", "ignore").decode()
    kept = _NOT_SLUG.sub("", plain.replace("_", "-").lower())
    return str(_DASHES.sub("-", kept)).strip("-")


@filter_("string")
def string(run: Run, value: Any) -> Any:
    """Return the value's text, lists and maps in their Java form."""
    return None if value is None else _shown(run, value)


@filter_("urlencode")
def url_encode(run: Run, value: Any) -> Any:
    """Encode as a form does: blanks become plus signs."""
    del run
    if value is None:
        return None
    return quote_plus(_text_of("urlencode", value), safe="*").replace("~", "%7E")


@filter_("urldecode")
def url_decode(run: Run, value: Any) -> Any:
    """Decode what `urlencode` makes."""
    del run
    if value is None:
        return None
    text = _text_of("urldecode", value)
    if _BAD_PERCENT.search(text):
        raise Fault("URLDecoder: Illegal hex characters in escape (%) pattern")
    return unquote_plus(text)


_BAD_PERCENT: Final = regex.compile(r"%(?![0-9a-fA-F]{2})")


@filter_("base64encode")
def base64_encode(run: Run, value: Any) -> Any:
    """Return the UTF-8 bytes of the text in Base64."""
    if value is None:
        return None
    plain = value if isinstance(value, bytes) else _shown(run, value).encode()
    return base64.b64encode(plain).decode()


@filter_("base64decode")
def base64_decode(run: Run, value: Any) -> Any:
    """Return the text whose UTF-8 bytes are given in Base64."""
    if value is None:
        return None
    text = _shown(run, value)
    try:
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(padded, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        raise Fault(
            "Please provide a correctly Base64 encoded string containing an UTF-8 string"
        ) from None


def _digest(name: str) -> None:
    def digest(run: Run, value: Any) -> Any:
        if value is None:
            return None
        plain = value if isinstance(value, bytes) else _shown(run, value).encode()
        return hashlib.new(name, plain, usedforsecurity=False).hexdigest()

    filter_(name)(digest)


for _name in ("md5", "sha1", "sha256", "sha512"):
    _digest(_name)


@filter_("regexMatch", regex=REQUIRED)
def regex_match(run: Run, value: Any, pattern: Any) -> Any:
    """Tell whether a regular expression is found in the text; in null nothing is."""
    if value is None:
        return False
    text = _argument("regexMatch", "regex", pattern)
    return first_match(text, _shown(run, value), run) is not None


@filter_("regexExtract", regex=REQUIRED, group=0)
def regex_extract(run: Run, value: Any, pattern: Any, group: Any) -> Any:
    """Return the first match, or one of its groups; null without match."""
    if value is None:
        return None
    wanted = _argument("regexExtract", "regex", pattern)
    number = group if isinstance(group, str) else _count("regexExtract", "group", group)
    found = first_match(wanted, _shown(run, value), run)
    if isinstance(number, int) and not 0 <= number <= compiled(wanted).groups:
        raise Fault(f"No group {number}")
    if found is None:
        return None
    try:
        return found.group(number)
    except IndexError:
        raise Fault(f"No group {number}") from None


@filter_("regexReplace", regex=REQUIRED, replacement=REQUIRED)
def regex_replace(run: Run, value: Any, pattern: Any, replacement: Any) -> Any:
    """Replace every match of a regular expression."""
    if value is None:
        return None
    return replace_all(
        _argument("regexReplace", "regex", pattern),
        _shown(run, value),
        _argument("regexReplace", "replacement", replacement),
        run,
    )


@filter_("className")
def class_name_(run: Run, value: Any) -> Any:
    """Return the Java name of the value's type; null stays null."""
    del run
    return None if value is None else class_name(value)
