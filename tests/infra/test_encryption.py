from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from domain.errors import InvalidInput
from infra.encryption import AesEncryption, kept_key

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


def test_all_who_begin_at_once_agree_on_one_kept_key(tmp_path: Path) -> None:
    together = Barrier(8)

    def key(folder: Path) -> str:
        together.wait(30)
        return kept_key(folder / "data" / "encryption.key")

    with ThreadPoolExecutor(8) as pool:
        for number in range(5):
            folder = tmp_path / str(number)
            [found] = set(pool.map(key, [folder] * 8))
            assert AesEncryption(found).has_key
            [kept] = (folder / "data").iterdir()
            assert (kept.name, kept.stat().st_mode & 0o777) == ("encryption.key", 0o600)
