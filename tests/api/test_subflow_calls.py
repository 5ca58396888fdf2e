"""`subflow()` as the inputs of a flow may call it: what is asked for, and what comes of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from api.errors import ApiError
from api.subflow_calls import Call, SubflowLookups, in_own_thread
from domain.execution.lifecycle import StateType
from domain.execution.state import Execution, Label, Metadata, State
from domain.expression import NO_LOOKUPS, ExpressionError, Scope, compile_template

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def ended(state: StateType) -> Execution:
    return Execution(
        id="e1",
        tenant="main",
        namespace="n",
        flow_id="child",
        flow_revision=1,
        state=State.begin(state, NOW),
        metadata=Metadata(1, NOW),
        original_id="e1",
        labels=[Label("team", "data"), Label("system.from", "subflow")],
        outputs={"found": [1, 2]},
    )


class Runs:
    """Ends every call the same way, and remembers them."""

    def __init__(self, outcome: Execution | ApiError | None) -> None:
        self.calls: list[Call] = []
        self._outcome = outcome

    async def __call__(self, call: Call) -> Execution | None:
        self.calls.append(call)
        if isinstance(self._outcome, ApiError):
            raise self._outcome
        return self._outcome


async def render(text: str, run: Runs, depth: int = 1, inside: str | None = None) -> str:
    loop = asyncio.get_running_loop()
    variables = {} if inside is None else {inside: {"id": "x"}}
    scope = Scope(variables, SubflowLookups(NO_LOOKUPS, run, loop, depth))
    return await in_own_thread(lambda: compile_template(text).render(scope))


async def test_a_call_gives_id_state_outputs_and_labels() -> None:
    run = Runs(ended(StateType.WARNING))
    text = (
        "{% set r = subflow(namespace='n', id='child', inputs={'a': 1}, labels={'x': 'y'}, "
        "revision=3, timeout='PT30S') %}{{ r.id }} {{ r.state }} {{ r.outputs.found[1] }} "
        "{{ r.labels.team }} {{ r.labels['system.from'] }}"
    )
    assert await render(text, run) == "e1 WARNING 2 data subflow"
    [call] = run.calls
    assert call == Call(
        namespace="n",
        flow_id="child",
        revision=3,
        inputs={"a": 1},
        labels={"x": "y"},
        seconds=30.0,
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("namespace='', id='child'", "expects the arguments 'namespace' and 'id'"),
        (
            "namespace='n', id='child', labels={'system.test': 'x'}",
            "the system label 'system.test'",
        ),
        ("namespace='n', id='child', timeout='PT10M'", "exceeds the maximum"),
        ("namespace='n', id='child', timeout='soon'", "expects a duration"),
        ("namespace='n', id='child', inputs=[1]", "expects a map as argument 'inputs'"),
        ("namespace='n', id='child', revision='one'", "expects a whole number"),
    ],
)
async def test_a_wrong_call_begins_nothing(arguments: str, reason: str) -> None:
    run = Runs(ended(StateType.SUCCESS))
    with pytest.raises(ExpressionError, match=reason):
        await render(f"{{{{ subflow({arguments}) }}}}", run)
    assert run.calls == []


async def test_the_correlation_may_be_handed_on() -> None:
    run = Runs(ended(StateType.SUCCESS))
    labels = "labels={'system.correlationId': 'c'}"
    assert await render(f"{{{{ subflow('n', 'child', {labels}).state }}}}", run) == "SUCCESS"


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (ended(StateType.FAILED), "ended FAILED"),
        (ApiError(404, "Not Found"), "was not run: Not Found"),
        (None, "has not ended within 60 seconds"),
    ],
    ids=["failed", "refused", "late"],
)
async def test_a_call_that_comes_to_nothing_says_why(
    outcome: Execution | ApiError | None, reason: str
) -> None:
    with pytest.raises(ExpressionError, match=reason):
        await render("{{ subflow('n', 'child') }}", Runs(outcome))


async def test_calls_nest_three_deep_and_stay_out_of_tasks_and_triggers() -> None:
    run = Runs(ended(StateType.SUCCESS))
    assert await render("{{ subflow('n', 'c').state }}", run, 3) == "SUCCESS"
    assert run.calls[0].depth == 3
    with pytest.raises(ExpressionError, match="maximum depth"):
        await render("{{ subflow('n', 'c') }}", run, 4)
    for name in ("taskrun", "trigger"):
        with pytest.raises(ExpressionError, match="task or trigger"):
            await render("{{ subflow('n', 'c') }}", run, inside=name)
