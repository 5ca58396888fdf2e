"""What happens when a timer is due. A timer that is no longer wanted changes nothing."""

from __future__ import annotations

from domain.execution import timers
from domain.execution.commands import FireTimer
from domain.execution.creation import begin
from domain.execution.ending import interrupt, try_again
from domain.execution.events import TimerEnded
from domain.execution.flowables.approval import EXPIRED, decide_run, is_approval
from domain.execution.flowables.loop_until import go_round
from domain.execution.flowables.pause import behavior_of, pause_is_over, pause_timed_out
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.restarts import retry_flow
from domain.execution.sla import break_promise
from domain.execution.state import TaskRun, Timer
from domain.execution.turn import Turn

_S = StateType


def fire(turn: Turn, command: FireTimer) -> None:
    """Do what a timer is for."""
    timer = turn.state.timers.get(command.timer_id)
    if timer is None or command.due not in {None, timer.due}:
        return
    run = turn.state.task_runs.get(timer.task_run_id) if timer.task_run_id else None
    pausing = run is not None and timer.purpose == timers.PAUSE
    behavior = behavior_of(turn, run) if run is not None and pausing else ""
    turn.emit(TimerEnded(timer_id=timer.id))
    if timer.purpose == timers.FLOW_RETRY:
        retry_flow(turn)
        turn.index.touch(None)
        return
    if run is not None:
        _fire_for_run(turn, timer, run, behavior)
    elif timer.task_run_id is None and turn.state.state.current not in TERMINAL:
        _fire_for_execution(turn, timer)


def _fire_for_run(turn: Turn, timer: Timer, run: TaskRun, behavior: str) -> None:
    match timer.purpose:
        case timers.RETRY:
            if run.state.current is _S.RETRYING:
                try_again(turn, run)
        case timers.PAUSE:
            pause_is_over(turn, run, behavior)
        case timers.TIMEOUT:
            if is_approval(turn, run):
                if run.state.current is _S.PAUSED:
                    decide_run(turn, run, EXPIRED)
            else:
                pause_timed_out(turn, run)
        case timers.INTERVAL:
            go_round(turn, run)
        case timers.CONTINUE:
            turn.index.touch(run.id)
        case _:
            pass


def _fire_for_execution(turn: Turn, timer: Timer) -> None:
    match timer.purpose:
        case timers.SCHEDULE | timers.CONTINUE:
            if turn.state.state.current in (_S.CREATED, _S.RESTARTED):
                begin(turn)
        case timers.KILL:
            if turn.state.state.current is _S.KILLING:
                state = turn.state.kill_state or _S.KILLED
                interrupt(turn, turn.index.in_state(_S.RUNNING), state)
        case purpose if purpose.startswith(timers.SLA + "."):
            index = int(purpose.removeprefix(timers.SLA + "."))
            if index < len(turn.plan.flow.sla):
                break_promise(turn, index, "it takes longer than allowed")
        case _:
            pass
