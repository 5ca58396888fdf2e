"""docs/expressions.md names everything there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.dates.formatting import NAMED, PATTERNS, STYLES
from domain.expression.checks import TESTS
from domain.expression.filters import FILTERS
from domain.expression.functions import FUNCTIONS
from domain.expression.impure import IMPURE_FUNCTIONS
from tests.domain.expression.test_golden import DELIBERATE

PAGE = Path(__file__).parents[3].joinpath("docs", "expressions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", [*FILTERS, *FUNCTIONS, *IMPURE_FUNCTIONS, *TESTS, *NAMED, *PATTERNS, *STYLES]
)
def test_the_page_names_every_filter_function_test_and_format(name: str) -> None:
    assert f"`{name}`" in PAGE or f"`{name}(" in PAGE or f" {name} " in PAGE or f" {name}`" in PAGE


@pytest.mark.parametrize("template", DELIBERATE)
def test_the_page_lists_every_deliberate_difference(template: str) -> None:
    assert f"`{template}`".replace("|", "\\|") in PAGE
