"""The one user of a server: configured, or kept as an argon2id hash in the data folder."""

from __future__ import annotations

import os
import secrets
import string
from pathlib import Path

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from domain.errors import Conflict

DEFAULT_USERNAME = "admin@tidewheel.local"
_FILE = "account.json"
_LETTERS = string.ascii_letters + string.digits


class Stored(msgspec.Struct):
    """What the file holds."""

    username: str
    hash: str


def new_password() -> str:
    """Return a random password that has upper and lower case letters and digits."""
    while True:
        password = "".join(secrets.choice(_LETTERS) for _ in range(20))
        needed = (str.islower, str.isupper, str.isdigit)
        if all(any(map(kind, password)) for kind in needed):
            return password


class StoredAccount:
    """Accounts port over a file with one user. The password itself is nowhere."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._hasher = PasswordHasher()
        self._stored = self._read()

    @property
    def username(self) -> str | None:
        """The user's name; None before there is one."""
        return self._stored.username if self._stored else None

    def verify(self, username: str, password: str) -> bool:
        """True when both are the user's. Slow on purpose. Thread-safe."""
        stored = self._stored
        if stored is None:
            return False
        try:
            good = self._hasher.verify(stored.hash, password)
        except (Argon2Error, InvalidHashError):
            return False
        return good and secrets.compare_digest(username.encode(), stored.username.encode())

    def change(self, username: str, password: str) -> None:
        """Make this the one user."""
        stored = Stored(username, self._hasher.hash(password))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(stored))
        fresh.replace(self._path)
        self._stored = stored

    def _read(self) -> Stored | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Stored)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise Conflict(
                f"{self._path} is not readable: {error}. Remove it to begin anew"
            ) from error


class ConfiguredAccount:
    """Accounts port over the configuration: one user whose password cannot be changed here."""

    def __init__(self, username: str, password: str) -> None:
        self._username = username.encode()
        self._password = password.encode()

    def verify(self, username: str, password: str) -> bool:
        """True when both are the user's; compared in constant time."""
        name = secrets.compare_digest(username.encode(), self._username)
        word = secrets.compare_digest(password.encode(), self._password)
        return name and word

    def change(self, username: str, password: str) -> None:
        """Refuse: the configuration says who the user is."""
        del username, password
        raise Conflict("the user is fixed by the configuration")
