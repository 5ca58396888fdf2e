"""What timers are for. Their ids are derived: one of each purpose per task run or execution."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

RETRY: Final = "retry"
"""The next attempt of a task run is due."""
FLOW_RETRY: Final = "flow-retry"
"""The next execution of a flow that is retried whole is due."""
PAUSE: Final = "pause"
"""The duration of a pause has passed."""
TIMEOUT: Final = "timeout"
"""A pause has lasted longer than allowed."""
SCHEDULE: Final = "schedule"
"""The date for which the execution was created has come."""
INTERVAL: Final = "interval"
"""A LoopUntil goes round."""
SLA: Final = "sla"
"""A MAX_DURATION has passed."""
CONTINUE: Final = "continue"
"""A large loop goes on with its next batch of iterations."""
KILL: Final = "kill"
"""Workers that were told to stop have had time enough."""

KILL_GRACE: Final = timedelta(seconds=30)
"""How long workers may take to stop before their task runs are ended without them."""

OF_TASK_RUNS: Final = (RETRY, PAUSE, TIMEOUT, INTERVAL, CONTINUE)
"""Purposes of the timers that belong to a task run."""
