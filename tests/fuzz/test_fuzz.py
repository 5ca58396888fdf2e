"""A bounded run of every fuzz target: its seeds, and mutations that every machine makes alike."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, seeds

_RUN = Path(__file__).with_name("run.py")
_RUNS = 10_000
_SECONDS = 300
"""When it counts as hanging: it takes 1 to 20."""


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_read_or_refused(name: str) -> None:
    count = 0
    for seed in seeds(name):
        TARGETS[name](seed)
        count += 1
    assert count > 10


@pytest.mark.process
@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="atheris has wheels for Linux on x86-64 only",
)
@pytest.mark.parametrize("name", TARGETS)
def test_mutated_seeds_find_no_crash_hang_or_blow_up(name: str, tmp_path: Path) -> None:
    bounds = (f"-runs={_RUNS}", "-seed=1", f"-artifact_prefix={tmp_path}/")
    done = subprocess.run(
        [sys.executable, str(_RUN), name, *bounds],
        env={"FUZZ_FOLDER": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4_000:]
