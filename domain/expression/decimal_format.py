"""Java's `DecimalFormat`: patterns such as `#,##0.00;(#,##0.00)`, `0.0%`, `##0.##E0`."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import Any, Final

import msgspec
from babel import Locale

from domain.expression.errors import Fault

_DEFAULT_DIGITS: Final = 340
_EXACT: Final = Context(prec=1_500, rounding=ROUND_HALF_EVEN)
_NUMBER: Final = "#0,."
_SIGNS: Final = {"%": "percentSign", "‰": "perMille", "-": "minusSign"}
_DOLLAR: Final = "US"


class _Affix(msgspec.Struct, frozen=True):
    """Text before or after the number: literals, and the names of signs of the locale."""

    parts: tuple[tuple[bool, str], ...] = ()
    """Each literal or not, and the text or the sign."""

    @property
    def factor(self) -> int:
        signs = {text for is_literal, text in self.parts if not is_literal}
        return 100 if "%" in signs else 1_000 if "‰" in signs else 1


class DecimalPattern(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed pattern."""

    prefix: _Affix
    suffix: _Affix
    negative: tuple[_Affix, _Affix] | None
    least_whole: int
    most_whole: int
    least_fraction: int
    most_fraction: int
    group: int
    """Digits between separators; 0: none."""
    exponent: int
    """Least digits of the exponent; 0: no exponent."""
    shows_point: bool
    """Whether the point stands also where no fraction follows."""


class _Digits(msgspec.Struct):
    """What the number part of a pattern asks for, as its signs are counted."""

    left: int = 0
    zeros: int = 0
    right: int = 0
    group: int = -1
    point: int = -1
    exponent: int = 0


@lru_cache(maxsize=512)
def parse_pattern(pattern: str) -> DecimalPattern:
    """Read a pattern.

    Raises:
        Fault: it is none.
    """
    if not pattern:
        return DecimalPattern(
            prefix=_Affix(),
            suffix=_Affix(),
            negative=None,
            least_whole=0,
            most_whole=_DEFAULT_DIGITS,
            least_fraction=0,
            most_fraction=_DEFAULT_DIGITS,
            group=3,
            exponent=0,
            shows_point=False,
        )
    prefix, at = _affix(pattern, 0, ends_at_number=True)
    digits, at = _digits(pattern, at)
    suffix, at = _affix(pattern, at, ends_at_number=False)
    negative = None
    if pattern[at : at + 1] == ";":
        other_prefix, at = _affix(pattern, at + 1, ends_at_number=True)
        while at < len(pattern) and pattern[at] in "#0,.E":
            at += 1
        other_suffix, at = _affix(pattern, at, ends_at_number=False)
        if (other_prefix, other_suffix) != (prefix, suffix):
            negative = (other_prefix, other_suffix)
    if at < len(pattern):
        raise Fault(f"Unquoted special character '{pattern[at]}' in pattern \"{pattern}\"")
    return _measured(pattern, digits, prefix, suffix, negative)


def _measured(
    pattern: str,
    digits: _Digits,
    prefix: _Affix,
    suffix: _Affix,
    negative: tuple[_Affix, _Affix] | None,
) -> DecimalPattern:
    if not digits.zeros and digits.left and digits.point >= 0:
        # "###.###", "###." and ".###": one digit counts as zero
        place = digits.point or 1
        digits.right = digits.left - place
        digits.left, digits.zeros = place - 1, 1
    inner = digits.left + digits.zeros
    if digits.point < 0:
        is_misplaced = digits.right > 0
    else:
        is_misplaced = not digits.left <= digits.point <= inner
    if is_misplaced or digits.group == 0:
        raise Fault(f'Malformed pattern "{pattern}"')
    total = inner + digits.right
    point = digits.point if digits.point >= 0 else total
    least_whole = point - digits.left
    return DecimalPattern(
        prefix=prefix,
        suffix=suffix,
        negative=negative,
        least_whole=least_whole,
        most_whole=digits.left + least_whole if digits.exponent else _DEFAULT_DIGITS,
        least_fraction=inner - digits.point if digits.point >= 0 else 0,
        most_fraction=total - digits.point if digits.point >= 0 else 0,
        group=max(0, digits.group),
        exponent=digits.exponent,
        shows_point=digits.point in (0, total),
    )


def _affix(pattern: str, at: int, *, ends_at_number: bool) -> tuple[_Affix, int]:
    parts: list[tuple[bool, str]] = []
    is_quoted = False
    while at < len(pattern):
        character = pattern[at]
        if character == "'":
            if pattern.startswith("''", at):
                parts.append((True, "'"))
                at += 1
            else:
                is_quoted = not is_quoted
        elif is_quoted:
            parts.append((True, character))
        elif character in _NUMBER:
            if ends_at_number:
                break
            raise Fault(f"Unquoted special character '{character}' in pattern \"{pattern}\"")
        elif character == ";":
            break
        else:
            parts.append((character not in _SIGNS and character != "¤", character))
        at += 1
    if is_quoted:
        raise Fault(f'Malformed pattern "{pattern}"')
    return _Affix(tuple(parts)), at


def _digits(pattern: str, at: int) -> tuple[_Digits, int]:
    found = _Digits()
    while at < len(pattern):
        character = pattern[at]
        if character == "#":
            if found.zeros:
                found.right += 1
            else:
                found.left += 1
        elif character == "0":
            if found.right:
                raise Fault(f"Unexpected '0' in pattern \"{pattern}\"")
            found.zeros += 1
        elif character == ",":
            found.group = 0
        elif character == ".":
            if found.point >= 0:
                raise Fault(f'Multiple decimal separators in pattern "{pattern}"')
            found.point = found.left + found.zeros + found.right
        elif character == "E":
            return _exponent(pattern, at, found)
        else:
            break
        if character in "#0" and found.group >= 0 and found.point < 0:
            found.group += 1
        at += 1
    return found, at


def _exponent(pattern: str, at: int, found: _Digits) -> tuple[_Digits, int]:
    end = at + 1
    while pattern[end : end + 1] == "0":
        end += 1
    found.exponent = end - at - 1
    if found.left + found.zeros < 1 or not found.exponent:
        raise Fault(f'Malformed exponential pattern "{pattern}"')
    return found, end


def format_decimal(number: Decimal | float, pattern: DecimalPattern, locale: Locale) -> str:
    """Write a finite number; halves go to the even neighbour, doubles by their exact value."""
    symbols: Any = locale.number_symbols["latn"]
    prefix, suffix = pattern.prefix, pattern.suffix
    scaled = _scaled(number, prefix.factor * suffix.factor, pattern)
    write = _scientific if pattern.exponent else _plain
    body = write(abs(scaled), pattern, symbols)
    if not scaled.is_signed():
        return _shown(prefix, symbols, locale) + body + _shown(suffix, symbols, locale)
    if pattern.negative is None:
        start = str(symbols["minusSign"]) + _shown(prefix, symbols, locale)
        return start + body + _shown(suffix, symbols, locale)
    start, end = (_shown(affix, symbols, locale) for affix in pattern.negative)
    return start + body + end


def _scaled(number: Decimal | float, factor: int, pattern: DecimalPattern) -> Decimal:
    """Return a percentage or the like as a decimal to round.

    A double whose shortest digits all fit is those digits; one that is rounded is its exact value.
    """
    if isinstance(number, Decimal):
        return _EXACT.multiply(number, Decimal(factor))
    scaled = float(number) * factor
    shortest = Decimal(repr(scaled))
    places = -int(shortest.as_tuple().exponent)
    return shortest if places <= pattern.most_fraction else Decimal(scaled)


def _shown(affix: _Affix, symbols: Any, locale: Locale) -> str:
    texts: list[str] = []
    for is_literal, text in affix.parts:
        if is_literal:
            texts.append(text)
        elif text == "¤":
            texts.append("$" if locale.territory == _DOLLAR else text)
        else:
            texts.append(str(symbols[_SIGNS[text]]))
    return "".join(texts)


def _plain(number: Decimal, pattern: DecimalPattern, symbols: Any) -> str:
    places = pattern.most_fraction
    rounded = _EXACT.quantize(number, Decimal(1).scaleb(-places))
    whole, _, fraction = f"{rounded:f}".partition(".")
    whole = whole.lstrip("0").rjust(pattern.least_whole, "0")
    fraction = fraction.rstrip("0").ljust(pattern.least_fraction, "0")
    if not whole and not fraction:
        whole = "0"
    if pattern.group:
        whole = _grouped(whole, pattern.group, str(symbols["group"]))
    point = str(symbols["decimal"]) if fraction or pattern.shows_point else ""
    return f"{whole}{point}{fraction}"


def _grouped(digits: str, size: int, separator: str) -> str:
    first = len(digits) % size
    groups = [digits[:first]] if first else []
    groups += [digits[start : start + size] for start in range(first, len(digits), size)]
    return separator.join(groups)


def _scientific(number: Decimal, pattern: DecimalPattern, symbols: Any) -> str:
    wanted = pattern.most_whole + pattern.most_fraction
    context = Context(prec=max(1, wanted), rounding=ROUND_HALF_EVEN)
    rounded = context.plus(number) if wanted else number
    digits = "".join(map(str, rounded.as_tuple().digits)).rstrip("0")
    place = rounded.adjusted() + 1 if digits else 0
    least = pattern.least_whole
    repeat = pattern.most_whole
    if repeat > 1 and repeat > least:
        exponent = (place - 1) // repeat * repeat
        least = 1
    else:
        exponent = place - least
    whole = place - exponent if digits else least
    exponent = exponent if digits else 0
    length = max(len(digits), pattern.least_whole + pattern.least_fraction, whole)
    digits = digits.ljust(length, "0")
    has_point = length > whole or pattern.shows_point
    point = str(symbols["decimal"]) if has_point else ""
    sign = str(symbols["minusSign"]) if exponent < 0 else ""
    return (
        f"{digits[:whole]}{point}{digits[whole:]}{symbols['exponential']}{sign}"
        f"{abs(exponent):0{pattern.exponent}d}"
    )
