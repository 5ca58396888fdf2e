"""Every open conformance case that the step alone can answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.conformance import NotHere, available, cases, judge

_KINDS = (
    "run",
    "retry",
    "subflow",
    "foreachitem",
    "pause-resume",
    "restart",
    "kill",
    "concurrency",
    "sla",
    "labels",
)
_ELSEWHERE = {
    "logs": "the task's logLevel is applied by the worker",
    "each-object": "jq runs in a process of its own",
    "get-log": "log.Fetch reads the index",
    "timeout-task": "the worker counts the time of an attempt",
    "foreachitem": "the URIs of the batches are the storage's",
    "resume-task": "the task Resume calls the server",
    "resume-by-ids": "bulk actions belong to the API",
    "labels-on-create-null": "request labels are checked by the API",
    "labels-on-create-system": "request labels are checked by the API",
    "labels-set-after-end": "the API checks null labels",
    "labels-duplicate-in-request-refused": "request labels are checked by the API",
    "api-kill-by-query": "bulk actions belong to the API",
}
"""Cases of these kinds that need more than the step: judged end to end."""

_CASES = cases(*_KINDS) if available() else []


@pytest.mark.parametrize("case", _CASES, ids=[str(case["id"]) for case in _CASES])
def test_the_step_does_what_kestra_was_seen_to_do(case: dict[str, Any]) -> None:
    if case["id"] in _ELSEWHERE:
        return
    try:
        judge(case)
    except NotHere as needed:
        pytest.fail(f"the case asks for {needed}: judge it end to end, and say so in this file")


def test_every_case_named_as_judged_elsewhere_exists() -> None:
    assert not _CASES or {case["id"] for case in _CASES} >= set(_ELSEWHERE)
