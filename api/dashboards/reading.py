"""The source of a dashboard -> what it shows, or what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import msgspec
import yaml

from api.errors import ApiError, Detail, invalid_entity
from api.views.text import duration
from domain.duration import InvalidDuration, parse_duration
from domain.yaml.builder import DEFAULT_LIMITS
from domain.yaml.mistakes import YamlError
from domain.yaml.reader import read_yaml
from projections.charts.sources import SOURCES

View = dict[str, Any]

CHART: Final = "io.kestra.plugin.core.dashboard.chart."
DATA: Final = "io.kestra.plugin.core.dashboard.data."
DEFAULT_SPAN: Final = timedelta(days=30)
LONGEST_SPAN: Final = timedelta(days=366)
_LEGEND: Final = {"legend": {"enabled": True}, "tooltip": "ALL"}
_OPTIONS: Final[dict[str, View]] = {
    "TimeSeries": _LEGEND,
    "Bar": _LEGEND,
    "Pie": {"graphStyle": "DONUT", **_LEGEND},
    "Table": {"header": {"enabled": True}, "pagination": {"enabled": True}},
    "KPI": {"numberType": "FLAT"},
    "Markdown": {},
}
"""Types of charts, with the options that hold where nothing is said."""
_COLUMN: Final[dict[str, View]] = {
    "Table": {"columnAlignment": "LEFT"},
    "TimeSeries": {"graphStyle": "LINES"},
}
_AGGREGATED: Final = {"Bar": (1, 1), "Pie": (1, 1), "TimeSeries": (1, 2)}
"""How many aggregated columns a chart needs: at least, at most."""
_EXPLAINED: Final = 262_144
"""Longest source that is read twice for the sake of a message."""
_ID: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*")


class Dashboard(msgspec.Struct, frozen=True, kw_only=True):
    """A dashboard that can be drawn."""

    id: str
    source: str
    span: timedelta
    """How far back its charts look where nothing is said."""
    longest: timedelta
    """How far apart the ends of a window of time may be."""
    shown: View
    """As clients see it, without what the store knows."""
    charts: Mapping[str, View]
    """By id."""


def read_dashboard(source: str) -> Dashboard:
    """Return a dashboard; raises ApiError 422 with everything that is wrong."""
    content = _mapping(source, "dashboard", "Dashboard")
    violations = _violations(content)
    charts = [_chart(chart, violations, f"charts[{i}].") for i, chart in _listed(content)]
    span = _span(content, "default", DEFAULT_SPAN, violations)
    longest = _span(content, "max", LONGEST_SPAN, violations)
    if len({chart.get("id") for chart in charts}) < len(charts):
        violations.append(Detail("Duplicate chart id", "charts"))
    _refuse(violations)
    shown: View = {"id": content["id"], "title": content["title"]}
    if content.get("description") is not None:
        shown["description"] = content["description"]
    shown["timeWindow"] = {"max": duration(longest), "default": duration(span)}
    if charts:
        shown["charts"] = charts
    return Dashboard(
        id=content["id"],
        source=source,
        span=span,
        longest=longest,
        shown=shown,
        charts={chart["id"]: chart for chart in charts},
    )


def read_chart(source: str) -> View:
    """Return a chart that stands alone; raises ApiError 422 with everything that is wrong."""
    content = _mapping(source, "chart", "charts.Chart")
    if content.get("type") is None:
        raise _unknown_type("<null>", source)
    violations: list[Detail] = []
    chart = _chart(content, violations, "")
    _refuse(violations)
    return chart


def _mapping(source: str, what: str, java: str) -> View:
    try:
        _refuse_odd_texts(source, java)
        content = read_yaml(source).value
    except YamlError as error:
        message = f"Illegal {what} source: {error.message}"
        raise invalid_entity(message, Detail(error.message, "yaml")) from None
    if not isinstance(content, dict):
        message = "YAML parsing error: a mapping is expected"
        raise invalid_entity(f"Illegal {what} source: {message}", Detail(message, "yaml"))
    return content


def _refuse_odd_texts(source: str, java: str) -> None:
    """Raise YamlError where a text is asked for and a list or map begins: before its end is read.

    The words are those of the parser behind older servers, which reads as it goes. What is long or
    nested deeply is left to the bounded reader: libyaml's time grows with the square of the depth.
    """
    if len(source) > _EXPLAINED:
        return
    depth, key = 0, None
    try:
        for event in yaml.parse(source, Loader=yaml.CSafeLoader):
            is_open = isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent)
            if depth == 1 and key in {"id", "title", "description", "type"} and is_open:
                is_list = isinstance(event, yaml.SequenceStartEvent)
                shape, token = ("Array", "ARRAY") if is_list else ("Object", "OBJECT")
                mark = event.start_mark
                line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
                raise YamlError(
                    "YAML parsing error: Cannot deserialize value of type `java.lang.String` from"
                    f" {shape} value (token `JsonToken.START_{token}`)\n at [Source:"
                    f" (StringReader); line: {line}, column: {column}] (through reference chain:"
                    f' io.kestra.core.models.dashboards.{java}["{key}"]) (at line {line})',
                    line,
                    column,
                )
            if is_open:
                depth += 1
                if depth > DEFAULT_LIMITS.depth:
                    return
                key = None if depth == 1 else key
            elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
                depth -= 1
                key = None if depth == 1 else key
            elif depth == 1 and isinstance(event, yaml.ScalarEvent):
                key = event.value if key is None else None
    except yaml.YAMLError:
        return  # told by whoever reads it whole


def _violations(content: View) -> list[Detail]:
    found: list[Detail] = []
    for name in ("id", "title"):
        value = content.get(name)
        if value is None:
            found.append(Detail("must not be null", name))
        elif not isinstance(value, str):
            content[name] = str(value)
    own_id = content.get("id")
    if own_id is not None and not _ID.fullmatch(str(own_id)):
        found.append(Detail('must match "^[a-zA-Z0-9][a-zA-Z0-9_-]*"', "id"))
    return found


def _listed(content: View) -> list[tuple[int, Any]]:
    charts = content.get("charts")
    return list(enumerate(charts)) if isinstance(charts, list) else []


def _span(content: View, name: str, default: timedelta, violations: list[Detail]) -> timedelta:
    window = content.get("timeWindow")
    value = window.get(name) if isinstance(window, dict) else None
    if value is None:
        return default
    try:
        span = parse_duration(str(value))
    except InvalidDuration as error:
        violations.append(Detail(str(error), f"timeWindow.{name}"))
        return default
    if not timedelta(0) < span <= LONGEST_SPAN:
        violations.append(Detail(f"must be within {duration(LONGEST_SPAN)}", f"timeWindow.{name}"))
    return span


def _chart(content: Any, violations: list[Detail], path: str) -> View:
    if not isinstance(content, dict):
        violations.append(Detail("a mapping is expected", path.removesuffix(".")))
        return {}
    if content.get("id") is None:
        violations.append(Detail("must not be null", f"{path}id"))
    kind = _kind(content, CHART, _OPTIONS)
    view: View = {"id": str(content.get("id", "")), "type": content["type"]}
    options = content.get("chartOptions")
    if isinstance(options, dict):
        view["chartOptions"] = {"width": 6} | _merged(_OPTIONS[kind], options)
    if kind == "Markdown":
        return view | {key: content[key] for key in ("source", "content") if key in content}
    data = content.get("data")
    if not isinstance(data, dict):
        violations.append(Detail("must not be null", f"{path}data"))
        return view
    view["data"] = shown = dict(data)
    _kind(data, DATA, _DATA)
    shown["columns"] = _columns(kind, data.get("columns"), violations, f"{path}data.columns")
    return view


_DATA: Final = dict.fromkeys([*SOURCES, *(f"{name}KPI" for name in SOURCES)])


def _kind(content: View, package: str, known: Mapping[str, Any]) -> str:
    name = str(content.get("type", "<null>"))
    kind = name.removeprefix(package)
    if not name.startswith(package) or kind not in known:
        raise _unknown_type(name, "")
    return kind


def _columns(kind: str, columns: Any, violations: list[Detail], path: str) -> View:
    if not isinstance(columns, dict) or not columns:
        violations.append(Detail("must not be null", path))
        return {}
    if kind == "KPI":
        if columns.get("agg") is None:
            violations.append(Detail("a KPI chart needs an aggregated column", path))
        return dict(columns)
    shown: View = {}
    for name, column in columns.items():
        if not isinstance(column, dict):
            violations.append(Detail("a mapping is expected", f"{path}.{name}"))
            continue
        shown[name] = _COLUMN.get(kind, {}) | column
    least, most = _AGGREGATED.get(kind, (0, len(shown)))
    aggregated = sum(column.get("agg") is not None for column in shown.values())
    if not least <= aggregated <= most:
        count = str(least) if least == most else f"{least} or {most}"
        violations.append(Detail(f"a {kind} chart needs {count} aggregated columns", path))
    return shown


def _merged(defaults: View, given: View) -> View:
    merged = dict(defaults)
    for name, value in given.items():
        former = merged.get(name)
        both = isinstance(former, dict) and isinstance(value, dict)
        merged[name] = former | value if both else value
    return merged


def _unknown_type(name: str, source: str) -> ApiError:
    first = f"Invalid type: {name}"
    last = source.rpartition("\n")[2]
    place = f"line: {source.count(chr(10)) + 1}, column: {len(last) + 1}"
    second = (
        f"Could not resolve type id '{name}' as a subtype of `io.kestra.core.models.Plugin`: No"
        f" plugin registered for the defined type: '{name}'\n at [Source: (StringReader); {place}]"
    )
    return invalid_entity(first, Detail(first, ""), Detail(second, ""))


def _refuse(violations: list[Detail]) -> None:
    if violations:
        text = ", ".join(f"{detail.path}: {detail.message}" for detail in violations)
        raise invalid_entity(text, *violations)
