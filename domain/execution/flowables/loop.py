"""Loop: the tasks once per value, each iteration closed to the others.

Kestra 2.0 makes an execution of every iteration. Here it stays in its execution (ADR 4): the tasks
of an iteration see `item` and each other's outputs as if they were alone, hand out what the loop's
`outputs` say, and have the blocks `errors` and `finally` to themselves.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import msgspec

from domain.errors import TidewheelError
from domain.execution.ending import interrupt
from domain.execution.events import IterationEnded, TaskRunOpened, TaskRunOutputsSet
from domain.execution.evolve_runs import OUTPUTS, RUNNING, TERMINATED
from domain.execution.flowables.contract import (
    BY_WEIGHT,
    FlowableRule,
    advance_blocks,
    advance_sequence,
    outcome_of,
)
from domain.execution.flowables.foreach import (
    MOST,
    NotValues,
    begin_iterations,
    distinct,
    read_values,
    rendered_values,
)
from domain.execution.index import Scope
from domain.execution.lifecycle import BAD, StateType
from domain.execution.outputs import rendered_output
from domain.execution.plan import ERRORS, FINALLY, TaskPlan
from domain.execution.state import TaskRun
from domain.execution.turn import Turn
from domain.expression import ExpressionError, Fault
from domain.flow import tasks as t
from domain.log import Level
from domain.storage import execution_uri, slug

_S = StateType
COUNT: Final = "iterationCount"
NEXT: Final = "nextOffset"
"""Output of a Loop over a file: the byte after the last value that was read."""
_NULL: Final = "Found a null value inside the iteration values=[{shown}]"
_BROKEN: Final = "broken"
_STORED: Final = ("kestra://", "nsfile://")


class LoopRule(FlowableRule):
    """`transmitFailed`: a failed iteration ends the loop; `breakWhen`: a good one may."""

    def open(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Render the values, once."""
        loop = task.task
        assert isinstance(loop, t.Loop)
        keys: list[str] | None = None
        said = loop.values
        text = turn.render(said, task, run) if isinstance(said, str) else None
        is_file = text is not None and text.startswith(_STORED)
        stores = loop.fetch_type == "STORE" or (loop.fetch_type == "AUTO" and is_file)
        counts: dict[str, Any] = {COUNT: 0, RUNNING: 0, TERMINATED: {}, OUTPUTS: []}
        if text is not None and is_file:
            counts |= {COUNT: turn.lookups.line_count(text, MOST), NEXT: 0}
            turn.emit(TaskRunOpened(id=run.id, source=text, outputs=counts, stores=stores))
            return
        try:
            found = rendered_values(turn, task, run, said) if text is None else read_values(text)
            if isinstance(found, dict):
                keys = distinct(str(key) for key in found)  # as many as there may be
                values = [_text(value) for value in found.values()]
            else:
                values = distinct(found, _NULL)
        except NotValues as error:
            turn.emit(TaskRunOpened(id=run.id))
            self.fail(turn, task, run, str(error))
            return
        counts[COUNT] = len(values)
        turn.emit(TaskRunOpened(id=run.id, values=values, keys=keys, outputs=counts, stores=stores))

    def resolve(self, turn: Turn, task: TaskPlan, run: TaskRun) -> None:
        """Go on in the iterations that changed, begin new ones, or end the loop."""
        loop = task.task
        assert isinstance(loop, t.Loop)
        scope = turn.scope(run)
        for number in scope.changes():
            if number in scope.over:
                scope.open_iterations.discard(number)
            elif self._advance_iteration(turn, task, run, scope, number):
                self._end_iteration(turn, task, run, loop, scope, number)
            if self._has_failed(run, loop):
                break
        if self._has_failed(run, loop):
            self.end(turn, task, run, _outcome(run))  # at once: it waits for no other iteration
            return
        try:
            over = self._begin_more(turn, task, run, loop, scope)
        except Fault as error:
            turn.record_answers()
            turn.log(Level.ERROR, f"Failed to read the values: {error}", run)
            self.end(turn, task, run, _S.FAILED)
            return
        if over:
            self.end(turn, task, run, _outcome(run) if loop.transmit_failed else _S.SUCCESS)

    @staticmethod
    def _has_failed(run: TaskRun, loop: t.Loop) -> bool:
        return loop.transmit_failed and _outcome(run) in BAD

    @staticmethod
    def _advance_iteration(
        turn: Turn, task: TaskPlan, run: TaskRun, scope: Scope, number: int
    ) -> bool:
        """Advance the block of an iteration whose turn it is; True when the iteration is over."""
        iteration = scope.iterations[number]
        last = iteration.main.last
        value = None if last is None else last.value

        def main() -> bool:
            if _is_broken(run):
                return not iteration.main.active
            branch = task.tasks("tasks")
            return advance_sequence(
                turn, run, iteration.main, branch, value=value, iteration=number, isolated=True
            )

        return advance_blocks(
            turn,
            run,
            iteration,
            errors=task.tasks(ERRORS),
            final=task.tasks(FINALLY),
            main=main,
            value=value,
            iteration=number,
        )

    def _end_iteration(
        self, turn: Turn, task: TaskPlan, run: TaskRun, loop: t.Loop, scope: Scope, number: int
    ) -> None:
        main = scope.iterations[number].main
        last = main.last
        assert last is not None
        outputs, problems = _rendered(turn, task, loop, last)
        if _is_broken(run):
            problems = []  # what was broken off cannot hand out everything
        state = _S.FAILED if problems else outcome_of(main)
        breaks = False
        if loop.break_when is not None and not _is_broken(run):
            seen = {"executionId": turn.state.id, "state": state.value, "outputs": outputs}
            try:
                breaks = turn.holds(loop.break_when, task, last, extra={"iteration": seen})
            except ExpressionError as error:
                problems.append(f"Failed to evaluate breakWhen: {error}")
                state = _S.FAILED
        if outputs and run.stores:
            try:
                outputs = {"uri": _store(turn, task, run, number, outputs)}
            except Fault as error:
                problems.append(f"Failed to store the outputs: {error}")
                outputs, state = {}, _S.FAILED
        turn.record_answers()
        for problem in problems:
            turn.log(Level.ERROR, problem, run)
        value = None if run.source is None else last.value
        turn.emit(
            IterationEnded(id=run.id, iteration=number, state=state, outputs=outputs, value=value)
        )
        scope.open_iterations.discard(number)
        if breaks:
            turn.emit(TaskRunOutputsSet(id=run.id, outputs={_BROKEN: True}))
            self._break_off(turn, scope)

    @staticmethod
    def _break_off(turn: Turn, scope: Scope) -> None:
        """End the main tasks of the iterations under way; their blocks still have their turn."""
        for number in sorted(scope.open_iterations):
            for child in list(scope.iterations[number].main.runs.values()):
                interrupt(turn, [*turn.descendants(child), child], _S.SUCCESS, forced=True)

    def _begin_more(
        self, turn: Turn, task: TaskPlan, run: TaskRun, loop: t.Loop, scope: Scope
    ) -> bool:
        branch = task.tasks("tasks")
        total = (run.outputs or {}).get(COUNT, 0)
        if not branch or not total:
            return True
        if _is_broken(run):
            return not scope.open_iterations
        return begin_iterations(
            turn,
            branch[0],
            run,
            scope,
            loop.concurrency_limit,
            isolated=True,
            total=total,
            take=None if run.source is None else partial(_take, turn, run, run.source),
        )


def _take(turn: Turn, run: TaskRun, uri: str, most: int) -> list[str]:
    """Return the next values of the file, and note how far it has been read."""
    values, following = turn.lookups.lines(uri, (run.outputs or {})[NEXT], most)
    turn.record_answers()
    turn.emit(TaskRunOutputsSet(id=run.id, outputs={NEXT: following}))
    return values


def _outcome(run: TaskRun) -> StateType:
    """Return the heaviest state of the iterations; one may fail though its tasks went well."""
    counts = (run.outputs or {}).get(TERMINATED, {})
    return next((state for state in BY_WEIGHT if counts.get(state.value)), _S.SUCCESS)


def _is_broken(run: TaskRun) -> bool:
    """Whether `breakWhen` held after an iteration."""
    return bool((run.outputs or {}).get(_BROKEN))


def _rendered(
    turn: Turn, task: TaskPlan, loop: t.Loop, run: TaskRun
) -> tuple[dict[str, Any], list[str]]:
    """Return what an iteration hands out, and why it cannot hand out the rest."""
    outputs: dict[str, Any] = {}
    problems: list[str] = []
    for output in loop.outputs:
        try:
            outputs[output.id] = rendered_output(turn, output, task, run)
        except TidewheelError as error:
            if output.required:
                problems.append(f"Failed to render output '{output.id}': {error}")
            else:
                outputs[output.id] = None
    return outputs, problems


def _store(turn: Turn, task: TaskPlan, run: TaskRun, number: int, outputs: dict[str, Any]) -> str:
    """Have the outputs of an iteration written to a file, one line of JSON; return its URI."""
    state = turn.state
    folder = execution_uri(state.namespace, state.flow_id, state.id)
    uri = f"{folder}/tasks/{slug(task.id)}/{run.id}/{number}.ion"
    return turn.lookups.stored(uri, outputs)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
