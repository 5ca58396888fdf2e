from __future__ import annotations

from streams.worker.masking import Redactor


def test_a_secret_is_masked_whatever_its_length() -> None:
    redactor = Redactor()
    redactor.add("pw")
    assert redactor.redact("the pw is pw") == "the ****** is ******"


def test_parts_of_a_json_secret_are_masked_from_eight_letters_on() -> None:
    redactor = Redactor()
    redactor.add('{"user": "ada", "key": "0123456789", "deep": [{"pin": 12345678}]}')
    assert redactor.redact("ada 0123456789 12345678") == "ada ****** ******"


def test_long_lines_of_a_secret_of_several_lines_are_masked() -> None:
    redactor = Redactor()
    redactor.add("first-line-of-a-key\nend\nsecond-line-of-a-key")
    assert redactor.redact("x second-line-of-a-key end") == "x ****** end"


def test_the_longer_secret_wins() -> None:
    redactor = Redactor()
    redactor.add("password")
    redactor.add("password123")
    assert redactor.redact("password123") == "******"


def test_empty_secrets_and_words_of_json_mask_nothing() -> None:
    redactor = Redactor()
    for secret in ("", "  ", None, True, {"a": None}):
        redactor.add(secret)
    assert redactor.redact("true None text") == "true None text"
