from __future__ import annotations

import base64

import pytest

from domain.errors import InvalidInput
from infra.encryption import AesEncryption

KEY = base64.b64encode(b"k" * 32).decode()


def test_a_sealed_text_opens_again_and_never_looks_the_same() -> None:
    encryption = AesEncryption(KEY)
    first, second = encryption.encrypt("grüße"), encryption.encrypt("grüße")
    assert first != second
    assert encryption.decrypt(first) == encryption.decrypt(second) == "grüße"


def test_the_format_is_nonce_ciphertext_tag_in_base64() -> None:
    sealed = AesEncryption(KEY).encrypt("abc")
    assert len(base64.b64decode(sealed)) == 12 + 3 + 16


def test_empty_text_passes_through() -> None:
    assert AesEncryption(KEY).encrypt("") == ""
    assert AesEncryption(KEY).decrypt("") == ""


@pytest.mark.parametrize("sealed", ["nonsense", "AAAA", base64.b64encode(b"x" * 40).decode()])
def test_what_was_not_sealed_with_the_key_is_refused(sealed: str) -> None:
    with pytest.raises(InvalidInput):
        AesEncryption(KEY).decrypt(sealed)


@pytest.mark.parametrize("key", ["short", base64.b64encode(b"x" * 20).decode()])
def test_a_bad_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput):
        AesEncryption(key)


def test_without_a_key_nothing_is_sealed() -> None:
    assert not AesEncryption().has_key
    with pytest.raises(InvalidInput, match="key"):
        AesEncryption().encrypt("x")
