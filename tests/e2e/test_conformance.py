"""The black-box conformance cases, through a running server on each engine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.open_cases import NOT_GIVEN, OPEN
from tests.support.running import PASSWORD, ROOT, USERNAME, Running

pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]

RUNNER = ROOT.parent / "shared" / "conformance" / "run.py"
GIVEN = "encryption,env,globals,secrets,message-limit,callback,sound-404"
CORE = frozenset(
    {
        "run",
        "input",
        "invalid",
        "graph",
        "retry",
        "subflow",
        "foreachitem",
        "pause-resume",
        "restart",
        "kill",
        "concurrency",
        "sla",
        "labels",
        "trigger",
    }
)
"""Kinds that belong to the execution machine: none of them may be open."""

Results = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def results(server: Running, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The result of every case, the 1.3 files and the expressions included, by id."""
    out = tmp_path_factory.mktemp("conformance") / f"{server.engine}.json"
    done = subprocess.run(
        [
            sys.executable, str(RUNNER), "--url", server.url, "--user", USERNAME,
            "--password", PASSWORD, "--suite", "all", "--have", GIVEN, "--jobs", "8",
            "--timeout", "60", "--settle", "5", "--quiet", "--out", str(out),
        ],
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stdout[-2000:] + done.stderr[-2000:]
    found: list[dict[str, Any]] = json.loads(Path(out).read_text())["results"]
    assert found
    return {case["id"]: case for case in found}


def named(results: Results, status: str) -> dict[str, list[str]]:
    """Return the ids of the cases that came out so, by kind."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for case in results.values():
        if case["status"] == status:
            by_kind[case["kind"]].append(case["id"])
    return dict(by_kind)


def test_no_case_fails_that_is_not_known_to_be_open(results: Results) -> None:
    failed = [case for case in results.values() if case["status"] == "fail"]
    unknown = {case["id"]: case["reason"][:300] for case in failed if case["id"] not in OPEN}
    assert not unknown, json.dumps(unknown, indent=1)


def test_a_case_that_passes_is_not_called_open(results: Results) -> None:
    passed = {key for key, case in results.items() if case["status"] == "pass"}
    assert not passed & set(OPEN)
    assert set(OPEN) <= set(results), "a case that is no more is not open"


def test_no_case_of_the_execution_machine_is_open(results: Results) -> None:
    """Those are done; what is open of other kinds is told by name."""
    failed, skipped = named(results, "fail"), named(results, "skip")
    for kind in sorted(failed.keys() | skipped.keys()):
        print(f"open, {kind}: {failed.get(kind, [])}; skipped: {skipped.get(kind, [])}")  # noqa: T201
    assert not CORE & failed.keys()


def test_a_case_is_skipped_only_for_a_known_reason(results: Results) -> None:
    for case in results.values():
        if case["status"] == "skip":
            assert any(need in case["reason"] for need in NOT_GIVEN), case
