"""One action on many executions: all are checked first, then all are done, or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from api import reply
from api.actions import Action
from api.context import Context
from api.errors import illegal_argument
from api.reading import find_execution
from api.reply import Reply
from domain.execution.commands import ExecutionCommand
from domain.execution.state import Execution

_MAX_IDS = 100_000


class Refused(Exception):
    """Some of the executions cannot be acted on."""

    def __init__(self, action: str, reasons: Sequence[tuple[str, str]]) -> None:
        super().__init__(action)
        self.action = action
        self.reasons = reasons
        """Pairs of execution id and reason."""


async def collect(
    own: Context, action: Action, ids: Sequence[str], *, ended_only: bool = True
) -> list[Execution]:
    """Return the executions of these ids, each once, in order.

    Args:
        own: the context.
        action: what is to be done.
        ids: execution ids.
        ended_only: False: the action's own refusal does not count (`includeNonTerminated`).

    Raises:
        ApiError: 422 there are more than can be checked first.
        Refused: one is missing or refuses.
    """
    if len(ids) > _MAX_IDS:
        raise illegal_argument(
            f"{len(ids)} executions are more than the {_MAX_IDS} that one request may act on"
        )
    found = []
    reasons = []
    for execution_id in dict.fromkeys(ids):
        execution = await find_execution(own, execution_id)
        if execution is None:
            reasons.append((execution_id, "execution not found"))
            continue
        reason = action.refusal(execution) if ended_only else None
        if reason is not None:
            reasons.append((execution_id, reason))
            continue
        found.append(execution)
    if reasons:
        raise Refused(action.name, reasons)
    return found


async def carry_out(
    own: Context,
    executions: Sequence[Execution],
    command: Callable[[Execution], ExecutionCommand],
) -> Reply:
    """Send a command to every execution and answer with their number.

    Raises:
        ApiError: as `command` does for one of them; nothing was sent then.
    """
    for made in [command(execution) for execution in executions]:
        await own.ports.gateway.submit(made, own.options.submit_seconds)
    return counted(len(executions))


def counted(count: int) -> Reply:
    """Return the answer of a bulk action."""
    return reply.json({"count": count})


def refusal_view(refused: Refused) -> dict[str, Any]:
    """Return the body of a refused bulk action."""
    return {
        "message": f"invalid bulk {refused.action}",
        "invalids": [_invalid(execution_id, reason) for execution_id, reason in refused.reasons],
    }


def _invalid(execution_id: str, reason: str) -> dict[str, Any]:
    return {
        "message": reason,
        "rootBean": execution_id,
        "rootBeanClass": "java.lang.String",
        "leafBean": execution_id,
        "propertyPath": [{"name": "execution", "kind": "PROPERTY", "inIterable": False}],
        "invalidValue": execution_id,
        "executableParameters": [],
        "messageTemplate": "{messageTemplate}",
    }
