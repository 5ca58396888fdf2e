"""The page about states says what the tables say."""

from __future__ import annotations

from pathlib import Path

from domain.execution.diagram import page

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_about_states_is_drawn_from_the_tables() -> None:
    """Recipe: write `domain.execution.diagram.page()` to docs/states.md."""
    assert (DOCS / "states.md").read_text(encoding="utf-8") == page()
