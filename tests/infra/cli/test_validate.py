from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from infra.cli.main import app
from infra.cli.validate import validate

LOG = "io.kestra.plugin.core.log.Log"
GOOD = f"id: good\nnamespace: n\ntasks: [{{id: t, type: {LOG}, message: x}}]\n"
BAD = f"id: bad\nnamespace: n\ntasks:\n  - id: t\n    type: {LOG}\n    mesage: x\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "both.yml").write_text(f"{GOOD}---\n{BAD}")
    (tmp_path / "notes.txt").write_text("not a flow")
    return tmp_path


def test_valid_files_end_with_status_zero(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate(folder / "good.yaml") == 0
    assert "n.good is valid" in capsys.readouterr().out


def test_folders_are_searched_and_lines_count_in_the_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert validate(folder, format_="json") == 1
    reports = json.loads(capsys.readouterr().out)
    assert [report["valid"] for report in reports] == [True, True, False]
    found = {finding["path"]: finding for finding in reports[2]["findings"]}
    assert found["$.tasks[0].mesage"]["line"] == 10
    assert "message" in found["$.tasks[0].mesage"]["remedy"]


def test_sarif_points_at_the_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate(folder, format_="sarif") == 1
    [run] = json.loads(capsys.readouterr().out)["runs"]
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 10, "startColumn": 5}


def test_github_gets_one_command_a_finding(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert validate(folder, format_="github") == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("::error file=") for line in lines)
    assert ",line=10,col=5,title=$.tasks[0].mesage::" in lines[0]


def test_a_path_that_is_not_there_ends_with_status_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert validate(tmp_path / "none.yaml") == 2
    assert validate() == 2
    (tmp_path / "latin.yaml").write_bytes(b"id: \xff")
    assert validate(tmp_path / "latin.yaml") == 2
    assert "none.yaml" in capsys.readouterr().out


def test_unknown_types_pass_on_demand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("id: f\nnamespace: n\ntasks: [{id: t, type: com.example.X, a: 1}]\n")
    assert validate(path) == 1
    assert validate(path, allow_unknown_types=True) == 0
    assert "warning" in capsys.readouterr().out


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    app(["schema", "flow"], result_action="return_value")
    assert "definitions" in json.loads(capsys.readouterr().out)


def test_the_command_line_returns_the_status(folder: Path) -> None:
    command = ["flow", "validate", str(folder), "--format", "json"]
    assert app(command, result_action="return_value") == 1


def test_a_dash_is_standard_input(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with (folder / "good.yaml").open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert validate(Path("-"), format_="json") == 0
    [report] = json.loads(capsys.readouterr().out)
    assert (report["file"], report["findings"], report["valid"]) == ("<stdin>", [], True)


def test_many_flows_end_with_their_numbers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(20):
        (folder / f"more{number}.yaml").write_text((folder / "good.yaml").read_text())
    validate(folder)
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"\d+ flows: \d+ invalid, \d+ warnings", last)


def test_sarif_has_the_members_that_its_schema_requires(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "with blank.yaml").write_text("id: x\n")
    validate(folder, format_="sarif")
    report = json.loads(capsys.readouterr().out)
    assert report["version"] == "2.1.0"
    [run] = report["runs"]
    assert run["tool"]["driver"]["name"] == "tidewheel"
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert run["results"]
    for result in run["results"]:
        assert result["ruleId"] in rules
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        [location] = result["locations"]
        place = location["physicalLocation"]
        assert " " not in place["artifactLocation"]["uri"]
        assert place["region"]["startLine"] >= 1
        assert place["region"]["startColumn"] >= 1
