"""Loop: the tasks once per value, each iteration closed to the others.

Kestra 2.0 makes an execution of every iteration. Here it stays in its execution (ADR 4): the tasks
of an iteration see `item` and each other's outputs as if they were alone, and hand out what the
loop's `outputs` say.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from domain.execution.ending import interrupt
from domain.execution.events import IterationEnded, TaskRunOpened, TaskRunOutputsSet
from domain.execution.evolve_runs import OUTPUTS, TERMINATED
from domain.execution.flowables.contract import (
    BY_WEIGHT,
    FlowableRule,
    advance_blocks,
    advance_sequence,
    outcome_of,
)
from domain.execution.flowables.foreach import (
    NotValues,
    begin_iterations,
    distinct,
    rendered_values,
)
from domain.execution.index import Scope
from domain.execution.lifecycle import BAD, StateType
from domain.execution.plan import ERRORS, FINALLY, TaskPlan
from domain.execution.state import TaskRun
from domain.execution.turn import Turn
from domain.expression import ExpressionError
from domain.flow import tasks as t
from domain.log import Level

_S = StateType
COUNT: Final = "iterationCount"
_BROKEN: Final = "broken"
_STORED: Final = "kestra://"


class LoopRule(FlowableRule):
    """`transmitFailed`: a failed iteration ends the loop; `breakWhen`: a good one may."""

    def open(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Render the values, once."""
        loop = task.task
        assert isinstance(loop, t.Loop)
        keys: list[str] | None = None
        try:
            found = self._found(turn, task, run, loop.values)
            if isinstance(found, dict):
                keys = [str(key) for key in found]
                values = [_text(value) for value in found.values()]
                distinct(keys)  # as many as there may be
            else:
                values = found
        except NotValues as error:
            turn.emit(TaskRunOpened(id=run.id))
            self.fail(turn, task, run, str(error))
            return
        counts: dict[str, Any] = {COUNT: len(values), TERMINATED: {}, OUTPUTS: []}
        turn.emit(TaskRunOpened(id=run.id, values=values, keys=keys, outputs=counts))

    @staticmethod
    def _found(turn: Turn, task: TaskPlan, run: TaskRun, source: Any) -> list[str] | dict[str, Any]:
        """Return the values; a stored file gives one a line, as often as it stands there."""
        if isinstance(source, str):
            rendered = turn.render(source, task, run)
            if rendered.startswith(_STORED):
                uri = msgspec.json.encode(rendered).decode()
                text = turn.render(f"{{{{ read({uri}) }}}}", task, run)
                lines = [line for line in text.splitlines() if line]
                distinct(lines)  # as many as there may be
                return lines
        found = rendered_values(turn, task, run, source)
        return found if isinstance(found, dict) else distinct(found)

    def resolve(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Go on in the iterations that changed, begin new ones, or end the loop."""
        loop = task.task
        assert isinstance(loop, t.Loop)
        scope = turn.scope(run)
        # iterations first: whether the loop has failed depends on them
        self._look_at_changed(turn, task, run, loop, scope)
        failed = loop.transmit_failed and _outcome(run, scope) in BAD
        over = advance_blocks(
            turn,
            run,
            scope,
            errors=task.tasks(ERRORS),
            final=task.tasks(FINALLY),
            main=lambda: self._begin_more(turn, task, run, loop, scope),
            failed=failed,
        )
        if over:
            state = _outcome(run, scope)
            self.end(turn, task, run, state if loop.transmit_failed else _S.SUCCESS)

    def _look_at_changed(
        self, turn: Turn, task: TaskPlan, run: TaskRun, loop: t.Loop, scope: Scope
    ) -> None:
        branch = task.tasks("tasks")
        values = run.values or []
        for number in scope.changes():
            lane = scope.iterations[number]
            if number in scope.over:
                scope.open_iterations.discard(number)
                continue
            over = advance_sequence(
                turn, run, lane, branch, value=values[number], iteration=number, isolated=True
            )
            if over:
                self._end_iteration(turn, task, run, loop, scope, number)

    def _end_iteration(
        self, turn: Turn, task: TaskPlan, run: TaskRun, loop: t.Loop, scope: Scope, number: int
    ) -> None:
        lane = scope.iterations[number]
        last = lane.last
        assert last is not None
        outputs: dict[str, Any] = {}
        problems: list[str] = []
        for output in loop.outputs:
            try:
                outputs[output.id] = turn.render_typed(output.value, task, last)
            except ExpressionError as error:
                problems.append(f"Failed to render output '{output.id}': {error}")
        state = _S.FAILED if problems else outcome_of(lane)
        breaks = False
        if loop.break_when is not None:
            extra = {"iteration": {"state": state.value, "outputs": outputs}}
            try:
                breaks = turn.holds(loop.break_when, task, last, extra=extra)
            except ExpressionError as error:
                problems.append(f"Failed to evaluate breakWhen: {error}")
                state = _S.FAILED
        turn.record_answers()
        for problem in problems:
            turn.log(Level.ERROR, problem, run)
        turn.emit(IterationEnded(id=run.id, iteration=number, state=state, outputs=outputs))
        scope.open_iterations.discard(number)
        if breaks:
            others = [r for n in sorted(scope.open_iterations) for r in _runs(scope, n)]
            inside = [child for other in others for child in turn.descendants(other)]
            interrupt(turn, [*inside, *others], _S.SUCCESS, forced=True)
            turn.emit(TaskRunOutputsSet(id=run.id, outputs={_BROKEN: True}))

    def _begin_more(
        self, turn: Turn, task: TaskPlan, run: TaskRun, loop: t.Loop, scope: Scope
    ) -> bool:
        branch = task.tasks("tasks")
        values = run.values or []
        if not branch or not values:
            return True
        if (run.outputs or {}).get(_BROKEN):
            return not scope.lane("tasks").active
        return begin_iterations(turn, branch[0], run, scope, loop.concurrency_limit, isolated=True)


def _outcome(run: TaskRun, scope: Scope) -> StateType:
    """Return the heaviest state of the iterations; one may fail though its tasks went well."""
    counts = (run.outputs or {}).get(TERMINATED, {})
    ended = next((state for state in BY_WEIGHT if counts.get(state.value)), _S.SUCCESS)
    running = outcome_of(scope.lane("tasks"))
    return next((state for state in BY_WEIGHT if state in (ended, running)), _S.SUCCESS)


def _runs(scope: Scope, number: int) -> list[TaskRun]:
    return list(scope.iterations[number].runs.values())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
