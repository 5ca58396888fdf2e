"""The read store: what the read models ask of SQLite and OpenSearch alike."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from enum import Enum
from importlib import resources
from typing import Any, Protocol, get_origin

import msgspec

from domain.errors import TidewheelError


class StoreUnavailable(TidewheelError):
    """The store cannot be reached or does not answer; asking again later may help."""

    code = "STORE001"


class ReadModel:
    """One kind of document: its name, its strict mapping and how it is looked up.

    The mapping file is OpenSearch's; the SQLite adapter derives its columns from the same file.
    """

    def __init__(
        self,
        name: str,
        document: type[msgspec.Struct],
        *,
        lookups: Sequence[tuple[str, ...]],
        key: str = "id",
        routing: str | None = None,
    ) -> None:
        """Describe a read model.

        Args:
            name: folder below `projections`, and stem of the index's name.
            document: the Struct that is stored; its members are the mapping's properties.
            lookups: field combinations that SQLite indexes.
            key: field that holds the document's id.
            routing: field whose documents of equal value OpenSearch keeps on one shard.
        """
        self.name = name
        self.document = document
        self.lookups = tuple(lookups)
        self.key = key
        self.routing = routing
        file = resources.files("projections").joinpath(name, "mapping.json")
        self.mapping: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        self.fields: dict[str, str] = {
            field: definition.get("type", "object")
            for field, definition in self.mapping["properties"].items()
        }
        self.decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(document)
        self.texts = tuple(field for field, kind in self.fields.items() if kind == "text")
        """Fields with free text."""
        members = msgspec.structs.fields(document)
        self.lists = frozenset(member.name for member in members if get_origin(member.type) is list)
        """Fields with many values."""
        self.required = frozenset(member.name for member in members if member.required)
        """Fields that every document has."""

    def __repr__(self) -> str:
        return f"ReadModel({self.name})"

    @property
    def columns(self) -> tuple[str, ...]:
        """Fields that are indexed as one value: neither free text, nor opaque, nor lists."""
        return tuple(
            field
            for field, kind in self.fields.items()
            if kind not in {"object", "text"} and field not in self.lists
        )


# -- conditions -------------------------------------------------------------------------------


class Is(msgspec.Struct, frozen=True):
    """The field has one of these values; no value at all matches nothing."""

    field: str
    values: tuple[Any, ...]


class Exists(msgspec.Struct, frozen=True):
    """The field has a value."""

    field: str


class Between(msgspec.Struct, frozen=True):
    """The field lies between bounds; None is no bound."""

    field: str
    above: Any = None
    at_least: Any = None
    below: Any = None
    at_most: Any = None


class StartsWith(msgspec.Struct, frozen=True):
    """The field begins with a text, letter case counts."""

    field: str
    text: str


class EndsWith(msgspec.Struct, frozen=True):
    """The field ends with a text, letter case counts."""

    field: str
    text: str


class Contains(msgspec.Struct, frozen=True):
    """The field holds a text somewhere, letter case counts."""

    field: str
    text: str
    after: str = ""
    """The value must begin with this, and hold `text` behind it (labels: key and separator)."""


class Matches(msgspec.Struct, frozen=True):
    """A regular expression (`projections.regex`) is found in the field."""

    field: str
    pattern: str


class Words(msgspec.Struct, frozen=True):
    """Every word is the beginning of some word of a text field; of no words: everything."""

    words: tuple[str, ...]
    field: str = "text"


class Not(msgspec.Struct, frozen=True):
    """The condition does not hold; a missing value counts as not holding."""

    condition: Condition


class Every(msgspec.Struct, frozen=True):
    """All conditions hold; of none: everything."""

    conditions: tuple[Condition, ...] = ()


class Some(msgspec.Struct, frozen=True):
    """At least one condition holds; of none: nothing."""

    conditions: tuple[Condition, ...]


Condition = (
    Is | Exists | Between | StartsWith | EndsWith | Contains | Matches | Words | Not | Every | Some
)

EVERYTHING = Every()


# -- reading ----------------------------------------------------------------------------------


class Order(msgspec.Struct, frozen=True):
    """One sort column; documents without a value come last."""

    field: str
    descending: bool = False


class Hits(msgspec.Struct, frozen=True):
    """Documents as decoded Structs of the read model, and the number of all hits."""

    documents: list[Any]
    total: int


class Interval(Enum):
    """Width of a date bucket, aligned to the UTC calendar; weeks begin on Monday."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Key(msgspec.Struct, frozen=True):
    """One grouping column."""

    name: str
    field: str
    interval: Interval | None = None
    """Of date fields: group by the beginning (UTC) of this interval."""
    prefix: str = ""
    """Of a field with many values (labels): only values that begin so, with that part cut off."""


class MeasureKind(Enum):
    """What is computed over the documents of a group."""

    COUNT = "COUNT"
    SUM = "SUM"
    AVG = "AVG"
    MIN = "MIN"
    MAX = "MAX"


class Measure(msgspec.Struct, frozen=True):
    """One computed column."""

    name: str
    kind: MeasureKind
    field: str | None = None
    """None with COUNT: documents; with COUNT and a field: documents that have it."""


class Grouping(msgspec.Struct, frozen=True):
    """Terms and date histograms by one or more keys; without keys one row over all."""

    keys: tuple[Key, ...]
    measures: tuple[Measure, ...]
    limit: int = 10_000
    """At most so many rows: the groups of the most documents."""


# -- writing ----------------------------------------------------------------------------------


class Upsert(msgspec.Struct, frozen=True):
    """Write a document unless the stored one has the same or a higher version."""

    model: ReadModel
    id: str
    version: int
    document: msgspec.Struct


class Delete(msgspec.Struct, frozen=True):
    """Delete a document unless the stored one has a higher version."""

    model: ReadModel
    id: str
    version: int
    routing: str | None = None
    """Value of the model's routing field."""


class DeleteWhere(msgspec.Struct, frozen=True):
    """Delete every document for which the condition holds."""

    model: ReadModel
    condition: Condition


Write = Upsert | Delete | DeleteWhere


class Failure(msgspec.Struct, frozen=True):
    """A write that the store refused for good: writing it again would be refused again."""

    write: Write
    reason: str


class DocumentWriter(Protocol):
    """Takes what the projections make. Thread-safe; calls block."""

    def bulk(self, writes: Sequence[Write]) -> list[Failure]:
        """Write all in order; a stale version is dropped and is no failure.

        Raises:
            StoreUnavailable: nothing or a part was written; all may be written again.
        """
        ...

    def sync(self) -> None:
        """Make everything written so far survive a power cut; raises StoreUnavailable."""
        ...


class ReadStore(DocumentWriter, Protocol):
    """One engine's read models. Thread-safe; calls block, so event loops call it on a thread."""

    def search(
        self,
        model: ReadModel,
        condition: Condition,
        orders: Sequence[Order] = (),
        *,
        start: int = 0,
        size: int = 10,
        distinct: str | None = None,
    ) -> Hits:
        """The documents of a page, near-real-time.

        `distinct`: only the first document, by the orders, of each value of this field; the total
        then counts values. Raises StoreUnavailable.
        """
        ...

    def get(self, model: ReadModel, document_id: str) -> Any | None:
        """The document as last written, refreshed or not; None when there is none."""
        ...

    def count(self, model: ReadModel, condition: Condition) -> int:
        """How many documents a condition holds for."""
        ...

    def aggregate(
        self, model: ReadModel, condition: Condition, grouping: Grouping
    ) -> list[dict[str, Any]]:
        """One row per group: key names (a date as an aware datetime) and measure names.

        Documents without a value of a key are left out. Rows are in no fixed order.
        """
        ...

    def scan(
        self, model: ReadModel, condition: Condition, orders: Sequence[Order] = ()
    ) -> Iterator[Any]:
        """Every document for which the condition holds, as of one moment, in any number."""
        ...

    def refresh(self) -> None:
        """Make everything written so far visible to searches."""
        ...

    def close(self) -> None:
        """Release."""
        ...


class Generations(Protocol):
    """How a store rebuilds a read model beside the live one."""

    def outdated(self) -> list[ReadModel]:
        """Models that are new here, or stored in another shape: to be rebuilt first."""
        ...

    def adopt(self, models: Sequence[ReadModel]) -> None:
        """Declare the live generations complete as they are."""
        ...

    def claim(self, owner: str, seconds: float) -> bool:
        """Take or renew the right to change generations for so long; False: another has it."""
        ...

    def release(self, owner: str) -> None:
        """Give the right back, if this owner has it."""
        ...

    def begin(self, models: Sequence[ReadModel]) -> DocumentWriter:
        """Make empty generations of these models; the returned writer fills them."""
        ...

    def switch(self, models: Sequence[ReadModel]) -> None:
        """Make the new generations the live ones at once, and drop the old ones."""
        ...

    def discard(self, models: Sequence[ReadModel]) -> None:
        """Drop the new generations."""
        ...
