"""Flat parameters of older clients that each resource's search still has."""

FLOW_FLAT = frozenset({"q", "scope", "namespace", "labels"})
EXECUTION_FLAT = frozenset(
    {
        "q",
        "scope",
        "namespace",
        "flowId",
        "startDate",
        "endDate",
        "timeRange",
        "state",
        "labels",
        "triggerExecutionId",
        "childFilter",
        "kind",
    }
)
LOG_FLAT = frozenset(
    {"q", "scope", "namespace", "flowId", "triggerId", "minLevel", "startDate", "endDate"}
)
