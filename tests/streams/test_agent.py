"""What a Faust app is told before anything is connected."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.agent import AgentOptions, build_app


@pytest.mark.parametrize("name", ["plain", "with {braces}"])
def test_faust_makes_its_folders_where_it_is_told_to(tmp_path: Path, name: str) -> None:
    options = AgentOptions("127.0.0.1:9", "t.", "one", tmp_path / name)
    app = build_app("executor", options, [])
    assert app.conf.datadir == tmp_path / name
    assert app.conf.tabledir.is_relative_to(tmp_path / name)
