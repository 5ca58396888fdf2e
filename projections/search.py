"""The one query model of the read side: what a caller may ask of any read model, engine unknown.

A caller speaks in `Filter`s over the public field names (`flowId`, `state`, `q`, ...). The tables
of `projections.fields` check them and turn them into the `Condition`s of `projections.store`,
which every engine compiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, Generic, TypeVar

import msgspec

from domain.errors import InvalidQuery

T = TypeVar("T")

MAX_PAGE_SIZE = 10_000


class UnsupportedFilter(InvalidQuery):
    """A known field or operation that this resource does not have.

    The text begins `Provided query filters are invalid: `. API: 400 `Invalid query filters`; every
    other InvalidQuery is a 422 `Illegal argument`, but for the two below.
    """

    code = "QUERY002"


class InvalidSort(InvalidQuery):
    """A sort that is not `field:direction`, or of no sortable field. 422 `Unprocessable Entity`."""

    code = "QUERY003"


class InvalidPage(InvalidQuery):
    """A page or size out of bounds: `field` is `page` or `size`. 422 `Invalid entity`."""

    code = "QUERY004"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Operation(Enum):
    """How a field is compared."""

    EQUALS = "EQUALS"
    NOT_EQUALS = "NOT_EQUALS"
    GREATER_THAN = "GREATER_THAN"
    LESS_THAN = "LESS_THAN"
    GREATER_THAN_OR_EQUAL_TO = "GREATER_THAN_OR_EQUAL_TO"
    LESS_THAN_OR_EQUAL_TO = "LESS_THAN_OR_EQUAL_TO"
    IN = "IN"
    NOT_IN = "NOT_IN"
    STARTS_WITH = "STARTS_WITH"
    ENDS_WITH = "ENDS_WITH"
    CONTAINS = "CONTAINS"
    REGEX = "REGEX"
    PREFIX = "PREFIX"
    """The value itself or a dotted child of it."""

    @classmethod
    def parse(cls, text: str) -> Operation:
        """Return the operation of this name; raises InvalidQuery."""
        try:
            return cls(text)
        except ValueError:
            raise InvalidQuery(
                f"No enum constant io.kestra.core.models.QueryFilter.Op.{text}"
            ) from None


class Filter(msgspec.Struct, frozen=True):
    """One comparison."""

    field: str
    """Public name (`flowId`), or its constant's name (`FLOW_ID`)."""
    operation: Operation
    value: Any
    """Text as it came (IN, NOT_IN: comma-joined or a list), or the value itself."""
    key: str | None = None
    """Of a label filter: the label's key; None: the value is `key:value`."""


class AllOf(msgspec.Struct, frozen=True):
    """Every member holds."""

    members: tuple[Clause, ...]


class AnyOf(msgspec.Struct, frozen=True):
    """At least one member holds."""

    members: tuple[Clause, ...]


Clause = Filter | AllOf | AnyOf


class Sort(msgspec.Struct, frozen=True):
    """One sort column, by its public name (`state.startDate`)."""

    field: str
    descending: bool = False

    @classmethod
    def parse(cls, text: str) -> Sort:
        """Read `field:direction`; a direction other than `asc` counts as `desc`.

        Raises:
            InvalidSort: not of that shape.
        """
        field, colon, direction = text.partition(":")
        if not field or not colon or not direction or ":" in direction:
            raise InvalidSort("Invalid sort parameter")
        return cls(field, direction.lower() != "asc")


class Page(msgspec.Struct, frozen=True):
    """Which part of the hits is wanted. Raises InvalidPage when made out of bounds."""

    number: int = 1
    """From 1."""
    size: int = 10
    """1 to 10,000."""

    def __post_init__(self) -> None:
        if self.number < 1:
            raise InvalidPage("page", "must be greater than or equal to 1")
        if self.size < 1:
            raise InvalidPage("size", "must be greater than or equal to 1")
        if self.size > MAX_PAGE_SIZE:
            raise InvalidPage("size", f"must be less than or equal to {MAX_PAGE_SIZE}")

    @property
    def start(self) -> int:
        """How many hits come before the page."""
        return (self.number - 1) * self.size


class Query(msgspec.Struct, frozen=True):
    """What is asked of a read model: clauses are ANDed."""

    tenant: str
    filters: Sequence[Clause] = ()
    text: str | None = None
    """Loose full text: every word is the beginning of some word of the document (filter `q`)."""
    sorts: Sequence[Sort] = ()
    """None: the read model's own order."""
    page: Page = Page()


class Found(msgspec.Struct, Generic[T], frozen=True):
    """One page of hits."""

    results: list[T]
    total: int
    """Hits over all pages."""
