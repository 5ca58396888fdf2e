"""The definitions of Schedule and ScheduleOnDates triggers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, cast

import msgspec

from domain.dates.arithmetic import InvalidDate
from domain.dates.reading import read_date
from domain.dates.zones import parse_zone
from domain.errors import InvalidInput
from domain.execution.commands import CreateExecution
from domain.expression import ExpressionError, Fault, compile_template
from domain.expression.data import read_json
from domain.expression.text import datetime_text
from domain.flow.model import Flow
from domain.flow.triggers import Condition, FlowTrigger, Schedule, ScheduleOnDates, Trigger
from domain.ids import derived
from domain.trigger.condition import Facts, all_hold, when_holds
from domain.trigger.creation import Surroundings, Wanted, create, key_of, scope_of
from domain.trigger.definition import Definition, Firing, Recovery
from domain.trigger.schedule import next_date, next_fire_time, previous_date, previous_fire_time

Dates = Callable[[datetime], datetime | None]
ScheduledTrigger = Schedule | ScheduleOnDates

_ENCODER: Final = msgspec.json.Encoder(enc_hook=str, order="deterministic")


def is_scheduled(trigger: Trigger) -> bool:
    """Tell whether the scheduler fires a trigger by itself, at dates."""
    return isinstance(trigger, Schedule | ScheduleOnDates)


def fingerprint_of(flow: Flow, trigger: Trigger) -> str:
    """Return what is different when a trigger's dates may be different."""
    parts: list[Any] = [trigger.type, flow.disabled or trigger.disabled, trigger.when]
    conditions: tuple[Condition, ...] = trigger.conditions
    if isinstance(trigger, Schedule):
        parts += [trigger.cron, trigger.with_seconds, trigger.timezone]
        conditions += trigger.schedule_conditions
    elif isinstance(trigger, ScheduleOnDates):
        parts += [trigger.dates, trigger.timezone]
    elif isinstance(trigger, FlowTrigger):
        parts.append(trigger.window)
    parts.append(conditions)
    if conditions or trigger.when is not None:
        parts.append(flow.variables)
    return derived("fingerprint", _ENCODER.encode(parts).decode())


def schedule_definition(
    flow: Flow, trigger: ScheduledTrigger, surroundings: Surroundings
) -> Definition:
    """Return what a trigger means at the time of a command.

    Raises:
        LookupNeeded: its dates or time zone ask what the surroundings do not know; the functions
            of the definition raise it, too.
    """
    seed = key_of(flow, trigger.id).text
    zone: tzinfo = UTC
    broken: str | None = None
    after: Dates = _never
    before: Dates = _never
    try:
        name = trigger.timezone or surroundings.zone
        name = compile_template(name).render(scope_of(flow, seed, {}, surroundings))
        zone = parse_zone(name)
        if isinstance(trigger, Schedule):
            after, before = _cron(msgspec.structs.replace(trigger, timezone=name))
            after(surroundings.context.now)
        else:
            after, before = _listed(_dates(flow, trigger, seed, zone, surroundings))
    except (InvalidInput, ExpressionError, InvalidDate, Fault) as error:
        broken = f"Trigger '{trigger.id}' is invalid: {error}"

    def make(firing: Firing) -> CreateExecution:
        return _creation(definition, flow, trigger, zone, firing, surroundings)

    definition = Definition(
        kind=trigger.type,
        fingerprint=fingerprint_of(flow, trigger),
        next_after=after,
        last_before=before,
        create=make,
        holds=_selection(flow, trigger, seed, zone, surroundings),
        broken=broken,
        inactive=flow.disabled or trigger.disabled,
        exclusive=not trigger.allow_concurrent,
        stop_after=frozenset(trigger.stop_after),
        recover=cast(Recovery, trigger.recover_missed_schedules or surroundings.recover),
        latest=trigger.late_maximum_delay if isinstance(trigger, Schedule) else None,
        backfills=isinstance(trigger, Schedule),
    )
    return definition


def _never(instant: datetime) -> datetime | None:
    del instant
    return None


def _cron(trigger: Schedule) -> tuple[Dates, Dates]:
    return (
        lambda instant: _utc(next_fire_time(trigger, instant)),
        lambda instant: _utc(previous_fire_time(trigger, instant)),
    )


def _utc(date: datetime | None) -> datetime | None:
    return None if date is None else date.astimezone(UTC)


def _dates(
    flow: Flow, trigger: ScheduleOnDates, seed: str, zone: tzinfo, surroundings: Surroundings
) -> list[datetime]:
    scope = scope_of(flow, seed, {}, surroundings)
    written = trigger.dates
    if isinstance(written, str):
        written = compile_template(written).render_typed(scope)
        if isinstance(written, str) and written.lstrip().startswith("["):
            written = read_json(written)
    if not isinstance(written, list | tuple):
        written = [written]
    found = []
    for item in written:
        value = compile_template(item).render(scope) if isinstance(item, str) else item
        found.append(read_date(value, zone).astimezone(UTC))
    return found


def _listed(dates: list[datetime]) -> tuple[Dates, Dates]:
    return lambda instant: next_date(dates, instant), lambda instant: previous_date(dates, instant)


def _selection(
    flow: Flow, trigger: ScheduledTrigger, seed: str, zone: tzinfo, surroundings: Surroundings
) -> Callable[[datetime], bool] | None:
    """Return what selects dates; None: all are selected."""
    conditions = trigger.conditions
    if isinstance(trigger, Schedule):
        conditions += trigger.schedule_conditions
    when = trigger.when
    if not conditions and when is None:
        return None

    def holds(date: datetime) -> bool:
        text = datetime_text(date.astimezone(zone))
        known = {"date": text, "timestamp": text}
        scope = scope_of(flow, seed, {"trigger": known, "schedule": known}, surroundings)
        if not all_hold(conditions, Facts(flow=flow, scope=scope)):
            return False
        return when is None or when_holds(when, scope)

    return holds


def _creation(
    definition: Definition,
    flow: Flow,
    trigger: ScheduledTrigger,
    zone: tzinfo,
    firing: Firing,
    surroundings: Surroundings,
) -> CreateExecution:
    known = _variables(definition, zone, firing)
    # dates of a list come without variables, as observed
    variables = known if isinstance(trigger, Schedule) else {}
    scope = scope_of(
        flow, firing.execution_id, {"trigger": variables, "schedule": variables}, surroundings
    )
    backfill = firing.backfill
    wanted = Wanted(
        execution_id=firing.execution_id,
        variables=variables,
        scope=scope,
        inputs={} if backfill is None else backfill.inputs,
        labels=() if backfill is None else tuple(backfill.labels),
        error=firing.error,
    )
    creation = create(flow, trigger, trigger.inputs, wanted, surroundings)
    return msgspec.structs.replace(creation, schedule_date=firing.date)


def _variables(definition: Definition, zone: tzinfo, firing: Firing) -> dict[str, Any]:
    dates = {"date": firing.date}
    if firing.error is None:
        following, previous = definition.next(firing.date), definition.previous(firing.date)
        dates |= {} if following is None else {"next": following}
        dates |= {} if previous is None else {"previous": previous}
    return {name: datetime_text(date.astimezone(zone)) for name, date in dates.items()}
