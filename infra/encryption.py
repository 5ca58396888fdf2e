"""Encryption of SECRET values: AES-GCM; base64 of nonce (12 bytes), ciphertext, tag (16)."""

from __future__ import annotations

import base64
import binascii
import os
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import InvalidInput

_NONCE_BYTES = 12
_KEY_BYTES = 32


class AesEncryption:
    """Encryption port with one key, in the format Kestra stores.

    Args:
        key: base64 of 16, 24 or 32 bytes; empty: nothing can be sealed or opened.

    Raises:
        InvalidInput: the key is not base64 of such a length.
    """

    def __init__(self, key: str = "") -> None:
        self._cipher = AESGCM(key_bytes(key)) if key else None

    @property
    def has_key(self) -> bool:
        """Whether values can be sealed at all."""
        return self._cipher is not None

    def encrypt(self, text: str) -> str:
        """Seal a text; empty text passes through."""
        return seal(self._required(), text) if text else text

    def decrypt(self, sealed: str) -> str:
        """Open a sealed text; empty text passes through."""
        return unseal(self._required(), sealed) if sealed else sealed

    def _required(self) -> AESGCM:
        if self._cipher is None:
            raise InvalidInput("No encryption key is configured (encryption.secret_key).")
        return self._cipher


def key_bytes(key: str) -> bytes:
    """Return the bytes of a base64 key; raises InvalidInput on any other text or length."""
    try:
        raw = base64.b64decode(key, validate=True)
    except binascii.Error as error:
        raise InvalidInput("The encryption key is not base64.") from error
    if len(raw) not in (16, 24, 32):
        raise InvalidInput(f"The encryption key has {len(raw)} bytes, not 16, 24 or 32.")
    return raw


def kept_key(path: Path) -> str:
    """Return the key in a file, which is made once with a new one.

    Processes that begin at the same time get the same key, and none a half-written one.

    Raises:
        OSError: the file cannot be read or made.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, fresh = tempfile.mkstemp(dir=path.parent)  # for its owner alone
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.b64encode(os.urandom(_KEY_BYTES)))
                file.flush()
                os.fsync(descriptor)
            os.link(fresh, path)
        except FileExistsError:
            pass  # another process was first
        finally:
            Path(fresh).unlink()
    return path.read_text().strip()


def seal(cipher: AESGCM, text: str) -> str:
    """Encrypt a text with a fresh nonce."""
    nonce = os.urandom(_NONCE_BYTES)
    return base64.b64encode(nonce + cipher.encrypt(nonce, text.encode(), None)).decode()


def unseal(cipher: AESGCM, sealed: str) -> str:
    """Decrypt what `seal` made; raises InvalidInput on anything else."""
    try:
        raw = base64.b64decode(sealed, validate=True)
        return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None).decode()
    except (binascii.Error, InvalidTag, ValueError) as error:
        raise InvalidInput("The text was not encrypted with this key.") from error
