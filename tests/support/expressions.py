"""The golden expressions' variables, and a `Lookups` whose answers never change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from domain.expression.values import Float32

SHARED: Final = Path(__file__).parents[3] / "shared"
"""The folder of specifications beside the repository."""


def golden_variables() -> dict[str, Any]:
    """Return the variables that every golden template was rendered with."""
    path = SHARED / "golden" / "pebble-vars.json"
    variables: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    del variables["//"]
    return variables | {
        "zdt": datetime(2024, 2, 29, 13, 5, 9, 123456, tzinfo=UTC),
        "inst": datetime(2024, 2, 29, 13, 5, 9, 123000, tzinfo=UTC),
        "ldate": date(2024, 2, 29),
        "nul": None,
        "i32": 7,
        "i64": 7,
        "f32": Float32(1.5),
        "bigd": Decimal("1.10"),
        "dur": timedelta(seconds=90),
        "set": ("x", "y"),
        "arr": [1, 2],
    }


def golden_lines(name: str) -> list[Mapping[str, Any]]:
    """Return the observations of a golden file."""
    text = (SHARED / "golden" / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]
