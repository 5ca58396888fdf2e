"""Where files stand in internal storage: URIs `kestra:///...` by namespace, flow and execution."""

from __future__ import annotations

RECORDS_FOLDER = "kestra:///_records/"
"""Where values of records stand that are too large for the log. No namespace begins like this."""


def records_uri(owner: str) -> str:
    """Return the folder of the large records about an execution, or of a topic."""
    return RECORDS_FOLDER + "".join(c if c.isalnum() or c in "-_." else "-" for c in owner)


def slug(name: str) -> str:
    """Return an id as it stands in paths of internal storage."""
    return "".join(c if c.isalnum() or c in "-." else "-" for c in name).lower()


def flow_uri(namespace: str, flow_id: str) -> str:
    """Return the folder of a flow."""
    return f"kestra:///{namespace.replace('.', '/')}/{slug(flow_id)}"


def execution_uri(namespace: str, flow_id: str, execution_id: str) -> str:
    """Return the folder of an execution."""
    return f"{flow_uri(namespace, flow_id)}/executions/{execution_id}"


def input_uri(namespace: str, flow_id: str, execution_id: str, input_id: str, filename: str) -> str:
    """Return where a file that was given to an execution is kept."""
    return f"{execution_uri(namespace, flow_id, execution_id)}/inputs/{input_id}/{filename}"
