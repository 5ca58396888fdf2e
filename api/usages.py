"""What is used of the server: flows and their types, executions of the last day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from api.context import Context
from api.views.text import duration, instant
from domain.execution.lifecycle import StateType
from domain.flow.model import Flow
from domain.flow.render_json import task_json
from domain.ids import DEFAULT_TENANT
from projections.search import Filter, Operation, Query
from projections.store import Grouping, Interval, Key, Measure, MeasureKind

View = dict[str, Any]

_HOURS = 24
_COUNTED = (
    StateType.RESTARTED,
    StateType.QUEUED,
    StateType.CREATED,
    StateType.SUCCESS,
    StateType.KILLED,
    StateType.KILLING,
    StateType.RUNNING,
    StateType.FAILED,
    StateType.PAUSED,
    StateType.WARNING,
    StateType.CANCELLED,
)
"""States in the order in which clients have seen them counted."""
_BY_HOUR_AND_STATE = Grouping(
    (Key("hour", "start_date", Interval.HOUR), Key("state", "state")),
    (
        Measure("count", MeasureKind.COUNT),
        Measure("timed", MeasureKind.COUNT, "duration"),
        Measure("min", MeasureKind.MIN, "duration"),
        Measure("max", MeasureKind.MAX, "duration"),
        Measure("sum", MeasureKind.SUM, "duration"),
    ),
)


async def usages(own: Context) -> View:
    """Return how many flows there are, of which types, and the executions hour by hour."""
    flows = [
        flow
        for stored in own.ports.flows.latest(DEFAULT_TENANT)
        if (flow := own.ports.flows.get(stored.tenant, stored.namespace, stored.id)) is not None
    ]
    return {"flows": _flows(flows), "executions": {"dailyExecutionsCount": await _hours(own)}}


def _flows(flows: Iterable[Flow]) -> View:
    tasks: Counter[str] = Counter()
    triggers: Counter[str] = Counter()
    runners: Counter[str] = Counter()
    namespaces = []
    for flow in flows:
        namespaces.append(flow.namespace)
        for task in flow.all_tasks():
            tasks[task.type] += 1
            runner = task_json(task).get("taskRunner")
            if isinstance(runner, dict) and isinstance(runner.get("type"), str):
                runners[runner["type"]] += 1
        triggers.update(trigger.type for trigger in flow.triggers)
    return {
        "count": len(namespaces),
        "namespacesCount": len(set(namespaces)),
        "taskTypeCount": dict(tasks),
        "triggerTypeCount": dict(triggers),
        "taskRunnerTypeCount": dict(runners),
    }


async def _hours(own: Context) -> list[View]:
    last = own.ports.now().astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    first = last - timedelta(hours=_HOURS)
    since = Filter("startDate", Operation.GREATER_THAN_OR_EQUAL_TO, instant(first))
    query = Query(DEFAULT_TENANT, [since])
    rows = await own.ports.queries.executions.aggregate(query, _BY_HOUR_AND_STATE)
    by_hour: dict[datetime, list[dict[str, Any]]] = {}
    for row in rows:
        by_hour.setdefault(row["hour"], []).append(row)
    hours = [first + timedelta(hours=number) for number in range(_HOURS + 1)]
    return [_hour(hour, by_hour.get(hour, [])) for hour in hours]


def _hour(start: datetime, rows: list[dict[str, Any]]) -> View:
    counts = {row["state"]: int(row["count"]) for row in rows}
    timed = [row for row in rows if row["timed"]]
    took: View = {"count": 0}
    if timed:
        number, total = sum(int(row["timed"]) for row in timed), sum(row["sum"] for row in timed)
        took = {
            "min": _text(min(row["min"] for row in timed)),
            "avg": _text(total / number),
            "max": _text(max(row["max"] for row in timed)),
            "sum": _text(total),
            "count": number,
        }
    return {
        "startDate": instant(start),
        "duration": took,
        "executionCounts": {state.value: counts.get(state.value, 0) for state in _COUNTED},
        "groupBy": "hour",
    }


def _text(milliseconds: float) -> str:
    return duration(timedelta(milliseconds=round(milliseconds)))
