"""The public filter fields of every resource: which there are and what they take.

What a filter means is in `meanings` and `labels`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from enum import Enum

import msgspec

from domain.errors import InvalidQuery
from projections.search import (
    AllOf,
    AnyOf,
    Clause,
    Filter,
    InvalidSort,
    Operation,
    Query,
    Sort,
    UnsupportedFilter,
)
from projections.store import (
    Condition,
    Every,
    Is,
    Order,
    Some,
    Words,
)
from projections.values import instant, words

_MAX_CLAUSES = 200
_MAX_DEPTH = 4


class Field(Enum):
    """Every field that any resource may be filtered by: constant and wire name."""

    CHILD_FILTER = "childFilter"
    METADATA = "metadata"
    TRIGGER_STATE = "triggerState"
    END_DATE = "endDate"
    PARENT_PATH = "parentPath"
    TRIGGER_EXECUTION_ID = "triggerExecutionId"
    TYPE = "type"
    TASK_RUN_ID = "taskRunId"
    PATH = "path"
    FLOW_REVISION = "flowRevision"
    ASSET_ID = "assetId"
    SCOPE = "scope"
    ID = "id"
    STATE = "state"
    FLOW_ID = "flowId"
    EXPIRATION_DATE = "expirationDate"
    TIME_RANGE = "timeRange"
    WORKER_ID = "workerId"
    MIN_LEVEL = "level"
    KIND = "kind"
    CREATED = "created"
    TRIGGER_ID = "triggerId"
    VERSION = "version"
    LABELS = "labels"
    QUERY = "q"
    EXECUTION_ID = "executionId"
    EXISTING_ONLY = "existingOnly"
    NAMESPACE = "namespace"
    UPDATED = "updated"
    START_DATE = "startDate"
    TASK_ID = "taskId"
    USERNAME = "username"

    @classmethod
    def parse(cls, text: str) -> Field:
        """Return the field of a wire name, or of a constant's name; raises InvalidQuery."""
        field = _BY_NAME.get(text)
        if field is None:
            known = ", ".join(member.value for member in cls)
            raise InvalidQuery(f"Unsupported field '{text}'. Expected one of: [{known}]")
        return field


_BY_NAME = {field.value: field for field in Field} | {field.name: field for field in Field}

_Op = Operation
EQUALITY = (_Op.EQUALS, _Op.NOT_EQUALS)
MEMBERSHIP = (*EQUALITY, _Op.IN, _Op.NOT_IN)
DATES = (
    _Op.GREATER_THAN_OR_EQUAL_TO,
    _Op.GREATER_THAN,
    _Op.LESS_THAN_OR_EQUAL_TO,
    _Op.LESS_THAN,
    _Op.EQUALS,
    _Op.NOT_EQUALS,
)
TEXTS = (
    _Op.EQUALS,
    _Op.NOT_EQUALS,
    _Op.CONTAINS,
    _Op.STARTS_WITH,
    _Op.ENDS_WITH,
    _Op.REGEX,
    _Op.IN,
    _Op.NOT_IN,
    _Op.PREFIX,
)
IDS = (
    _Op.EQUALS,
    _Op.NOT_EQUALS,
    _Op.CONTAINS,
    _Op.STARTS_WITH,
    _Op.ENDS_WITH,
    _Op.IN,
    _Op.NOT_IN,
)

Meaning = Callable[[Filter, datetime], Condition]
"""What a checked filter means; the instant is now."""


class Use(msgspec.Struct, frozen=True):
    """A field as one resource uses it."""

    operations: tuple[Operation, ...]
    meaning: Meaning


class Resource:
    """What one resource can be filtered and sorted by."""

    def __init__(
        self,
        name: str,
        uses: dict[Field, Use],
        sorts: dict[str, str],
        default_order: Sequence[Order],
        *,
        also: dict[Field, Use] | None = None,
    ) -> None:
        """Describe a resource.

        Args:
            name: as error texts name it (`EXECUTION`).
            uses: fields in the order in which error texts list them.
            sorts: public sort column to document field.
            default_order: the order when none is asked for; ends in a unique field.
            also: fields of newer dialects, understood but not listed in error texts.
        """
        self.name = name
        self.uses = uses
        self.sorts = sorts
        self.default_order = tuple(default_order)
        self._known = {**uses, **(also or {})}

    def condition(self, query: Query, now: datetime) -> Condition:
        """Return what a query asks for, its tenant included.

        Raises:
            InvalidQuery: an unknown field, a value that is none of its field's, groups too deep.
            UnsupportedFilter: a field or operation that this resource does not have.
        """
        conditions: list[Condition] = [Is("tenant", (query.tenant,))]
        budget = [_MAX_CLAUSES]
        conditions.extend(self._clause(clause, now, 0, budget) for clause in query.filters)
        if query.text is not None:
            conditions.append(Words(words(query.text)))
        _refuse_empty_span(_leaves(query.filters))
        return Every(tuple(conditions))

    def orders(self, sorts: Iterable[Sort]) -> tuple[Order, ...]:
        """Return the document order for public sorts, made total by the default order's last field.

        Raises:
            InvalidSort: not a sortable column.
        """
        orders: list[Order] = []
        for sort in sorts:
            field = self.sorts.get(sort.field)
            if field is None:
                raise InvalidSort(f"Invalid sort field: {sort.field}")
            orders.append(Order(field, sort.descending))
        if not orders:
            return self.default_order
        last = self.default_order[-1]
        if all(order.field != last.field for order in orders):
            orders.append(last)
        return tuple(orders)

    def knows(self, field: Field) -> bool:
        """Whether this resource can be filtered by a field."""
        return field in self._known

    def mentions(self, clauses: Iterable[Clause], field: Field) -> bool:
        """Whether any clause filters by a field."""
        return any(Field.parse(leaf.field) is field for leaf in _leaves(clauses))

    def _clause(self, clause: Clause, now: datetime, depth: int, budget: list[int]) -> Condition:
        budget[0] -= 1
        if depth > _MAX_DEPTH or budget[0] < 0:
            raise InvalidQuery("Too many or too deeply nested filters")
        match clause:
            case Filter():
                return self._filter(clause, now)
            case AllOf():
                return Every(tuple(self._clause(m, now, depth + 1, budget) for m in clause.members))
            case AnyOf():
                return Some(tuple(self._clause(m, now, depth + 1, budget) for m in clause.members))

    def _filter(self, wanted: Filter, now: datetime) -> Condition:
        field = Field.parse(wanted.field)
        use = self._known.get(field)
        if use is None:
            supported = ", ".join(member.name for member in self.uses)
            raise UnsupportedFilter(
                f"Provided query filters are invalid: Field {field.name} is not supported for"
                f" resource {self.name}. Supported fields are {supported}"
            )
        if wanted.operation not in use.operations:
            supported = ", ".join(operation.value for operation in use.operations)
            raise UnsupportedFilter(
                f"Provided query filters are invalid: Operation {wanted.operation.value} is not"
                f" supported for field {field.name}. Supported operations are {supported}"
            )
        return use.meaning(wanted, now)


def _leaves(clauses: Iterable[Clause]) -> Iterable[Filter]:
    for clause in clauses:
        if isinstance(clause, Filter):
            yield clause
        else:
            yield from _leaves(clause.members)


_LOWER = frozenset({_Op.GREATER_THAN, _Op.GREATER_THAN_OR_EQUAL_TO})
_UPPER = frozenset({_Op.LESS_THAN, _Op.LESS_THAN_OR_EQUAL_TO})


def _refuse_empty_span(leaves: Iterable[Filter]) -> None:
    starts: list[datetime] = []
    ends: list[datetime] = []
    for leaf in leaves:
        field = Field.parse(leaf.field)
        if field is Field.START_DATE and leaf.operation in _LOWER:
            starts.append(instant(leaf.value, field.value))
        elif field is Field.END_DATE and leaf.operation in _UPPER:
            ends.append(instant(leaf.value, field.value))
    if len(starts) == len(ends) == 1 and starts[0] > ends[0]:
        raise InvalidQuery("Start date must be before End Date")
