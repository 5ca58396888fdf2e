"""Why commands are refused: the codes, their texts, and the HTTP status that the API gives them.

A refusal is an event of its own, `command.rejected`: every command leaves exactly one record.
"""

from __future__ import annotations

from typing import Final

import msgspec

from domain.execution.commands import Command
from domain.execution.events import CommandRejected
from domain.record.codec import tag_of


class Reason(msgspec.Struct, frozen=True):
    """A reason for a refusal."""

    code: str
    text: str
    """May hold `{names}` that `reject` fills in."""
    status: int = 409
    """What the API answers."""


NOT_FOUND: Final = Reason("EXEC404", "Execution '{id}' does not exist", 404)
EXISTS: Final = Reason("EXEC002", "Execution '{id}' exists already")
FLOW_NOT_FOUND: Final = Reason("EXEC003", "Flow '{flow}' does not exist", 404)
KILLED_ALREADY: Final = Reason("EXEC004", "Execution is already finished")
NOT_PAUSED: Final = Reason("EXEC005", "Execution is not paused")
NOT_RUNNING: Final = Reason("EXEC006", "Execution is not running")
NOT_SUSPENDED: Final = Reason("EXEC007", "Execution is not suspended")
NOT_RESTARTABLE: Final = Reason(
    "EXEC008", "Execution must be terminated or paused and not killed to be restarted"
)
NOTHING_TO_RESTART: Final = Reason("EXEC009", "No task found to restart execution from", 422)
STATE_NOT_CHANGEABLE: Final = Reason(
    "EXEC010",
    "You can only change the state of a task run for a terminated non killed execution",
    422,
)
STATUS_NOT_CHANGEABLE: Final = Reason(
    "EXEC011", "You can only change the state of a terminated non killed execution", 422
)
TASK_RUN_NOT_FOUND: Final = Reason("EXEC012", "Task run '{id}' does not exist", 404)
ENDED: Final = Reason("EXEC013", "Execution is terminated")
NOT_QUEUED: Final = Reason("EXEC014", "Execution is not queued")
DELETED: Final = Reason("EXEC015", "Execution '{id}' is deleted", 404)
SEALED: Final = Reason(
    "EXEC020", "Execution '{id}' can only be deleted: what happened to it is not known any more"
)
STATE_NOT_ALLOWED: Final = Reason("EXEC016", "State {state} cannot be asked for here", 422)
WAITS_FOR_REVIEW: Final = Reason(
    "EXEC018", "Execution waits for a review: approve or deny it instead of resuming it"
)
COMMENT_WANTED: Final = Reason("EXEC019", "The decision must come with a comment", 422)

REASONS: Final[dict[str, Reason]] = {
    reason.code: reason for reason in list(globals().values()) if isinstance(reason, Reason)
}
"""Every reason by its code."""


def reject(command: Command, reason: Reason, **names: str) -> CommandRejected:
    """Return the event that records a refusal."""
    return CommandRejected(
        command=tag_of(command),
        code=reason.code,
        message=reason.text.format_map(names),
        issuer=command.issuer,
    )


def status_of(code: str) -> int:
    """Return the HTTP status for a refusal's code; 409 for an unknown one."""
    reason = REASONS.get(code)
    return 409 if reason is None else reason.status
