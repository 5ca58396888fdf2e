from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.local import java
from infra.local.errors import LocalServerError


def fake_java(folder: Path, version: str) -> Path:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ('openjdk version "22-ea" 2024-03-19', 22),
        ("no java here", None),
    ],
)
def test_the_major_version_is_read_from_what_java_prints(text: str, version: int | None) -> None:
    assert java.parse_version(text) == version


def test_java_home_wins_over_the_path(tmp_path: Path) -> None:
    chosen = fake_java(tmp_path / "home", "17.0.1")
    other = fake_java(tmp_path / "other", "21.0.1")
    found = java.find_java({"JAVA_HOME": str(chosen.parents[1]), "PATH": str(other.parent)})
    assert found == str(chosen)


@pytest.mark.parametrize("version", ["11.0.2", "24.0.1"])
def test_a_java_that_is_too_old_or_too_new_is_passed_over(tmp_path: Path, version: str) -> None:
    refused = fake_java(tmp_path / "refused", version)
    fitting = fake_java(tmp_path / "fitting", "17.0.1")
    found = java.find_java({"JAVA_HOME": str(refused.parents[1]), "PATH": str(fitting.parent)})
    assert found == str(fitting)


def test_a_broken_java_has_no_version(tmp_path: Path) -> None:
    assert java.java_version(str(tmp_path / "nothing")) is None


def test_a_missing_maven_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LocalServerError, match="apt-get install maven"):
        java.maven({"PATH": ""})


def test_a_missing_java_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(java, "find_java", lambda _env: None)
    with pytest.raises(LocalServerError, match="apt-get install openjdk-17-jre-headless"):
        java.java({})


def test_root_on_debian_gets_java_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The second package is tried where the first is unknown."""
    installed = fake_java(tmp_path / "installed", "21.0.1")
    calls = tmp_path / "calls"
    apt_get = tmp_path / "bin" / "apt-get"
    apt_get.parent.mkdir()
    apt_get.write_text(
        f'#!/bin/sh\necho "$@" >> {calls}\ncase "$*" in *openjdk-17*) exit 100;; esac\n'
    )
    apt_get.chmod(0o755)
    answers = iter([None, str(installed)])
    monkeypatch.setenv("PATH", str(apt_get.parent))
    monkeypatch.setattr(java, "_can_install", lambda: True)
    monkeypatch.setattr(java, "find_java", lambda _env: next(answers))
    assert java.java() == str(installed)
    wanted = [line.split()[-1] for line in calls.read_text().splitlines()]
    assert wanted == ["update", "openjdk-17-jre-headless", "update", "openjdk-21-jre-headless"]
