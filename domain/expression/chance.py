"""Ids and numbers of chance; where the chance comes from is the caller's choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from domain.expression.errors import Fault

Pick: TypeAlias = Callable[[int], int]
"""Gives a number from zero up to, but not, the one it is asked for."""

_LONGEST_NANO_ID: Final = 1_000
_NANO_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz-"
_BASE_62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KSUID_EPOCH: Final = 1_400_000_000
_KSUID_LETTERS: Final = 27


def ksuid(now: datetime, pick: Pick) -> str:
    """Return an id of 27 letters that sorts by its second."""
    seconds = max(0, int(now.timestamp()) - _KSUID_EPOCH) % 2**32
    number = seconds * 2**128 + pick(2**128)
    letters: list[str] = []
    for _ in range(_KSUID_LETTERS):
        number, digit = divmod(number, 62)
        letters.append(_BASE_62[digit])
    return "".join(reversed(letters))


def nano_id(arguments: Mapping[str, Any], pick: Pick) -> str:
    """Return letters of an alphabet.

    Raises:
        Fault: the length is none, or above a thousand; the alphabet is empty.
    """
    length, alphabet = arguments["length"], arguments["alphabet"]
    if not isinstance(length, int) or isinstance(length, bool) or length < 0:
        raise Fault("The 'nanoId()' function field 'length' must be a whole number, zero or more")
    if length > _LONGEST_NANO_ID:
        raise Fault(
            f"The 'nanoId()' function field 'length' must be lower than: {_LONGEST_NANO_ID}"
        )
    letters = _NANO_ALPHABET if alphabet is None else alphabet
    if not isinstance(letters, str) or not letters:
        raise Fault("The 'nanoId()' function field 'alphabet' must be a text that is not empty")
    return "".join(letters[pick(len(letters))] for _ in range(length))


def random_int(arguments: Mapping[str, Any], pick: Pick) -> int:
    """Return a whole number from `lower` up to, but not, `upper`.

    Raises:
        Fault: a bound is no whole number, or upper is below lower.
    """
    lower, upper = arguments["lower"], arguments["upper"]
    for bound in (lower, upper):
        if not isinstance(bound, int) or isinstance(bound, bool):
            raise Fault("The 'randomInt' function expects whole numbers.")
    if upper < lower:
        raise Fault("upper is less than lower")
    return int(lower) if upper == lower else int(lower) + pick(upper - lower)
