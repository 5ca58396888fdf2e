"""The windows of flow triggers as events: what was met, what it started, what was missed."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.dates.zones import parse_zone
from domain.execution.commands import CreateExecution
from domain.execution.state import Label
from domain.flow.model import Flow
from domain.flow.triggers import FlowTrigger
from domain.trigger.commands import FireTrigger, RecordUpstream
from domain.trigger.creation import Surroundings, key_of
from domain.trigger.definition import Definition, Firing, InvalidTrigger, firing_id
from domain.trigger.events import (
    DeadlineKept,
    DeadlineMissed,
    FlowTriggered,
    TriggerEvent,
    UpstreamMet,
)
from domain.trigger.flows import merged_outputs, started, with_outputs
from domain.trigger.schedules import fingerprint_of
from domain.trigger.state import Source, Trigger, Upstream, Window
from domain.trigger.upstream import Gathering, gathering_of
from domain.trigger.windows import Bounds


def record_upstream(
    flow: Flow, state: Trigger | None, command: RecordUpstream, surroundings: Surroundings
) -> tuple[TriggerEvent, ...]:
    """Return the events of an execution that met conditions of a flow trigger.

    Args:
        flow: in the revision that was asked.
        state: the trigger so far; None before its first event.
        command: what was met, by whom.
        surroundings: see `Surroundings`.
    """
    trigger = flow.find_trigger(command.key.trigger_id)
    window = None if state is None else state.window
    if (
        not isinstance(trigger, FlowTrigger)
        or (state is not None and state.disabled)
        or (state is not None and _is_told(state, command.source))
    ):
        return ()
    gathering = _gathering(trigger, surroundings)
    upstream = command.upstream
    bounds = None if gathering is None else gathering.span.bounds(upstream.at, window)
    if gathering is None or bounds is None or _is_past(bounds, window):
        return ()
    current = window if window is not None and _is(window, bounds) else Window()
    kept, expired = _kept(current, gathering, upstream)
    for key in command.met:
        kept.pop(key, None)
        kept[key] = upstream
    met = UpstreamMet(
        met=command.met,
        upstream=upstream,
        source=command.source,
        start=bounds.start,
        end=bounds.end,
        expired=expired,
    )
    if len(kept) < gathering.needed or (gathering.fires_once and current.fired):
        return (met,)
    creation = started(
        flow,
        trigger,
        execution_id=command.command_id,
        variables=with_outputs(command.variables, merged_outputs(kept, gathering)),
        source=command.reached,
        correlation_id=command.correlation_id,
        surroundings=surroundings,
    )
    return (met, FlowTriggered(creation=creation, reset=gathering.resets))


def deadline_definition(
    flow: Flow, trigger: FlowTrigger, surroundings: Surroundings
) -> Definition | None:
    """Return the dates at which a flow trigger's deadline passes; None: it has none."""
    gathering = _gathering(trigger, surroundings)
    if gathering is None or gathering.span.closes is None or trigger.on_miss is None:
        return None

    def never(firing: Firing) -> CreateExecution:
        raise InvalidTrigger(f"a deadline starts nothing by itself: {firing.date}")

    return Definition(
        kind=trigger.type,
        fingerprint=fingerprint_of(flow, trigger),
        next_after=gathering.span.next_close,
        last_before=gathering.span.last_close,
        create=never,
        inactive=flow.disabled or trigger.disabled,
        exclusive=False,
        recover="LAST",
        backfills=False,
    )


def deadline_passed(
    flow: Flow,
    state: Trigger | None,
    command: FireTrigger,
    definition: Definition,
    surroundings: Surroundings,
) -> tuple[TriggerEvent, ...]:
    """Return the events of a deadline: kept, or missed with a failed execution."""
    date = command.date.astimezone(UTC)
    trigger = flow.find_trigger(command.key.trigger_id)
    if (
        state is None
        or not isinstance(trigger, FlowTrigger)
        or state.due_date != date
        or surroundings.context.now < date
    ):
        return ()
    following = definition.next(date)
    window = state.window
    if window is not None and window.end == date and window.fired:
        return (DeadlineKept(date=date, next_date=following),)
    met = {} if window is None or window.end != date else window.met
    labels = () if trigger.on_miss is None else trigger.on_miss.labels
    creation = started(
        flow,
        trigger,
        execution_id=firing_id(key_of(flow, trigger.id), date, None),
        variables={},
        source={},
        correlation_id=None,
        surroundings=surroundings,
        labels=tuple(Label(label.key, label.value) for label in labels),
        error=_reason(date, met, trigger, surroundings),
    )
    return (DeadlineMissed(date=date, creation=creation, next_date=following),)


def _reason(
    date: datetime, met: dict[str, Upstream], trigger: FlowTrigger, surroundings: Surroundings
) -> str:
    gathering = _gathering(trigger, surroundings)
    needed = 0 if gathering is None else gathering.needed
    return (
        f"The deadline {date:%Y-%m-%dT%H:%M:%SZ} of trigger '{trigger.id}' passed with "
        f"{len(met)} of {needed} dependencies met."
    )


def _gathering(trigger: FlowTrigger, surroundings: Surroundings) -> Gathering | None:
    try:
        return gathering_of(trigger, parse_zone(surroundings.zone))
    except InvalidTrigger:
        return None


def _is_told(state: Trigger, source: Source) -> bool:
    last = state.told.get(source.partition)
    return last is not None and source <= last


def _is(window: Window, bounds: Bounds) -> bool:
    return (window.start, window.end) == (bounds.start, bounds.end)


def _is_past(bounds: Bounds, window: Window | None) -> bool:
    """Tell whether a window has passed: news of it come late, and must not undo the present one."""
    return (
        window is not None
        and bounds.start is not None
        and window.start is not None
        and bounds.start < window.start
    )


def _kept(
    window: Window, gathering: Gathering, upstream: Upstream
) -> tuple[dict[str, Upstream], list[str]]:
    """Return what still counts of a window, and the keys that do not any more."""
    known = {requirement.key for requirement in gathering.requirements}
    lookback = gathering.span.lookback
    kept: dict[str, Upstream] = {}
    expired: list[str] = []
    for key, earlier in window.met.items():
        if lookback is not None and upstream.at - earlier.at > lookback:
            expired.append(key)
        elif key in known:
            kept[key] = earlier
    return kept, expired
