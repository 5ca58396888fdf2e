"""One step under way: its inputs, the events so far, and the state that they have made.

Rules speak to a turn: they ask what they need to know, and `emit` what happens. Every event is
folded into the state at once, by the same `evolve` that replay uses.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from domain.errors import BrokenInvariant
from domain.execution.context import Context
from domain.execution.events import (
    ExecutionEvent,
    LogWritten,
    LookupAnswered,
    TaskRunCreated,
    TimerEnded,
    TimerScheduled,
)
from domain.execution.evolve import evolve
from domain.execution.index import Index, Scope, index_of
from domain.execution.lifecycle import PROGRESSING
from domain.execution.lookups import WITHHELD, LookupNeeded, StepLookups
from domain.execution.plan import ON_PAUSE, FlowPlan, TaskPlan
from domain.execution.state import Execution, TaskRun, Timer
from domain.execution.timers import OF_TASK_RUNS
from domain.execution.variables import Variables
from domain.expression import Scope as ExpressionScope
from domain.expression import compile_template, is_truthy_text, render_deep
from domain.expression.references import references_in
from domain.ids import task_run_id
from domain.log import Level


class Turn:
    """A step of one execution."""

    __slots__ = (
        "_lookups",
        "_recorded",
        "checked",
        "command_id",
        "context",
        "decided",
        "events",
        "index",
        "plan",
        "state",
    )

    def __init__(self, state: Execution, plan: FlowPlan, context: Context) -> None:
        self.state = state
        self.plan = plan
        self.context = context
        self.index: Index = index_of(state)
        self.events: list[ExecutionEvent] = []
        self._lookups: StepLookups | None = None
        self._recorded: set[str] = set()
        self.command_id: str | None = None
        self.decided = False
        """The command's own events are there."""
        self.checked = False
        """The flow's assertions were looked at."""

    @property
    def may_start(self) -> bool:
        """Whether tasks may start: the execution runs, and no pause holds it."""
        return self.state.state.current in PROGRESSING and not self.state.is_held

    @property
    def now(self) -> datetime:
        """The step's only notion of time."""
        return self.context.now

    def emit(self, event: ExecutionEvent) -> None:
        """Let something happen."""
        self.events.append(event)
        evolve(self.state, event, self.context.now)

    def answered(self, context: Context) -> None:
        """Go on with the answers of the outside world."""
        self.context = context
        if self._lookups is not None:
            self._lookups.context = context

    def attempt(self, work: Callable[[], None]) -> None:
        """Do something that may have to ask the outside world, and then is done anew.

        Raises:
            LookupNeeded: as the work does; chance is as it was before.
        """
        count = 0 if self._lookups is None else self._lookups.count
        try:
            work()
        except LookupNeeded:
            self.lookups.count = count
            self.lookups.used.clear()
            raise

    # --- what is where

    def task_of(self, run: TaskRun) -> TaskPlan | None:
        """Return the task of a run; None when the flow has it no more."""
        return self.plan.tasks.get(run.task_id)

    def parent_of(self, run: TaskRun) -> TaskRun | None:
        """Return the task run around a task run."""
        return None if run.parent_id is None else self.state.task_runs.get(run.parent_id)

    def scope(self, run: TaskRun | None) -> Scope:
        """Return the children of a task run; None is the execution itself."""
        return self.index.scope(None if run is None else run.id)

    def descendants(self, run: TaskRun) -> list[TaskRun]:
        """Return everything below a task run, nearest first."""
        found: list[TaskRun] = []
        waiting = [run]
        while waiting:
            scope = self.index.scopes.get(waiting.pop(0).id)
            if scope is not None:
                children = scope.runs()
                found.extend(children)
                waiting.extend(children)
        return found

    def ancestors(self, run: TaskRun) -> list[TaskRun]:
        """Return the task runs around a task run, nearest first."""
        found: list[TaskRun] = []
        parent = self.parent_of(run)
        while parent is not None:
            found.append(parent)
            parent = self.parent_of(parent)
        return found

    def is_aside(self, run: TaskRun) -> bool:
        """Whether a task run lies under `onPause`, which runs while the execution waits."""
        above = self.parent_of(run)
        while above is not None:
            run, above = above, self.parent_of(above)
        return run.lane == ON_PAUSE

    # --- what happens often

    def create(
        self,
        task: TaskPlan,
        parent: TaskRun | None,
        value: str | None = None,
        iteration: int | None = None,
        *,
        isolated: bool = False,
    ) -> None:
        """Create the run of a task."""
        state = self.state
        parent_id = None if parent is None or task.lane == ON_PAUSE else parent.id
        # a task of onPause stands at the top, and yet each pause has its own
        place = "" if parent is None else parent.id
        if state.removals:
            place = f"{place}#{state.removals}"
        run_id = task_run_id(
            state.id, task.id, place, value or "", -1 if iteration is None else iteration
        )
        if run_id in state.task_runs:
            raise BrokenInvariant(f"there is a task run of '{task.id}' with this id already")
        self.emit(
            TaskRunCreated(
                id=run_id,
                task_id=task.id,
                parent_id=parent_id,
                value=value,
                iteration=iteration,
                lane=task.lane,
                force=task.forced,
                isolated=isolated,
            )
        )

    def log(self, level: Level, message: str, run: TaskRun | None = None) -> None:
        """Say something, as the executor."""
        attempt = 0
        if run is not None and run.attempts:
            attempt = len(run.attempts) - 1
        self.emit(
            LogWritten(
                level=level,
                message=message,
                task_run_id=None if run is None else run.id,
                attempt=attempt,
            )
        )

    def schedule(self, purpose: str, due: datetime, run: TaskRun | None = None) -> None:
        """Ask to be woken; a timer of the same purpose and task run is moved."""
        run_id = None if run is None else run.id
        timer = Timer(timer_id(purpose, run_id), due, purpose, run_id)
        self.emit(TimerScheduled(timer=timer))

    def wake_after(self, purpose: str, delay: timedelta, run: TaskRun | None = None) -> None:
        """Ask to be woken after a while."""
        self.schedule(purpose, self.now + delay, run)

    def waits_for(self, purpose: str, run: TaskRun) -> bool:
        """Whether a task run has a timer of this purpose."""
        return timer_id(purpose, run.id) in self.state.timers

    def cancel(self, purpose: str, run_id: str | None = None) -> None:
        """Withdraw a timer, if there is one."""
        wanted = timer_id(purpose, run_id)
        if wanted in self.state.timers:
            self.emit(TimerEnded(timer_id=wanted))

    def cancel_all(self, run_id: str) -> None:
        """Withdraw every timer of a task run."""
        for purpose in OF_TASK_RUNS:
            self.cancel(purpose, run_id)

    # --- expressions

    def expression_scope(
        self,
        value: Any,
        task: TaskPlan | None = None,
        run: TaskRun | None = None,
        extra: dict[str, Any] | None = None,
    ) -> ExpressionScope:
        """Return the surroundings in which a value's templates are rendered.

        Args:
            value: holds the templates.
            task: the task they belong to; None: the flow's own.
            run: its task run.
            extra: variables besides; maps are merged with those of the same name.
        """
        settings = self.context.settings
        maker = Variables(self.state, self.index, self.plan, settings, self.lookups.outputs)
        variables = maker.of(references_in(value), task, run)
        for name, more in (extra or {}).items():
            known = variables.get(name)
            variables[name] = {**known, **more} if isinstance(known, dict) else more
        return ExpressionScope(
            variables,
            self.lookups,
            zone=settings.zone,
            locale=settings.locale,
        )

    @property
    def lookups(self) -> StepLookups:
        """Answers impure functions."""
        if self._lookups is None:
            self._lookups = StepLookups(self.state, self.context)
        return self._lookups

    def render(
        self,
        text: str,
        task: TaskPlan | None = None,
        run: TaskRun | None = None,
        extra: dict[str, Any] | None = None,
    ) -> str:
        """Return a template's text.

        Raises:
            ExpressionError: it cannot be evaluated.
            LookupNeeded: the outside world must be asked first.
        """
        if "{" not in text:
            return text
        template = compile_template(text)
        if template.is_static:
            return template.source
        return template.render(self.expression_scope(text, task, run, extra))

    def render_typed(
        self, value: Any, task: TaskPlan | None = None, run: TaskRun | None = None
    ) -> Any:
        """Return the value of a template with its type; what is no text passes through."""
        if not isinstance(value, str) or "{" not in value:
            return value
        template = compile_template(value)
        if template.is_static:
            return template.source
        return template.render_typed(self.expression_scope(value, task, run))

    def render_deep(
        self,
        value: Any,
        task: TaskPlan | None = None,
        run: TaskRun | None = None,
        extra: dict[str, Any] | None = None,
    ) -> Any:
        """Return a value with every text in it rendered."""
        return render_deep(value, self.expression_scope(value, task, run, extra))

    def outputs_of(self, run: TaskRun) -> dict[str, Any]:
        """Return the outputs of a task run, wherever they are.

        Raises:
            LookupNeeded: they are in a file that must be read first.
        """
        if run.outputs is None and run.outputs_uri is not None:
            return self.lookups.outputs(run.outputs_uri)
        return run.outputs or {}

    def holds(
        self,
        value: Any,
        task: TaskPlan | None = None,
        run: TaskRun | None = None,
        extra: dict[str, Any] | None = None,
    ) -> bool:
        """Tell whether a condition holds: its rendered text is not empty, false or zero."""
        if isinstance(value, bool):
            return value
        if value is None:
            return False
        return is_truthy_text(self.render(str(value), task, run, extra))

    def record_answers(self) -> None:
        """Record the answers that were used; called once what used them succeeded or failed."""
        if self._lookups is None or not self._lookups.used:
            return
        used = self._lookups.used
        self._lookups.used = {}
        for key, (name, answer) in used.items():
            if key in self._recorded:
                continue
            self._recorded.add(key)
            withheld = name in WITHHELD
            self.emit(
                LookupAnswered(
                    key=key,
                    value=None if withheld else answer.value,
                    error=answer.error,
                    withheld=withheld,
                )
            )


_KEY = "turn"


def keep_turn(turn: Turn) -> None:
    """Have a step that is not over stand beside its state."""
    vars(turn.state)[_KEY] = turn


def take_turn(state: Execution) -> Turn | None:
    """Take the step away that stands beside a state; None: there is none."""
    found: Turn | None = vars(state).pop(_KEY, None)
    return found


def timer_id(purpose: str, run_id: str | None) -> str:
    """Return the id of a timer: one of each purpose per task run, or per execution."""
    return purpose if run_id is None else f"{purpose}:{run_id}"
