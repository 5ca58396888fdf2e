"""Promises about an execution: how long it may take, what must hold while it runs.

Source: `kestra-features.md` 3.8; only the first violation may change the execution.
"""

from __future__ import annotations

from typing import Final

from domain.execution import timers
from domain.execution.ending import interrupt
from domain.execution.events import ExecutionEnded, LabelsChanged, SlaViolated
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.state import Label
from domain.execution.turn import Turn
from domain.expression import ExpressionError, is_truthy_text
from domain.flow.common import Sla
from domain.log import Level

_ENDS: Final = {"FAIL": StateType.FAILED, "CANCEL": StateType.CANCELLED}


def watch_durations(turn: Turn) -> None:
    """Schedule the timers of MAX_DURATION, unless they run already.

    Counted from the execution's creation, or the date it was created for; time spent in a queue
    counts. One whose time is over already, when it runs again, has it anew.
    """
    start = max(
        turn.state.state.start_date, turn.state.schedule_date or turn.state.state.start_date
    )
    for index, sla in enumerate(turn.plan.flow.sla):
        if sla.type == "MAX_DURATION" and sla.duration is not None:
            purpose = f"{timers.SLA}.{index}"
            if purpose in turn.state.timers:
                continue
            due = start + sla.duration
            turn.schedule(purpose, due if due > turn.now else turn.now + sla.duration)


def check_assertions(turn: Turn) -> None:
    """Look at every EXECUTION_ASSERTION that has not been broken yet.

    Raises:
        LookupNeeded: the outside world must be asked first.
    """
    for index, sla in enumerate(turn.plan.flow.sla):
        if sla.type != "EXECUTION_ASSERTION" or sla.assert_ is None:
            continue
        if turn.state.state.current in TERMINAL or _is_broken(turn, index, sla):
            continue
        try:
            holds = is_truthy_text(turn.render(sla.assert_))
        except ExpressionError as error:
            turn.record_answers()
            message = f"The assertion of SLA '{sla.id}' cannot be evaluated: {error}"
            turn.log(Level.ERROR, message)
            interrupt(turn, turn.state.task_runs.values(), StateType.FAILED)
            turn.emit(ExecutionEnded(state=StateType.FAILED, error=message))
            return
        turn.record_answers()
        if not holds:
            break_promise(turn, index, f"assertion is false: {sla.assert_}")


def break_promise(turn: Turn, index: int, why: str) -> None:
    """Do what the flow says about a broken promise."""
    sla = turn.plan.flow.sla[index]
    if _is_broken(turn, index, sla):
        return
    turn.emit(SlaViolated(sla_id=sla.id, index=index))
    turn.log(Level.WARN, f"SLA '{sla.id}' violated: {why}")
    if sla.labels:
        new = {label.key: label.value for label in sla.labels}
        kept = [label for label in turn.state.labels if label.key not in new]
        added = [Label(key, value) for key, value in new.items()]
        turn.emit(LabelsChanged(labels=kept + added))
    state = _ENDS.get(sla.behavior)
    if state is None or turn.state.state.current in TERMINAL:
        return
    interrupt(turn, turn.state.task_runs.values(), state)
    turn.emit(ExecutionEnded(state=state, error=f"SLA '{sla.id}' violated: {why}"))


def _is_broken(turn: Turn, index: int, sla: Sla) -> bool:
    return f"{index}:{sla.id}" in turn.state.violated
