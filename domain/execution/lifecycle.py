"""The states and the transitions that are allowed, as data."""

from __future__ import annotations

from enum import Enum
from typing import Final


class StateType(Enum):
    """States of executions, task runs and attempts."""

    CREATED = "CREATED"
    SUBMITTED = "SUBMITTED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    RESTARTED = "RESTARTED"
    KILLING = "KILLING"
    SUCCESS = "SUCCESS"
    WARNING = "WARNING"
    FAILED = "FAILED"
    KILLED = "KILLED"
    CANCELLED = "CANCELLED"
    QUEUED = "QUEUED"
    RETRYING = "RETRYING"
    RETRIED = "RETRIED"
    SKIPPED = "SKIPPED"
    BREAKPOINT = "BREAKPOINT"
    RESUBMITTED = "RESUBMITTED"

    @property
    def is_terminal(self) -> bool:
        """True for states that end what they describe."""
        return self in TERMINAL

    # members are equal only to themselves: the identity hash spares a Python call per dict access
    __hash__ = object.__hash__


_S = StateType

TERMINAL: Final = frozenset(
    {
        _S.FAILED,
        _S.WARNING,
        _S.SUCCESS,
        _S.KILLED,
        _S.CANCELLED,
        _S.RETRIED,
        _S.SKIPPED,
        _S.RESUBMITTED,
    }
)
"""States that end what they describe; a restart or a forced change may leave them again."""

GOOD: Final = frozenset({_S.SUCCESS, _S.WARNING, _S.SKIPPED, _S.RETRIED, _S.RESUBMITTED})
"""Ends after which a sequence goes on."""

BAD: Final = frozenset({_S.FAILED, _S.KILLED, _S.CANCELLED})
"""Ends that stop a sequence."""

_ENDS: Final = frozenset({_S.SUCCESS, _S.WARNING, _S.FAILED, _S.KILLED, _S.CANCELLED})

FORCIBLE: Final = _ENDS
"""States that a person may force on an execution that has ended."""

FORCIBLE_RUN: Final = _ENDS | {_S.SKIPPED}
"""States that a person may force on a task run of an execution that has ended."""

EXECUTION_TRANSITIONS: Final[dict[StateType, frozenset[StateType]]] = {
    _S.CREATED: _ENDS | {_S.RUNNING, _S.QUEUED, _S.KILLING, _S.RESTARTED, _S.PAUSED, _S.BREAKPOINT},
    _S.QUEUED: frozenset({_S.RUNNING, _S.CANCELLED, _S.FAILED, _S.KILLING, _S.KILLED}),
    _S.RUNNING: _ENDS | {_S.PAUSED, _S.RETRYING, _S.RETRIED, _S.KILLING, _S.BREAKPOINT},
    _S.PAUSED: _ENDS | {_S.RESTARTED, _S.RUNNING, _S.KILLING, _S.RETRIED},
    _S.RETRYING: _ENDS | {_S.RUNNING, _S.PAUSED, _S.KILLING, _S.RETRIED, _S.BREAKPOINT},
    _S.BREAKPOINT: _ENDS | {_S.RUNNING, _S.KILLING},
    _S.RESTARTED: _ENDS | {_S.RUNNING, _S.QUEUED, _S.KILLING},
    _S.KILLING: frozenset({_S.KILLED, _S.FAILED, _S.CANCELLED}),
    # an ended execution moves only by a restart, a forced change or a retry of its flow
    _S.SUCCESS: _ENDS | {_S.RESTARTED},
    _S.WARNING: _ENDS | {_S.RESTARTED},
    _S.FAILED: _ENDS | {_S.RESTARTED, _S.RETRIED, _S.RETRYING},
    _S.CANCELLED: _ENDS | {_S.RESTARTED},
    _S.KILLED: frozenset(),
    _S.RETRIED: _ENDS | {_S.RESTARTED},
    _S.SKIPPED: frozenset({_S.RESTARTED}),
}
"""Execution: from a state to those that may follow it."""

_RUN_ENDS: Final = _ENDS | {_S.SKIPPED, _S.RETRIED}

TASK_RUN_TRANSITIONS: Final[dict[StateType, frozenset[StateType]]] = {
    _S.CREATED: _RUN_ENDS | {_S.SUBMITTED, _S.RUNNING, _S.BREAKPOINT},
    _S.SUBMITTED: _RUN_ENDS | {_S.RUNNING},
    _S.RUNNING: _RUN_ENDS | {_S.PAUSED, _S.SUBMITTED, _S.CREATED},
    _S.PAUSED: _RUN_ENDS | {_S.RUNNING, _S.RESTARTED},
    _S.RETRYING: _RUN_ENDS | {_S.CREATED},
    _S.BREAKPOINT: _RUN_ENDS | {_S.CREATED},
    _S.RESTARTED: _RUN_ENDS | {_S.SUBMITTED, _S.RUNNING, _S.BREAKPOINT},
    # an ended task run moves by a retry (after FAILED), a restart, or a forced change
    _S.FAILED: _RUN_ENDS | {_S.RETRYING, _S.RESTARTED, _S.RUNNING},
    _S.SUCCESS: FORCIBLE_RUN | {_S.RESTARTED, _S.RUNNING},
    _S.WARNING: FORCIBLE_RUN | {_S.RESTARTED, _S.RUNNING},
    _S.SKIPPED: FORCIBLE_RUN | {_S.RESTARTED, _S.RUNNING},
    _S.CANCELLED: FORCIBLE_RUN | {_S.RESTARTED, _S.RUNNING},
    _S.KILLED: FORCIBLE_RUN | {_S.RESTARTED, _S.RUNNING},
    _S.RETRIED: FORCIBLE_RUN | {_S.RESTARTED, _S.RUNNING},
}
"""Task run: from a state to those that may follow it."""

ATTEMPT_TRANSITIONS: Final[dict[StateType, frozenset[StateType]]] = {
    _S.CREATED: frozenset({_S.RUNNING}),
    _S.RUNNING: _RUN_ENDS | {_S.RESUBMITTED},
    # a state that is forced on a task run is forced on its last attempt
    **dict.fromkeys(_RUN_ENDS | {_S.RESUBMITTED}, FORCIBLE_RUN),
}
"""Attempt: from a state to those that may follow it."""

STARTABLE: Final = frozenset({_S.CREATED, _S.RESTARTED})
"""Task runs that wait to be started."""

PROGRESSING: Final = frozenset({_S.RUNNING, _S.RETRYING})
"""Executions whose tasks may start."""
