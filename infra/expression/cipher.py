"""The functions `encrypt` and `decrypt`: AES-GCM with a key of the flow's own.

Format: Base64 of twelve random bytes, the ciphertext and a tag of sixteen bytes; the key is Base64
of 16, 24 or 32.
Source: Kestra's encryption service, `ecosystem.md` 6.10.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.expression.errors import Fault

_NONCE_BYTES: Final = 12


def encrypt(key: Any, plaintext: Any) -> Any:
    """Seal a text; null and the empty text stay as they are.

    Raises:
        Fault: the key is none.
    """
    if plaintext is None or plaintext == "":
        return plaintext
    if not isinstance(plaintext, str):
        raise Fault("The 'encrypt' function expects an argument 'plaintext' with type string.")
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = _cipher(key).encrypt(nonce, plaintext.encode(), None)
    return base64.b64encode(nonce + sealed).decode()


def decrypt(key: Any, encrypted: Any) -> Any:
    """Open a sealed text; null and the empty text stay as they are.

    Raises:
        Fault: the key is none, or the text was not sealed with it.
    """
    if encrypted is None or encrypted == "":
        return encrypted
    if not isinstance(encrypted, str):
        raise Fault("The 'decrypt' function expects an argument 'encrypted' with type string.")
    try:
        data = base64.b64decode(encrypted, validate=True)
        return _cipher(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], None).decode()
    except (InvalidTag, binascii.Error, ValueError):
        raise Fault("The text cannot be decrypted with this key.") from None


def _cipher(key: Any) -> AESGCM:
    try:
        return AESGCM(base64.b64decode(key, validate=True))
    except (TypeError, binascii.Error, ValueError):
        raise Fault("The key must be 16, 24 or 32 bytes in Base64.") from None
