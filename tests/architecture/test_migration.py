"""The migration guide names tests that exist, and no link in it leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "migration.md"


def test_every_test_that_the_migration_guide_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", GUIDE.read_text()))
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"\bdef (test_\w+)\(", path.read_text())
    }
    assert named
    assert named - defined == set()


def test_every_row_of_what_is_better_names_its_proof() -> None:
    table = GUIDE.read_text().partition("## What is better on purpose")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert [row for row in rows if "`test_" not in row.rstrip("| ").rpartition("|")[2]] == []


def test_every_page_that_the_migration_guide_links_to_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", GUIDE.read_text()):
        assert (GUIDE.parent / target).exists(), target


def test_every_environment_variable_of_the_migration_guide_is_configured() -> None:
    known = (ROOT / "docs" / "configuration.md").read_text()
    for variable in re.findall(r"TIDEWHEEL_[A-Z_]+", GUIDE.read_text()):
        assert f"`{variable}`" in known, variable
