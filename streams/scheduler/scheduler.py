"""Puts the scheduler together: one handler of `trigger.commands`, and the clock that fires."""

from __future__ import annotations

from collections.abc import Callable

from domain.execution.context import DEFAULT_SETTINGS, Settings
from domain.execution.state import Timer
from domain.ports.clock import Clock
from domain.ports.log import Log
from domain.ports.metrics import Metrics
from domain.ports.stores import Snapshots
from domain.sealed import Encrypt
from streams.answers import Answers
from streams.options import SchedulerOptions
from streams.scheduler.declared import DeclaredTriggers, TriggerCommands
from streams.scheduler.ports import FlowSource
from streams.scheduler.stepper import TriggerStepper
from streams.steps import StepHandler
from streams.timers import TimerClock

GROUP = "scheduler"
"""Name of the schedulers' consumer group."""


class Scheduler:
    """A scheduler's parts. Started before, and closed after, whatever drives the handler."""

    def __init__(
        self,
        handler: StepHandler,
        stepper: TriggerStepper,
        declared: DeclaredTriggers,
        timers: TimerClock,
    ) -> None:
        self.handler = handler
        """To be driven by the engine: a `CommandLoop`, or a Faust app."""
        self.stepper = stepper
        self._declared = declared
        self._timers = timers

    def start(self) -> None:
        """Follow the flows, which must be caught up, and let the clock run."""
        self._declared.start()
        self._timers.start()

    def close(self) -> None:
        """Stop the clock, and store what was folded."""
        self._timers.close()
        self.stepper.close()


def build_scheduler(
    log: Log,
    flows: FlowSource,
    answers: Answers,
    clock: Clock,
    options: SchedulerOptions,
    metrics: Metrics,
    *,
    writer: str,
    committed: Callable[[int], int | None],
    fatal: Callable[[BaseException], None],
    soon: Callable[[Callable[[], None]], None] | None = None,
    settings: Settings = DEFAULT_SETTINGS,
    encrypt: Encrypt | None = None,
    snapshots: Snapshots | None = None,
) -> Scheduler:
    """Return a scheduler; nothing runs yet.

    Args:
        log: where to read and write.
        flows: the flows in force; to be started before the scheduler.
        answers: answers the functions of triggers' expressions.
        clock: the time that dates are compared with.
        options: zone and recovery of triggers that name none.
        metrics: where to count.
        writer: name of this process in event records; another process must never have it.
        committed: the committed offset of a partition of `trigger.commands`.
        fatal: told once of what forbids to go on.
        soon: runs something on the handler's thread; None where the log has one process only.
        settings: what the configuration says to every expression.
        encrypt: seals SECRET inputs.
        snapshots: local cache of folded triggers, for quick starts; None: fold the log.
    """
    commands = TriggerCommands(log.writer, fatal)
    declared = DeclaredTriggers(flows, commands)

    def due(partition: int, text: str, timer: Timer) -> None:
        try:
            stepper.due(partition, text, timer.id)
        except Exception as error:  # noqa: BLE001 - the clock's thread must not die unseen
            fatal(error)

    timers = TimerClock(clock, due)
    stepper = TriggerStepper(
        log,
        flows,
        declared,
        commands,
        answers,
        timers,
        clock,
        options,
        metrics,
        settings=settings,
        encrypt=encrypt,
        snapshots=snapshots,
    )
    handler = StepHandler(
        log,
        stepper,
        writer=writer,
        component=GROUP,
        committed=committed,
        fatal=fatal,
        metrics=metrics,
        soon=soon,
    )
    return Scheduler(handler, stepper, declared, timers)
