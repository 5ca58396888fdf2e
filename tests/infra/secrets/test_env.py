from __future__ import annotations

import base64

import pytest

from domain.errors import InvalidInput, NotFound
from infra.secrets.env import EnvironmentSecrets


def test_a_secret_is_base64_in_the_environment() -> None:
    secrets = EnvironmentSecrets({"SECRET_TOKEN": base64.b64encode(b"s3cret").decode()})
    assert secrets.secret("main", "any.where", "TOKEN") == "s3cret"
    assert secrets.secret("main", "any.where", "token") == "s3cret"
    assert secrets.keys() == ["TOKEN"]


def test_line_breaks_in_the_base64_are_ignored() -> None:
    wrapped = base64.encodebytes(b"password" * 20).decode()
    assert "\n" in wrapped.strip()
    secrets = EnvironmentSecrets({"SECRET_LONG": wrapped})
    assert secrets.secret("main", "a", "LONG") == "password" * 20


def test_a_missing_secret_is_named() -> None:
    with pytest.raises(NotFound, match="NOPE"):
        EnvironmentSecrets({}).secret("main", "a", "NOPE")


def test_what_is_not_base64_is_refused_without_showing_it() -> None:
    with pytest.raises(InvalidInput) as caught:
        EnvironmentSecrets({"SECRET_A": "not base64!"}).secret("main", "a", "A")
    assert "not base64!" not in str(caught.value)
