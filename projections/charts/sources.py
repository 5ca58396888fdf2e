"""The data that charts may draw: its fields, and the documents they stand in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from projections.executions.document import EXECUTIONS
from projections.executions.query import RESOURCE as EXECUTION_FILTERS
from projections.fields import Field, Resource
from projections.flows.document import FLOWS
from projections.flows.query import RESOURCE as FLOW_FILTERS
from projections.logs.document import LOGS
from projections.logs.query import RESOURCE as LOG_FILTERS
from projections.meanings import date_field, text_field, time_range
from projections.metrics.document import METRICS
from projections.store import (
    EVERYTHING,
    Condition,
    Exists,
    Is,
    Not,
    Order,
    ReadModel,
)
from projections.triggers.document import TRIGGERS
from projections.triggers.query import RESOURCE as TRIGGER_FILTERS
from projections.triggers.query import WITHOUT_ROW


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of data."""

    name: str
    model: ReadModel
    fields: Mapping[str, str]
    """Public name of a field -> field of the document."""
    date: str | None
    """Field that the window of time is about; None: the data has no time."""
    filters: Resource
    """How the filters of a whole dashboard are meant here."""
    base: Condition = EVERYTHING
    """Which documents count at all."""
    order: tuple[Order, ...] = ()
    """Order of rows that are single documents."""
    texts: frozenset[str] = frozenset()
    """Fields that can be shown, not compared or grouped by."""
    durations: frozenset[str] = frozenset()
    """Fields in milliseconds that are shown in seconds."""

    def supports(self, field: Field) -> bool:
        """Tell whether a filter by this field means something here."""
        return self.filters.knows(field)


_NOT_SPECIAL: Final = Not(Exists("execution_kind"))
_METRIC_FILTERS: Final = Resource(
    "METRIC",
    {
        Field.NAMESPACE: text_field("namespace"),
        Field.FLOW_ID: text_field("flow_id"),
        Field.EXECUTION_ID: text_field("execution_id"),
        Field.TASK_ID: text_field("task_id"),
        Field.TASK_RUN_ID: text_field("task_run_id"),
        Field.START_DATE: date_field("timestamp", "startDate"),
        Field.END_DATE: date_field("timestamp", "endDate"),
        Field.TIME_RANGE: time_range("timestamp"),
    },
    {},
    (Order("timestamp", descending=True), Order("id")),
)

SOURCES: Final[dict[str, Source]] = {
    "Executions": Source(
        name="Executions",
        model=EXECUTIONS,
        fields={
            "ID": "id",
            "NAMESPACE": "namespace",
            "FLOW_ID": "flow_id",
            "FLOW_REVISION": "flow_revision",
            "STATE": "state",
            "DURATION": "duration",
            "LABELS": "label_pairs",
            "START_DATE": "start_date",
            "END_DATE": "end_date",
            "TRIGGER_EXECUTION_ID": "trigger_execution_id",
        },
        date="start_date",
        filters=EXECUTION_FILTERS,
        base=Not(Exists("kind")),
        order=(Order("start_date", descending=True), Order("id")),
        durations=frozenset({"DURATION"}),
    ),
    "Flows": Source(
        name="Flows",
        model=FLOWS,
        fields={"ID": "id", "NAMESPACE": "namespace", "REVISION": "revision"},
        date=None,
        filters=FLOW_FILTERS,
        base=Not(Is("deleted", (True,))),
        order=(Order("namespace"), Order("id"), Order("key")),
    ),
    "Logs": Source(
        name="Logs",
        model=LOGS,
        fields={
            "NAMESPACE": "namespace",
            "FLOW_ID": "flow_id",
            "EXECUTION_ID": "execution_id",
            "TASK_ID": "task_id",
            "DATE": "timestamp",
            "TASK_RUN_ID": "task_run_id",
            "ATTEMPT_NUMBER": "attempt",
            "TRIGGER_ID": "trigger_id",
            "LEVEL": "level",
            "MESSAGE": "message",
        },
        date="timestamp",
        filters=LOG_FILTERS,
        base=_NOT_SPECIAL,
        order=(Order("timestamp", descending=True), Order("id")),
        texts=frozenset({"MESSAGE"}),
    ),
    "Metrics": Source(
        name="Metrics",
        model=METRICS,
        fields={
            "NAMESPACE": "namespace",
            "FLOW_ID": "flow_id",
            "TASK_ID": "task_id",
            "EXECUTION_ID": "execution_id",
            "TASK_RUN_ID": "task_run_id",
            "TYPE": "type",
            "NAME": "name",
            "VALUE": "value",
            "DATE": "timestamp",
        },
        date="timestamp",
        filters=_METRIC_FILTERS,
        base=_NOT_SPECIAL,
        order=(Order("timestamp", descending=True), Order("id")),
    ),
    "Triggers": Source(
        name="Triggers",
        model=TRIGGERS,
        fields={
            "ID": "key",
            "NAMESPACE": "namespace",
            "FLOW_ID": "flow_id",
            "TRIGGER_ID": "trigger_id",
            "EXECUTION_ID": "execution_id",
            "NEXT_EXECUTION_DATE": "next_date",
        },
        date=None,
        filters=TRIGGER_FILTERS,
        base=Not(Is("kind", WITHOUT_ROW)),
        order=(Order("namespace"), Order("flow_id"), Order("trigger_id"), Order("key")),
    ),
}
"""By the last part of the data's type; the KPI types stand for the same data."""
