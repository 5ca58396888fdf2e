"""Triggers as JSON: where each stands."""

from __future__ import annotations

from typing import Any

from api.views.text import instant
from domain.trigger.state import Backfill, Trigger

View = dict[str, Any]


def trigger_view(trigger: Trigger) -> View:
    """Return the state of a trigger as 1.x clients know it."""
    view = _ids(trigger)
    date = trigger.last_date or trigger.created
    if date is not None:
        view["date"] = instant(date)
    if trigger.next_date is not None and not trigger.disabled:
        view["nextExecutionDate"] = instant(trigger.next_date)
    if trigger.backfill is not None:
        view["backfill"] = _backfill(trigger.backfill)
    if trigger.is_locked:
        view["executionId"] = trigger.running[-1]
    view["disabled"] = trigger.disabled
    if trigger.updated is not None and (trigger.last_date or trigger.backfill):
        view["updatedDate"] = instant(trigger.updated)
    return view


def trigger_state_view(trigger: Trigger) -> View:
    """Return the state of a trigger as 2.0 clients know it, beside what 1.x clients know."""
    view = trigger_view(trigger)
    if trigger.updated is not None:
        view["updatedAt"] = instant(trigger.updated)
    if trigger.next_date is not None and not trigger.disabled:
        view["nextEvaluationDate"] = instant(trigger.next_date)
    if trigger.last_date is not None:
        view["lastTriggeredDate"] = instant(trigger.last_date)
    return view | {"locked": trigger.is_locked}


def _ids(trigger: Trigger) -> View:
    key = trigger.key
    return {
        "tenantId": key.tenant,
        "namespace": key.namespace,
        "flowId": key.flow_id,
        "triggerId": key.trigger_id,
    }


def _backfill(backfill: Backfill) -> View:
    view: View = {
        "start": instant(backfill.start),
        "end": instant(backfill.end),
        "currentDate": instant(backfill.current_date),
        "paused": backfill.paused,
    }
    if backfill.inputs:
        view["inputs"] = backfill.inputs
    if backfill.labels:
        view["labels"] = [{"key": label.key, "value": label.value} for label in backfill.labels]
    if backfill.resume_date is not None:
        view["previousNextExecutionDate"] = instant(backfill.resume_date)
    return view
