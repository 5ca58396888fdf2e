"""Public filters: which there are, what they mean, and how errors read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.errors import InvalidQuery
from projections.executions.query import RESOURCE as EXECUTION
from projections.fields import Field, Resource
from projections.flows.query import RESOURCE as FLOW
from projections.logs.query import RESOURCE as LOG
from projections.search import (
    AllOf,
    AnyOf,
    Clause,
    Filter,
    InvalidPage,
    InvalidSort,
    Operation,
    Page,
    Query,
    Sort,
    UnsupportedFilter,
)
from projections.store import (
    Between,
    Condition,
    Contains,
    EndsWith,
    Every,
    Exists,
    Is,
    Matches,
    Not,
    Order,
    Some,
    StartsWith,
    Words,
)

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
OP = Operation


def meaning(resource: Resource, *clauses: Clause, text: str | None = None) -> Condition:
    """What the clauses mean, without the tenant."""
    condition = resource.condition(Query("main", clauses, text), NOW)
    assert isinstance(condition, Every)
    assert condition.conditions[0] == Is("tenant", ("main",))
    rest = condition.conditions[1:]
    return rest[0] if len(rest) == 1 else Every(rest)


def one(field: str, operation: Operation, value: Any, key: str | None = None) -> Filter:
    return Filter(field, operation, value, key)


_SYSTEM = Some((Is("namespace", ("system",)), StartsWith("namespace", "system.")))


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        (one("flowId", OP.EQUALS, "a"), Is("flow_id", ("a",))),
        (one("FLOW_ID", OP.NOT_EQUALS, "a"), Not(Is("flow_id", ("a",)))),
        (one("flowId", OP.IN, "a, b"), Is("flow_id", ("a", "b"))),
        (one("flowId", OP.IN, "[a,b]"), Is("flow_id", ("a", "b"))),
        (one("flowId", OP.NOT_IN, ["a", "b"]), Not(Is("flow_id", ("a", "b")))),
        (one("flowId", OP.CONTAINS, "a"), Contains("flow_id", "a")),
        (one("flowId", OP.STARTS_WITH, "a"), StartsWith("flow_id", "a")),
        (one("flowId", OP.ENDS_WITH, "a"), EndsWith("flow_id", "a")),
        (one("flowId", OP.REGEX, "^a.*"), Matches("flow_id", "^a.*")),
        (
            one("namespace", OP.PREFIX, "a.b"),
            Some((Is("namespace", ("a.b",)), StartsWith("namespace", "a.b."))),
        ),
        (one("q", OP.EQUALS, "Hello, World_2"), Words(("hello", "world", "2"))),
        (one("QUERY", OP.NOT_EQUALS, "x"), Not(Words(("x",)))),
        (one("state", OP.EQUALS, "RUNNING"), Is("state", ("RUNNING",))),
        (one("state", OP.NOT_IN, "SUCCESS,FAILED"), Not(Is("state", ("SUCCESS", "FAILED")))),
        (one("scope", OP.EQUALS, "SYSTEM"), _SYSTEM),
        (one("scope", OP.EQUALS, "USER"), Not(_SYSTEM)),
        (one("scope", OP.NOT_EQUALS, "USER"), _SYSTEM),
        (one("scope", OP.EQUALS, "USER,SYSTEM"), Every()),
        (one("childFilter", OP.EQUALS, "CHILD"), Exists("trigger_execution_id")),
        (one("childFilter", OP.EQUALS, "MAIN"), Not(Exists("trigger_execution_id"))),
        (one("labels", OP.EQUALS, "gold", "team"), Every((Is("label_pairs", ("team\x1fgold",)),))),
        (one("labels", OP.EQUALS, "team:a:b"), Every((Is("label_pairs", ("team\x1fa:b",)),))),
        (
            one("labels", OP.NOT_EQUALS, {"a": "1", "b": "2"}),
            Every((Not(Is("label_pairs", ("a\x1f1",))), Not(Is("label_pairs", ("b\x1f2",))))),
        ),
        (one("labels", OP.IN, "a,b", "team"), Is("label_pairs", ("team\x1fa", "team\x1fb"))),
        (one("labels", OP.CONTAINS, "ol", "team"), Contains("label_pairs", "ol", "team\x1f")),
        (one("timeRange", OP.EQUALS, "PT24H"), Between("start_date", at_least=NOW - timedelta(1))),
        (
            one("startDate", OP.GREATER_THAN, "2026-01-02T03:04"),
            Between("start_date", above=datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
        ),
        (
            one("endDate", OP.LESS_THAN_OR_EQUAL_TO, "2026-01-02T03:04:05.123456789+02:00"),
            Between("end_date", at_most=datetime(2026, 1, 2, 1, 4, 5, 123_456, UTC)),
        ),
        (one("kind", OP.EQUALS, "TEST"), Is("kind", ("TEST",))),
        (one("kind", OP.EQUALS, "NORMAL"), Not(Exists("kind"))),
        (one("kind", OP.IN, "NORMAL,TEST"), Some((Not(Exists("kind")), Is("kind", ("TEST",))))),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_filter_of_executions_means(clause: Filter, expected: Condition) -> None:
    assert meaning(EXECUTION, clause) == expected


def test_level_means_this_level_and_above() -> None:
    assert meaning(LOG, one("level", OP.EQUALS, "WARN")) == Is("level", ("ERROR", "WARN"))
    assert meaning(LOG, one("MIN_LEVEL", OP.EQUALS, "TRACE")) == Is(
        "level", ("ERROR", "WARN", "INFO", "DEBUG", "TRACE")
    )


def test_a_flat_list_is_an_and_and_groups_nest() -> None:
    a, b, c = (one("flowId", OP.EQUALS, letter) for letter in "abc")
    is_a, is_b, is_c = (Is("flow_id", (letter,)) for letter in "abc")
    assert meaning(EXECUTION, a, b) == Every((is_a, is_b))
    assert meaning(EXECUTION, AnyOf((a, AllOf((b, c))))) == Some((is_a, Every((is_b, is_c))))


def test_the_text_of_a_query_is_a_condition_of_its_own() -> None:
    assert meaning(FLOW, text="a b") == Words(("a", "b"))


@pytest.mark.parametrize(
    ("resource", "clause", "kind", "message"),
    [
        (
            FLOW,
            one("nosuch", OP.EQUALS, "x"),
            InvalidQuery,
            (
                "Unsupported field 'nosuch'. Expected one of: [childFilter, metadata, triggerState,"
                " endDate, parentPath, triggerExecutionId, type, taskRunId, path, flowRevision,"
                " assetId, scope, id, state, flowId, expirationDate, timeRange, workerId,"
                " level, kind,"
                " created, triggerId, version, labels, q, executionId, existingOnly, namespace,"
                " updated, startDate, taskId, username]"
            ),
        ),
        (
            FLOW,
            one("q", OP.REGEX, "x"),
            UnsupportedFilter,
            (
                "Provided query filters are invalid: Operation REGEX is not supported for"
                " field QUERY."
                " Supported operations are EQUALS, NOT_EQUALS"
            ),
        ),
        (
            FLOW,
            one("state", OP.EQUALS, "RUNNING"),
            UnsupportedFilter,
            (
                "Provided query filters are invalid: Field STATE is not supported for"
                " resource FLOW."
                " Supported fields are LABELS, NAMESPACE, QUERY, SCOPE, FLOW_ID"
            ),
        ),
        (
            LOG,
            one("labels", OP.EQUALS, "b", "a"),
            UnsupportedFilter,
            (
                "Provided query filters are invalid: Field LABELS is not supported for"
                " resource LOG."
                " Supported fields are QUERY, SCOPE, NAMESPACE, START_DATE, END_DATE, FLOW_ID,"
                " TRIGGER_ID, MIN_LEVEL, EXECUTION_ID"
            ),
        ),
        (
            EXECUTION,
            one("state", OP.EQUALS, "NOPE"),
            InvalidQuery,
            "No enum constant io.kestra.core.models.flows.State.Type.NOPE",
        ),
        (
            EXECUTION,
            one("childFilter", OP.EQUALS, "AUNT"),
            InvalidQuery,
            (
                "No enum constant"
                " io.kestra.core.repositories.ExecutionRepositoryInterface.ChildFilter.AUNT"
            ),
        ),
        (
            EXECUTION,
            one("timeRange", OP.EQUALS, "1 hour"),
            InvalidQuery,
            "Invalid duration: 1 hour",
        ),
        (
            EXECUTION,
            one("startDate", OP.GREATER_THAN, "yesterday"),
            InvalidQuery,
            "Invalid date for 'startDate': Text 'yesterday' could not be parsed",
        ),
        (
            EXECUTION,
            one("endDate", OP.GREATER_THAN, "2026-02-30T00:00"),
            InvalidQuery,
            "Invalid date for 'endDate': Text '2026-02-30T00:00' could not be parsed",
        ),
        (
            EXECUTION,
            one("labels", OP.EQUALS, "nocolon"),
            InvalidQuery,
            "Invalid label 'nocolon': expected key:value",
        ),
        (
            EXECUTION,
            one("flowId", OP.REGEX, "("),
            InvalidQuery,
            "Invalid regular expression '(': a missing ) near 2",
        ),
        (
            LOG,
            one("level", OP.EQUALS, "LOUD"),
            InvalidQuery,
            "No enum constant org.slf4j.event.Level.LOUD",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_told_in_the_contracts_words(
    resource: Resource, clause: Filter, kind: type[InvalidQuery], message: str
) -> None:
    with pytest.raises(InvalidQuery) as raised:
        meaning(resource, clause)
    assert type(raised.value) is kind
    assert str(raised.value) == message


def test_a_span_that_ends_before_it_starts_is_refused() -> None:
    start = one("startDate", OP.GREATER_THAN_OR_EQUAL_TO, "2026-02-01T00:00:00Z")
    end = one("endDate", OP.LESS_THAN_OR_EQUAL_TO, "2026-01-01T00:00:00Z")
    with pytest.raises(InvalidQuery, match="Start date must be before End Date"):
        meaning(EXECUTION, start, end)


def test_groups_are_bounded() -> None:
    clause: Clause = one("flowId", OP.EQUALS, "a")
    for _ in range(6):
        clause = AnyOf((clause,))
    with pytest.raises(InvalidQuery, match="Too many or too deeply nested"):
        meaning(EXECUTION, clause)
    with pytest.raises(InvalidQuery, match="Too many or too deeply nested"):
        meaning(EXECUTION, *[one("flowId", OP.EQUALS, "a")] * 201)


def test_an_unknown_operation_is_told_by_name() -> None:
    with pytest.raises(InvalidQuery, match=r"No enum constant .*QueryFilter\.Op\.LIKE"):
        Operation.parse("LIKE")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("state.startDate:asc", Sort("state.startDate")),
        ("id:desc", Sort("id", descending=True)),
        ("id:anything", Sort("id", descending=True)),
        ("id:ASC", Sort("id")),
    ],
)
def test_a_sort_is_field_and_direction(text: str, expected: Sort) -> None:
    assert Sort.parse(text) == expected


@pytest.mark.parametrize("text", ["id", "", ":asc", "id:", "a:b:c"])
def test_any_other_sort_is_refused(text: str) -> None:
    with pytest.raises(InvalidSort, match="Invalid sort parameter"):
        Sort.parse(text)


def test_sorts_are_made_total() -> None:
    assert EXECUTION.orders(()) == (Order("start_date", descending=True), Order("id"))
    assert EXECUTION.orders([Sort("flowId")]) == (Order("flow_id"), Order("id"))
    assert EXECUTION.orders([Sort("id", descending=True)]) == (Order("id", descending=True),)
    with pytest.raises(InvalidSort, match="Invalid sort field: nosuch"):
        EXECUTION.orders([Sort("nosuch")])


@pytest.mark.parametrize(
    ("number", "size", "field", "message"),
    [
        (0, 10, "page", "must be greater than or equal to 1"),
        (1, 0, "size", "must be greater than or equal to 1"),
        (1, 10_001, "size", "must be less than or equal to 10000"),
    ],
)
def test_a_page_has_bounds(number: int, size: int, field: str, message: str) -> None:
    with pytest.raises(InvalidPage) as raised:
        Page(number, size)
    assert (raised.value.field, str(raised.value)) == (field, message)


def test_every_field_is_known_by_both_spellings() -> None:
    for field in Field:
        assert Field.parse(field.value) is Field.parse(field.name) is field
