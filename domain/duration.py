"""ISO 8601 durations by the rules of `java.time.Duration`, and plain numbers as seconds.

A day is 24 hours. Weeks, months and years belong to periods, which `parse_period` reads where a
property wants one.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from domain.errors import InvalidInput

_DURATION: Final = re.compile(
    r"([-+]?)P(?:([-+]?[0-9]+)D)?"
    r"(T(?:([-+]?[0-9]+)H)?(?:([-+]?[0-9]+)M)?(?:([-+]?)([0-9]+)(?:[.,]([0-9]{0,9}))?S)?)?",
    re.IGNORECASE | re.ASCII,
)
_PERIOD: Final = re.compile(
    r"([-+]?)P(?:([-+]?[0-9]+)Y)?(?:([-+]?[0-9]+)M)?(?:([-+]?[0-9]+)W)?(?:([-+]?[0-9]+)D)?",
    re.IGNORECASE | re.ASCII,
)
_NUMBER: Final = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)", re.ASCII)
_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST: Final = 40
"""Characters; a longer text cannot name a duration that fits."""


class InvalidDuration(InvalidInput):
    """A text that names no duration or period."""

    code = "FLOW020"


class Period(msgspec.Struct, frozen=True):
    """A span in calendar units, each with its own sign."""

    years: int = 0
    months: int = 0
    days: int = 0

    def __str__(self) -> str:
        """Return the ISO form, `P1Y2M3D`; nothing at all is `P0D`."""
        parts = ((self.years, "Y"), (self.months, "M"), (self.days, "D"))
        return "P" + ("".join(f"{count}{unit}" for count, unit in parts if count) or "0D")


def parse_duration(value: str | float | timedelta) -> timedelta:
    """Read a duration.

    Args:
        value: `P1DT2H3M4.5S` in any case, each part or the whole with a sign; or seconds, as
            number or as text.

    Returns:
        The span, to the microsecond (finer fractions are cut off).

    Raises:
        InvalidDuration: not a duration, or beyond what can be held (about 2.7 million years).

    Source: `java.time.Duration.parse`; Kestra reads plain numbers as seconds.
    """
    if isinstance(value, timedelta):
        return value
    if isinstance(value, bool):
        raise _invalid(value)
    if not isinstance(value, str):
        return _seconds(value, value)
    text = value.strip()
    if len(text) > _LONGEST:
        raise _invalid(value)
    if _NUMBER.fullmatch(text):
        return _seconds(text, value)
    found = _DURATION.fullmatch(text)
    if found is None:
        raise _invalid(value)
    sign, days, clock, hours, minutes, seconds_sign, seconds, fraction = found.groups()
    if clock in ("T", "t") or (days is None and clock is None):
        raise _invalid(value)
    micros = int((fraction or "").ljust(6, "0")[:6])
    whole = int(days or 0) * 86_400 + int(hours or 0) * 3_600 + int(minutes or 0) * 60
    end = int(seconds or 0) * 1_000_000 + micros
    total = whole * 1_000_000 + (-end if seconds_sign == "-" else end)
    try:
        return timedelta(microseconds=-total if sign == "-" else total)
    except OverflowError:
        raise _invalid(value) from None


def parse_period(text: str) -> Period:
    """Read a period: `P1Y2M`, `P1W` (seven days), `P1D`.

    Raises:
        InvalidDuration: not a period.

    Source: `java.time.Period.parse`.
    """
    found = _PERIOD.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or all(part is None for part in found.groups()[1:]):
        raise InvalidDuration(f"Invalid period: {text!r}")
    factor = -1 if found.group(1) == "-" else 1
    years, months, weeks, days = (factor * int(part or 0) for part in found.groups()[1:])
    return Period(years, months, weeks * 7 + days)


def format_duration(span: timedelta) -> str:
    """Return the ISO form with days folded into hours: `PT26H3M4.5S`, `PT0S`, `PT-5M`.

    Source: `java.time.Duration.toString`.
    """
    micros = span // _MICROSECOND
    if micros == 0:
        return "PT0S"
    negative = micros < 0
    seconds, micros = divmod(abs(micros), 1_000_000)
    hours, seconds = divmod(seconds, 3_600)
    minutes, seconds = divmod(seconds, 60)
    sign = "-" if negative else ""
    text = "PT"
    if hours:
        text += f"{sign}{hours}H"
    if minutes:
        text += f"{sign}{minutes}M"
    if seconds or micros:
        fraction = f".{micros:06d}".rstrip("0") if micros else ""
        text += f"{sign}{seconds}{fraction}S"
    return text


def _seconds(number: str | float, value: object) -> timedelta:
    try:
        micros = int(Decimal(str(number)) * 1_000_000)
        return timedelta(microseconds=micros)
    except (OverflowError, ValueError, InvalidOperation):
        raise _invalid(value) from None


def _invalid(value: object) -> InvalidDuration:
    shown = str(value)
    return InvalidDuration(f"Invalid duration: {shown[:100]!r}")
