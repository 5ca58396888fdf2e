from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from infra.local import artifacts
from infra.local.errors import LocalServerError

MAVEN = """\
#!{python} -IS
# Stands for Maven: puts a jar of each profile, and one that they share, into the folder asked for.
import os, sys
given = dict(part[2:].split("=", 1) for part in sys.argv if part.startswith("-D"))
profile, folder = sys.argv[sys.argv.index("-P") + 1], given["outputDirectory"]
with open({calls!r}, "a") as calls:
    calls.write(profile + "\\n")
os.makedirs(folder)
for jar in (profile, "shared"):
    open(os.path.join(folder, jar + ".jar"), "w").close()
if os.path.exists({broken!r}):
    os.unlink({broken!r})
    sys.exit("connection reset")
"""


class Maven:
    def __init__(self, folder: Path) -> None:
        self.calls = folder / "calls"
        self.broken = folder / "broken"
        self.program = folder / "bin" / "mvn"
        self.program.parent.mkdir()
        self.program.write_text(
            MAVEN.format(python=sys.executable, calls=str(self.calls), broken=str(self.broken))
        )
        self.program.chmod(0o755)

    @property
    def profiles(self) -> list[str]:
        return self.calls.read_text().split()


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maven:
    fake = Maven(tmp_path)
    monkeypatch.setenv("PATH", str(fake.program.parent), prepend=":")
    return fake


def test_each_class_path_is_resolved_by_itself(maven: Maven, tmp_path: Path) -> None:
    artifacts.resolve(tmp_path / "cache")
    assert maven.profiles == [
        "kafka",
        "opensearch",
        "transport-netty4",
        "lang-painless",
        "reindex",
        "analysis-common",
    ]


def test_a_module_holds_only_the_jars_that_the_core_has_not(maven: Maven, tmp_path: Path) -> None:
    home = artifacts.resolve(tmp_path / "cache").opensearch_home
    assert sorted(path.name for path in (home / "lib").iterdir()) == [
        "opensearch.jar",
        "shared.jar",
    ]
    assert sorted(path.name for path in (home / "modules" / "lang-painless").iterdir()) == [
        "lang-painless.jar",
        "plugin-descriptor.properties",
        "plugin-security.policy",
    ]


def test_a_module_is_described_for_the_pinned_server(maven: Maven, tmp_path: Path) -> None:
    home = artifacts.resolve(tmp_path / "cache").opensearch_home
    text = (home / "modules" / "analysis-common" / "plugin-descriptor.properties").read_text()
    described = dict(line.split("=", 1) for line in text.splitlines())
    assert described["opensearch.version"] == artifacts.version_of("opensearch")
    assert described["extended.plugins"] == "lang-painless"
    assert described["classname"] == "org.opensearch.analysis.common.CommonAnalysisPlugin"


def test_the_jars_are_fetched_once(maven: Maven, tmp_path: Path) -> None:
    first = artifacts.resolve(tmp_path / "cache")
    before = maven.profiles
    assert artifacts.resolve(tmp_path / "cache") == first
    assert maven.profiles == before


def test_two_runs_at_once_fetch_the_jars_once(maven: Maven, tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from infra.local.artifacts import resolve; "
    code += "print(resolve(Path(sys.argv[1])).folder)"
    command = [sys.executable, "-c", code, str(tmp_path / "cache")]
    root = Path(artifacts.__file__).parents[2]
    runs = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) for _ in range(2)]
    folders = {run.communicate()[0] for run in runs}
    assert [run.returncode for run in runs] == [0, 0]
    assert len(folders) == 1
    assert maven.profiles.count("kafka") == 1


def test_a_download_that_broke_is_tried_again(maven: Maven, tmp_path: Path) -> None:
    maven.broken.touch()
    assert artifacts.resolve(tmp_path / "cache").folder.is_dir()
    assert maven.profiles[:3] == ["kafka", "kafka", "opensearch"]


def test_a_maven_that_keeps_failing_leaves_no_half_entry(maven: Maven, tmp_path: Path) -> None:
    maven.program.write_text("#!/bin/sh\necho 'no route to host' >&2\nexit 1\n")
    with pytest.raises(LocalServerError, match="no route to host"):
        artifacts.resolve(tmp_path / "cache")
    assert [path for path in (tmp_path / "cache" / "servers").iterdir() if path.is_dir()] == []


def test_the_cache_is_where_the_environment_says(tmp_path: Path) -> None:
    assert artifacts.cache_folder({"TIDEWHEEL_CACHE": str(tmp_path)}) == tmp_path


def test_roots_cache_is_one_that_other_users_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert artifacts.cache_folder({}) == Path("/var/cache/tidewheel")


def test_a_users_cache_is_in_his_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert artifacts.cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "tidewheel"
