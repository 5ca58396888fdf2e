"""Executions as this process knows them: the window where it has them, else the read model."""

from __future__ import annotations

from api.context import Context
from api.errors import ApiError, not_found
from domain.execution.state import Execution
from domain.ids import DEFAULT_TENANT


async def find_execution(own: Context, execution_id: str) -> Execution | None:
    """Return an execution; None when there is none, or none any more."""
    found = own.ports.window.get(execution_id)
    if found is None:
        found = await own.ports.queries.executions.get(DEFAULT_TENANT, execution_id)
    return None if found is None or found.deleted else found


async def require_execution(own: Context, execution_id: str) -> Execution:
    """Return an execution; raises ApiError 404 without a word more."""
    found = await find_execution(own, execution_id)
    if found is None:
        raise not_found()
    return found


async def require_named_execution(own: Context, execution_id: str) -> Execution:
    """Return an execution; raises ApiError 404 that names it."""
    found = await find_execution(own, execution_id)
    if found is None:
        raise missing_execution(execution_id)
    return found


def missing_execution(execution_id: str) -> ApiError:
    """404: there is no such execution."""
    return not_found(f"Execution '{execution_id}' not found.")
