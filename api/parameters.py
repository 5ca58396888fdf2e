"""Parameters of the query string: typed values, and the filters, sorts and page of a search."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from litestar import Request

from api.errors import bad_request, illegal_argument, missing_query, unconvertible, unprocessable
from domain.execution.lifecycle import StateType
from domain.ids import DEFAULT_TENANT
from projections.search import AllOf, AnyOf, Clause, Filter, Operation, Page, Query, Sort

E = TypeVar("E", bound=Enum)

_FILTER = re.compile(
    r"^filters((?:\[(?:and|or)\]\[\d+\])*)\[([^\[\]]+)\](?:\[([^\[\]]+)\])?(\[.*\])?$",
    re.IGNORECASE,
)
_GROUP = re.compile(r"\[(and|or)\]\[(\d+)\]", re.IGNORECASE)
_STATE_TYPE = "io.kestra.core.models.flows.State.Type"
_FLAT = {
    "q": ("q", Operation.EQUALS),
    "scope": ("scope", Operation.EQUALS),
    "namespace": ("namespace", Operation.PREFIX),
    "flowId": ("flowId", Operation.EQUALS),
    "startDate": ("startDate", Operation.GREATER_THAN_OR_EQUAL_TO),
    "endDate": ("endDate", Operation.LESS_THAN_OR_EQUAL_TO),
    "timeRange": ("timeRange", Operation.EQUALS),
    "triggerExecutionId": ("triggerExecutionId", Operation.EQUALS),
    "childFilter": ("childFilter", Operation.EQUALS),
    "minLevel": ("level", Operation.EQUALS),
    "triggerId": ("triggerId", Operation.EQUALS),
    "workerId": ("workerId", Operation.EQUALS),
    "kind": ("kind", Operation.EQUALS),
}
"""Flat parameters of older clients: their field and operation."""


class Parameters:
    """The query string of one request, in order."""

    def __init__(self, query_string: bytes) -> None:
        try:
            self._pairs = parse_qsl(
                query_string.decode("ascii"), keep_blank_values=True, errors="strict"
            )
        except (UnicodeDecodeError, ValueError):
            raise bad_request("the query is not UTF-8") from None

    @classmethod
    def of(cls, request: Request[Any, Any, Any]) -> Parameters:
        """Return the parameters of a request."""
        return cls(request.scope["query_string"])

    def items(self) -> Iterable[tuple[str, str]]:
        """All names and values."""
        return self._pairs

    def text(self, name: str) -> str | None:
        """The first value of a name; None when it is not there or empty."""
        for key, value in self._pairs:
            if key == name:
                return value or None
        return None

    def texts(self, name: str) -> list[str]:
        """All values of a name; a value may join several by commas."""
        return [
            part for key, value in self._pairs if key == name for part in value.split(",") if part
        ]

    def every(self, name: str) -> list[str]:
        """All values of a name, as they came."""
        return [value for key, value in self._pairs if key == name]

    def require(self, name: str) -> str:
        """The first value of a name; raises ApiError 400 when it is not there."""
        value = self.text(name)
        if value is None:
            raise missing_query(name)
        return value

    def number(self, name: str, default: int | None = None) -> int | None:
        """A whole number; raises ApiError 422 for anything else."""
        value = self.text(name)
        return default if value is None else _whole(name, value)

    def numbers(self, name: str) -> list[int]:
        """The whole numbers of a name, at least one; raises ApiError 400, 422."""
        self.require(name)
        return [_whole(name, value) for value in self.texts(name)]

    def truth(self, name: str, *, default: bool = False) -> bool:
        """A boolean; what is none counts as false."""
        value = self.text(name)
        return default if value is None else value.lower() == "true"

    def choice(self, name: str, kind: type[E], java: str) -> E | None:
        """A member of an enumeration; raises ApiError 422 for another name."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return kind(value)
        except ValueError:
            raise unconvertible(name, value, f"No enum constant {java}.{value}") from None

    def moment(self, name: str) -> datetime | None:
        """An instant; raises ApiError 422 when it cannot be read."""
        value = self.text(name)
        if value is None:
            return None
        found = read_moment(value)
        if found is None:
            raise unconvertible(name, value, f"Text '{value}' could not be parsed at index 0")
        return found


def _whole(name: str, value: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,10}", value, re.ASCII):
        raise unconvertible(name, value, f'For input string: "{value}"')
    return int(value)


def read_moment(text: str) -> datetime | None:
    """Return the instant of an ISO-8601 text (UTC where it has no offset); None when it is none."""
    try:
        found = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        return None
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError:
        return None


def read_page(parameters: Parameters, size: int = 10) -> Page:
    """Return the page asked for; raises InvalidPage, ApiError."""
    number = parameters.number("page", 1)
    wanted = parameters.number("size", size)
    return Page(1 if number is None else number, size if wanted is None else wanted)


def read_sorts(parameters: Parameters) -> list[Sort]:
    """Return the sort columns asked for; raises InvalidSort."""
    return [Sort.parse(value) for value in parameters.every("sort")]


def read_query(
    parameters: Parameters, flat: frozenset[str] = frozenset(), *, paged: bool = True
) -> Query:
    """Return what a search asks for.

    Args:
        parameters: the query string.
        flat: names of the flat parameters of older clients that this resource has.
        paged: False for actions on all hits.
    """
    filters = [*_filters(parameters), *_flat(parameters, flat)]
    if not paged:
        return Query(DEFAULT_TENANT, filters)
    return Query(DEFAULT_TENANT, filters, sorts=read_sorts(parameters), page=read_page(parameters))


def read_labels(values: Iterable[str]) -> list[tuple[str, str]]:
    """Return `key:value` texts as pairs; raises ApiError 422 for one without a colon."""
    pairs = []
    for text in values:
        key, colon, value = text.partition(":")
        if not colon:
            raise unprocessable("Can't split the queryString parameter by ':'")
        pairs.append((key, value))
    return pairs


def _filters(parameters: Parameters) -> list[Clause]:
    clauses: list[Clause] = []
    groups: dict[tuple[tuple[str, int], ...], list[Clause]] = {}
    for name, value in parameters.items():
        if not name.startswith("filters["):
            continue
        match = _FILTER.match(name)
        if match is None:
            raise illegal_argument(f"Unreadable filter '{name}'")
        group, field, operation, key = match.groups()
        if operation is None:
            continue
        leaf = Filter(field, Operation.parse(operation), value, key[1:-1] if key else None)
        if group:
            path = tuple((kind.lower(), int(index)) for kind, index in _GROUP.findall(group))
            groups.setdefault(path, []).append(leaf)
        else:
            clauses.append(leaf)
    return clauses + _tree(groups)


def _tree(groups: dict[tuple[tuple[str, int], ...], list[Clause]]) -> list[Clause]:
    """Return the clauses of nested groups: leaves of one index are ANDed."""
    kinds: dict[str, dict[int, dict[tuple[tuple[str, int], ...], list[Clause]]]] = {}
    for path, leaves in groups.items():
        (kind, index), *rest = path
        kinds.setdefault(kind, {}).setdefault(index, {})[tuple(rest)] = leaves
    clauses: list[Clause] = []
    for kind, by_index in kinds.items():
        members = tuple(_member(inner) for _, inner in sorted(by_index.items()))
        clauses.append(AnyOf(members) if kind == "or" else AllOf(members))
    return clauses


def _member(inner: dict[tuple[tuple[str, int], ...], list[Clause]]) -> Clause:
    nested = {path: leaves for path, leaves in inner.items() if path}
    clauses = [*inner.get((), []), *_tree(nested)]
    return clauses[0] if len(clauses) == 1 else AllOf(tuple(clauses))


def _flat(parameters: Parameters, names: frozenset[str]) -> list[Clause]:
    if not names:
        return []
    given = {name for name, value in parameters.items() if value}
    if "timeRange" in names and "timeRange" in given and given & {"startDate", "endDate"}:
        raise illegal_argument(
            "Parameters 'startDate'/'endDate' and 'timeRange' are mutually exclusive"
        )
    clauses: list[Clause] = []
    for name in names & given & _FLAT.keys():
        field, operation = _FLAT[name]
        clauses.append(Filter(field, operation, parameters.text(name)))
    if "labels" in names:
        pairs = read_labels(parameters.every("labels"))
        clauses += [Filter("labels", Operation.EQUALS, value, key) for key, value in pairs]
    if "state" in names and (states := parameters.texts("state")):
        for state in states:
            if state not in StateType.__members__:
                raise unconvertible("state", state, f"No enum constant {_STATE_TYPE}.{state}")
        clauses.append(Filter("state", Operation.IN, states))
    return clauses
