"""What the outside world is to do because of events; never called by the fold.

A function of state and events: called again over recorded events, with the state as it is by then,
it names the effects that are still owed. What has gone on since is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from domain.execution import events as e
from domain.execution.commands import (
    CreateExecution,
    KillExecution,
    RecordSubflowResult,
    RestartSubflow,
)
from domain.execution.context import DEFAULT_SETTINGS, Settings
from domain.execution.effects import (
    AnyEffect,
    AskSlot,
    CancelTimer,
    DeleteFiles,
    DispatchTask,
    ScheduleTimer,
    SendCommand,
    SignalWorkers,
    WriteLog,
)
from domain.execution.evolve_runs import EXECUTOR
from domain.execution.flowables.foreach_item import merged_outputs
from domain.execution.index import index_of
from domain.execution.lifecycle import TERMINAL, StateType
from domain.execution.plan import ITEMS, MERGED, FlowPlan, TaskPlan, plan_of
from domain.execution.requests import KillSignal, TaskRequest
from domain.execution.restarts import retry_of
from domain.execution.state import Execution, Slot, TaskRun
from domain.execution.timers import FLOW_RETRY
from domain.execution.variables import Variables
from domain.flow import tasks as t
from domain.flow.model import Flow
from domain.ids import attempt_id, derived, flow_key
from domain.log import LogEntry
from domain.record.slots import TakeSlot
from domain.storage import execution_uri, records_uri

_RESTART_SUBFLOW: Final = RestartSubflow.__struct_config__.tag
_KILL: Final = KillExecution.__struct_config__.tag


def react(
    flow: Flow,
    state: Execution,
    events: Sequence[e.ExecutionEvent],
    *,
    sequence: int,
    now: datetime,
    settings: Settings = DEFAULT_SETTINGS,
) -> tuple[AnyEffect, ...]:
    """Name the effects of recorded events.

    Args:
        flow: the flow, in the revision of the execution.
        state: the execution, with these events folded in, and maybe later ones.
        events: the events of one record, in order.
        sequence: sequence number of the first of them.
        now: timestamp of the record.
        settings: what the server's configuration says to expressions.

    Returns:
        The effects, in the order in which they are to be carried out.
    """
    return _Reaction(plan_of(flow), state, now, settings).of(events, sequence)


class _Reaction:
    __slots__ = ("_effects", "_interrupted", "_now", "_plan", "_settings", "_state")

    def __init__(self, plan: FlowPlan, state: Execution, now: datetime, settings: Settings) -> None:
        self._plan = plan
        self._state = state
        self._now = now
        self._settings = settings
        self._effects: list[AnyEffect] = []
        self._interrupted: list[str] = []

    def of(self, events: Sequence[e.ExecutionEvent], sequence: int) -> tuple[AnyEffect, ...]:
        for number, event in enumerate(events, sequence):
            match event:
                case e.TaskRunSubmitted():
                    self._dispatch(event)
                case e.TaskRunEnded(interrupted=True, id=run_id):
                    self._interrupted.append(run_id)
                case e.LogWritten():
                    self._log(event, number)
                case e.TimerScheduled(timer=timer):
                    if self._state.timers.get(timer.id) == timer:
                        effect_id = f"{self._state.id}.{timer.id}"
                        self._effects.append(ScheduleTimer(effect_id, self._state.id, timer))
                case e.TimerEnded(timer_id=timer_id):
                    if timer_id == FLOW_RETRY and not any(map(_tells_more, events)):
                        self._tell_parent(state=StateType.KILLED)  # nobody takes its place
                    if timer_id not in self._state.timers:
                        effect_id = f"{self._state.id}.{timer_id}.end"
                        self._effects.append(CancelTimer(effect_id, self._state.id, timer_id))
                case e.ExecutionEnded(state=StateType.RETRIED):
                    pass  # the parent waits for the execution that takes its place
                case e.ExecutionEnded() | e.ExecutionStateForced():
                    self._tell_parent()
                case e.ExecutionReplayed(creation=creation) if self._is_retry(creation):
                    self._tell_of_retry(creation.execution_id)
                    self._effects.append(SendCommand(creation.command_id, creation))
                case e.SubflowStarted(creation=creation) | e.ExecutionReplayed(creation=creation):
                    self._effects.append(SendCommand(creation.command_id, creation))
                case e.SubflowRestarted(child_id=child_id):
                    self._restart_child(child_id, number)
                case e.SlotAsked(limit=limit, behavior=behavior):
                    if self._state.slot in (Slot.ASKED, Slot.QUEUED, Slot.HELD):
                        self._slot(number, limit, behavior, forced=False)
                case e.SlotTaken(forced=True):
                    concurrency = self._plan.flow.concurrency
                    if concurrency is not None and self._state.slot is Slot.HELD:
                        self._slot(number, concurrency.limit, concurrency.behavior, forced=True)
                case e.SlotFreed():
                    if self._state.slot is Slot.NONE:
                        self._effects.append(
                            AskSlot(self._id("free", number), self._flow_key, self._state.id, None)
                        )
                case e.ExecutionKilling(cascade=cascade):
                    self._signal(number, [])
                    if cascade:
                        self._kill_children(number, None)
                case e.CommandNoted(command=noted):
                    if noted == _RESTART_SUBFLOW:
                        self._tell_parent(number)
                    elif noted == _KILL and self._state.state.current is StateType.RETRIED:
                        self._kill(retry_of(self._state.id), number)
                case e.ExecutionDeleted(storage=storage):
                    self._signal(number, [])
                    if storage:
                        self._delete_files(number)
                case _:
                    pass
        if self._interrupted:
            self._signal(sequence, self._interrupted)
            self._kill_children(sequence, set(self._interrupted))
        return tuple(self._effects)

    def _id(self, what: str, number: int) -> str:
        return derived(what, self._state.id, number)

    @property
    def _flow_key(self) -> str:
        state = self._state
        return flow_key(state.tenant, state.namespace, state.flow_id)

    def _slot(self, number: int, limit: int, behavior: str, *, forced: bool) -> None:
        wish = TakeSlot(
            execution_id=self._state.id,
            flow_key=self._flow_key,
            limit=limit,
            behavior=behavior,
            revision=self._state.flow_revision,
            ask=self._state.metadata.attempt_number,
            forced=forced,
        )
        self._effects.append(
            AskSlot(self._id("slot", number), self._flow_key, self._state.id, wish)
        )

    def _dispatch(self, event: e.TaskRunSubmitted) -> None:
        state = self._state
        run = state.task_runs.get(event.id)
        if run is None or run.state.current is not StateType.SUBMITTED:
            return  # one that runs has reached its worker: asked for again it would run twice
        task = self._plan.tasks.get(run.task_id)
        if task is None or event.attempt != len(run.attempts) + 1:
            return
        request = TaskRequest(
            execution_id=state.id,
            task_run_id=run.id,
            attempt=event.attempt,
            tenant=state.tenant,
            namespace=state.namespace,
            flow_id=state.flow_id,
            flow_revision=state.flow_revision,
            task=task.document,
            variables=self._variables(task, run),
            requested_at=self._now,
            kind=state.kind,
            force=run.force_execution,
            retries_left=_has_retries(self._plan, task, event.attempt - run.lost_attempts),
            lost_attempts=run.lost_attempts,
        )
        self._effects.append(DispatchTask(attempt_id(run.id, event.attempt), request, event.group))

    def _variables(self, task: TaskPlan, run: TaskRun) -> dict[str, Any]:
        variables = Variables(self._state, index_of(self._state), self._plan, self._settings)
        made = variables.of(task.references, task, run)
        if task.merges:
            made[MERGED] = self._merged(run)
        return made

    def _merged(self, run: TaskRun) -> str:
        """Return the outputs of a ForEachItem's children."""
        for sibling in index_of(self._state).scope(run.parent_id).runs():
            if sibling.task_id.endswith(ITEMS):
                return merged_outputs(self._state.children, sibling.id)
        return ""

    def _log(self, event: e.LogWritten, number: int) -> None:
        state = self._state
        run = state.task_runs.get(event.task_run_id) if event.task_run_id else None
        entry = LogEntry(
            id=self._id("log", number),
            tenant=state.tenant,
            namespace=state.namespace,
            flow_id=state.flow_id,
            level=event.level,
            message=event.message,
            timestamp=self._now,
            execution_id=state.id,
            task_id=None if run is None else run.task_id,
            task_run_id=event.task_run_id,
            attempt=event.attempt,
            thread=EXECUTOR,
            execution_kind=state.kind,
        )
        self._effects.append(WriteLog(entry.id, entry))

    def _signal(self, number: int, run_ids: list[str]) -> None:
        signal = KillSignal(execution_id=self._state.id, task_run_ids=run_ids)
        self._effects.append(SignalWorkers(self._id("kill", number), signal))

    def _delete_files(self, number: int) -> None:
        state = self._state
        folders = (
            execution_uri(state.namespace, state.flow_id, state.id),
            records_uri(state.id),
        )
        self._effects.append(DeleteFiles(self._id("files", number), folders))

    def _kill_children(self, number: int, of_runs: set[str] | None) -> None:
        for child_id, child in self._state.children.items():
            if child.state in TERMINAL or not (of_runs is None or child.task_run_id in of_runs):
                continue
            self._kill(child_id, number)

    def _kill(self, execution_id: str, number: int) -> None:
        command_id = derived("kill-child", self._state.id, execution_id, number)
        command = KillExecution(execution_id=execution_id, command_id=command_id, issuer=EXECUTOR)
        self._effects.append(SendCommand(command_id, command))

    def _restart_child(self, child_id: str, number: int) -> None:
        command_id = derived("restart-child", self._state.id, child_id, number)
        command = RestartSubflow(execution_id=child_id, command_id=command_id, issuer=EXECUTOR)
        self._effects.append(SendCommand(command_id, command))

    def _is_retry(self, creation: CreateExecution) -> bool:
        return creation.execution_id == retry_of(self._state.id)

    def _tell_of_retry(self, child_id: str) -> None:
        """Tell the parent who runs in this execution's place from now on."""
        parent = self._parent()
        if parent is None:
            return
        command = RecordSubflowResult(
            execution_id=parent[0],
            command_id=derived("subflow-retried", child_id),
            issuer=EXECUTOR,
            task_run_id=parent[1],
            child_id=child_id,
            state=StateType.CREATED,
            replaces=self._state.id,
        )
        self._effects.append(SendCommand(command.command_id, command))

    def _parent(self) -> tuple[str, str] | None:
        """Return the execution that started this one as a child, and its task run."""
        trigger = self._state.trigger
        if trigger is None or not trigger.type.startswith(SUBFLOW_TYPES):
            return None
        parent_id = trigger.variables.get("executionId")
        run_id = trigger.variables.get("taskRunId")
        if not isinstance(parent_id, str) or not isinstance(run_id, str):
            return None
        return parent_id, run_id

    def _tell_parent(self, again: int | None = None, state: StateType | None = None) -> None:
        this = self._state
        parent = self._parent()
        if parent is None or this.state.current not in TERMINAL:
            return
        said = state or this.state.current
        told = (len(this.state.histories), *(() if again is None else (again,)))
        before = this.parent_id
        command = RecordSubflowResult(
            execution_id=parent[0],
            command_id=derived("subflow-result", this.id, said.value, *told),
            issuer=EXECUTOR,
            task_run_id=parent[1],
            child_id=this.id,
            state=said,
            outputs=this.outputs if this.told is None else this.told,
            error=this.error,
            replaces=before if before is not None and this.id == retry_of(before) else None,
        )
        self._effects.append(SendCommand(command.command_id, command))


def _tells_more(event: e.ExecutionEvent) -> bool:
    """Whether an event that comes with the end of a flow's retry tells the parent what it means."""
    return isinstance(event, e.ExecutionReplayed | e.ExecutionStateForced)


SUBFLOW_TYPES: Final = (t.FLOW_PACKAGE + "Subflow", t.FLOW_PACKAGE + "ForEachItem")
"""How the types of triggers begin whose executions tell a parent of their end."""


def _has_retries(plan: FlowPlan, task: TaskPlan, attempt: int) -> bool:
    retry = task.retry or plan.flow.retry
    if retry is None:
        return False
    return retry.max_attempts is None or attempt < retry.max_attempts
