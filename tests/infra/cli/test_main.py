"""The first words of the command line."""

from __future__ import annotations

from importlib import metadata

import pytest

from infra.cli.main import app


def test_help_says_what_each_command_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    app("--help", result_action="return_value")
    told = capsys.readouterr().out
    for name in ("execution", "flow", "log", "run", "schema", "server"):
        [line] = [line for line in told.splitlines() if line.startswith(f"│ {name} ")]
        assert len(line.strip("│ ").split()) > 3, line


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    app("--version", result_action="return_value")
    assert capsys.readouterr().out.strip() == metadata.version("tidewheel")
