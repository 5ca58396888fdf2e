"""A chart as the read side sees it: columns, conditions, order."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from projections.charts.sources import Source
from projections.search import Clause


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a chart's rows."""

    name: str
    field: str | None = None
    """Public name; None: whole documents, which can only be counted."""
    aggregation: str | None = None
    """COUNT, SUM, AVG, MIN or MAX; None: rows are grouped by the column."""
    label_key: str | None = None
    """Of the field LABELS: the label that is meant."""


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """One condition that a chart sets."""

    type: str
    """EQUAL_TO, IN, CONTAINS, ..., or OR."""
    field: str
    values: tuple[Any, ...] = ()
    label_key: str | None = None
    members: tuple[Where, ...] = ()
    """Of OR: one of these must hold."""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """What a chart draws."""

    source: Source
    columns: tuple[Column, ...]
    where: tuple[Where, ...] = ()
    order: tuple[tuple[str, bool], ...] = ()
    """Columns by name, and whether the greatest comes first."""
    time_column: str | None = None
    """Column whose instants are put together in buckets of time; rows are in its order then."""
    numerator: tuple[Where, ...] = ()
    """Of a single number: what is counted, of that for which `where` holds."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a chart besides what it says itself."""

    tenant: str
    start: datetime
    end: datetime
    filters: tuple[Clause, ...] = ()
    """Filters of the whole dashboard; those that the data does not know are left out."""
