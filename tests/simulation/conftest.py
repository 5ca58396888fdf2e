"""How many seeds are run, and which.

`--seed N` runs one seed again, exactly; `TIDEWHEEL_SIMULATIONS` says how many are run.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--seed`."""
    parser.addoption("--seed", type=int, default=None, help="the one seed to be simulated")
