"""Functions whose results are different every time: ids, keys, numbers, ports."""

from __future__ import annotations

import secrets
import socket
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from domain.expression.errors import Fault
from domain.ids import friendly

_LONGEST_NANO_ID: Final = 1_000
_NANO_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz-"
_BASE_62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KSUID_EPOCH: Final = 1_400_000_000
_KSUID_LETTERS: Final = 27


def new_uuid() -> str:
    """Return a random UUID."""
    return str(uuid.uuid4())


def new_id() -> str:
    """Return a random id in base 62, as executions have."""
    return friendly(uuid.uuid4())


def ksuid(now: datetime) -> str:
    """Return an id of 27 letters that sorts by its second."""
    seconds = max(0, int(now.timestamp()) - _KSUID_EPOCH) % 2**32
    number = int.from_bytes(seconds.to_bytes(4, "big") + secrets.token_bytes(16), "big")
    letters: list[str] = []
    for _ in range(_KSUID_LETTERS):
        number, digit = divmod(number, 62)
        letters.append(_BASE_62[digit])
    return "".join(reversed(letters))


def nano_id(arguments: Mapping[str, Any]) -> str:
    """Return random letters of an alphabet.

    Raises:
        Fault: the length is none, or above a thousand; the alphabet is empty.
    """
    length, alphabet = arguments["length"], arguments["alphabet"]
    if not isinstance(length, int) or isinstance(length, bool) or length < 1:
        raise Fault("The 'nanoId()' function field 'length' must be a whole number above zero")
    if length > _LONGEST_NANO_ID:
        raise Fault(
            f"The 'nanoId()' function field 'length' must be lower than: {_LONGEST_NANO_ID}"
        )
    letters = _NANO_ALPHABET if alphabet is None else alphabet
    if not isinstance(letters, str) or not letters:
        raise Fault("The 'nanoId()' function field 'alphabet' must be a text that is not empty")
    return "".join(secrets.choice(letters) for _ in range(length))


def random_int(arguments: Mapping[str, Any]) -> int:
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
    return int(lower) if upper == lower else int(lower) + secrets.randbelow(upper - lower)


def random_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
