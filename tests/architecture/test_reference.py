"""The reference pages say what the code says."""

from __future__ import annotations

import inspect
from typing import get_type_hints

import msgspec
import pytest

from infra.config import Config
from infra.reference import DOCS, PAGES, field_docs


@pytest.mark.parametrize("name", PAGES)
def test_reference_page_is_as_written_from_the_code(name: str) -> None:
    written = (DOCS / name).read_text()

    assert written == PAGES[name](), "write it anew: .venv/bin/python -m infra.reference"


def test_every_configuration_key_says_what_it_means() -> None:
    sections = [
        hint
        for hint in get_type_hints(Config).values()
        if inspect.isclass(hint) and issubclass(hint, msgspec.Struct)
    ]

    silent = [
        f"{section.__name__}.{field.name}"
        for section in sections
        for field in msgspec.structs.fields(section)
        if field.name not in field_docs(section)
    ]

    assert silent == []
