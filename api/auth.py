"""Who may call: one user's name and password, in a header or in the cookie `BASIC_AUTH`.

A verdict is remembered by a keyed digest of the credentials, so that the slow hash is computed once
per pair and process, not per request. Wrong pairs are remembered too, and hashed one at a time.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections import OrderedDict
from typing import Protocol

_REMEMBERED = 1_024
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class Accounts(Protocol):
    """Who the users are."""

    def verify(self, username: str, password: str) -> bool:
        """True when the password is the user's. May be slow on purpose. Thread-safe."""
        ...

    def change(self, username: str, password: str) -> None:
        """Make this the one user; raises Conflict when the configuration fixes the user."""
        ...


class Gate:
    """Lets requests with good credentials pass."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._key = secrets.token_bytes(32)
        self._verdicts: OrderedDict[bytes, str | None] = OrderedDict()
        self._hashing = asyncio.Lock()

    async def user(self, headers: dict[bytes, bytes]) -> str | None:
        """Return the name of the user whose good credentials the headers carry, else None."""
        token = _token(headers)
        if token is None:
            return None
        digest = hmac.digest(self._key, token, "sha256")
        if digest in self._verdicts:
            return self._verdicts[digest]
        pair = _pair(token)
        if pair is None:
            return None
        async with self._hashing:
            good = await asyncio.to_thread(self._accounts.verify, *pair)
        verdict = pair[0] if good else None
        self._verdicts[digest] = verdict
        while len(self._verdicts) > _REMEMBERED:
            self._verdicts.popitem(last=False)
        return verdict

    async def change(self, username: str, password: str) -> None:
        """Make this the one user from now on; nothing happens when it is already.

        Raises:
            Conflict: the configuration fixes the user.
        """
        if await asyncio.to_thread(self._accounts.verify, username, password):
            return
        await asyncio.to_thread(self._accounts.change, username, password)
        self._verdicts.clear()


class FixedAccount:
    """One user, whose password is known as text; compared in constant time."""

    def __init__(self, username: str, password: str) -> None:
        self._username = username
        self._digest = hashlib.sha256(password.encode()).digest()

    def verify(self, username: str, password: str) -> bool:
        """True when both are the user's."""
        same_name = hmac.compare_digest(username.encode(), self._username.encode())
        same_word = hmac.compare_digest(hashlib.sha256(password.encode()).digest(), self._digest)
        return same_name and same_word

    def change(self, username: str, password: str) -> None:
        """Take another name and password; they are forgotten at the end of the process."""
        self._username = username
        self._digest = hashlib.sha256(password.encode()).digest()


def refused_credentials(username: str, password: str) -> list[str]:
    """Return why a new name and password are not good enough; empty when they are."""
    reasons = []
    if not _EMAIL.fullmatch(username):
        reasons.append(
            "Invalid username for Basic Authentication. Please provide a valid email address."
        )
    strong = (
        len(password) >= 8
        and re.search(r"[A-Z]", password)
        and re.search(r"[a-z]", password)
        and re.search(r"[0-9]", password)
    )
    if not strong:
        reasons.append(
            "Invalid password for Basic Authentication. "
            "The password must have 8 chars, one upper, one lower and one number"
        )
    return reasons


def _token(headers: dict[bytes, bytes]) -> bytes | None:
    header = headers.get(b"authorization")
    if header is not None:
        scheme, _, token = header.partition(b" ")
        return token.strip() if scheme.lower() == b"basic" else None
    for cookie in headers.get(b"cookie", b"").split(b";"):
        name, _, value = cookie.strip().partition(b"=")
        if name == b"BASIC_AUTH":
            return value.strip(b'"')
    return None


def _pair(token: bytes) -> tuple[str, str] | None:
    try:
        username, colon, password = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (username, password) if colon else None
