"""How a task's run may fail.

TaskFailed     TASK001  a reason the task knows; its outputs are kept
Interrupted    TASK002  the attempt was told to end
"""

from __future__ import annotations

from typing import Any

from domain.errors import TidewheelError


class TaskFailed(TidewheelError):
    """A task failed for a reason it knows; its outputs, if any, are kept."""

    code = "TASK001"

    def __init__(self, message: str, outputs: Any = None) -> None:
        super().__init__(message)
        self.outputs = outputs


class Interrupted(TidewheelError):
    """The attempt is to end now: killed, out of time, or its worker stops."""

    code = "TASK002"
