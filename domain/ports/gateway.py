"""How the API speaks to the write side and sees its own writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from domain.execution.commands import ExecutionCommand
from domain.execution.state import Execution
from domain.record.envelope import Position
from domain.record.values import FlowRevision
from domain.trigger.commands import TriggerCommand
from domain.trigger.state import Trigger


class Outcome(msgspec.Struct, frozen=True):
    """What became of a command."""

    accepted: bool
    code: str = ""
    """Rejection code when refused."""
    message: str = ""
    """Rejection text when refused."""
    execution: Execution | None = None
    """The execution as of the step, where the window has it; of a creation and a refusal as it is
    now: read only, not a copy."""


class CommandGateway(Protocol):
    """Sends commands to executions."""

    async def send(self, command: ExecutionCommand) -> Position:
        """Append a command; returns when it is durable. Raises LogUnavailable."""
        ...

    async def submit(self, command: ExecutionCommand, timeout: float = 10.0) -> Outcome:  # noqa: ASYNC109
        """Append a command and wait until its step is recorded and seen by our own window.

        Raises:
            LogUnavailable: not durable, or no executor answered in time.
        """
        ...


class ExecutionWindow(Protocol):
    """Recent executions, folded from the log's tail in this process; bounded."""

    def get(self, execution_id: str) -> Execution | None:
        """The execution as of the last record seen; None when it is not in the window."""
        ...

    def latest(self, most: int) -> list[Execution]:
        """The executions that moved last, the last one first: the index may not have them yet."""
        ...

    def follow(self, execution_id: str) -> AsyncIterator[Execution]:
        """Yield the execution now and after every later step, until the consumer stops.

        The same object is yielded each time: read it before awaiting again.
        """
        ...

    async def ended(self, execution_id: str, timeout: float) -> Execution | None:  # noqa: ASYNC109
        """Wait until the execution has ended (afterExecution included); None when time is up."""
        ...


class TriggerOutcome(msgspec.Struct, frozen=True):
    """What became of a command to a trigger."""

    accepted: bool
    code: str = ""
    """Rejection code when refused: TRIGGER010 means that there is no such trigger."""
    message: str = ""
    """Rejection text when refused."""
    trigger: Trigger | None = None
    """The trigger after the step; None where there is none."""


class TriggerGateway(Protocol):
    """Sends commands to triggers."""

    async def submit(self, command: TriggerCommand, timeout: float = 10.0) -> TriggerOutcome:  # noqa: ASYNC109
        """Append a person's command and wait until its step is recorded.

        Raises:
            LogUnavailable: not durable, or no scheduler answered in time.
        """
        ...


class FlowWriter(Protocol):
    """Writes revisions of flows. Two writers of one flow cannot take the same number."""

    async def save(self, tenant: str, namespace: str, flow_id: str, source: str) -> FlowRevision:
        """Store a checked source as the next revision, or return the latest if equal.

        Returns when the flow is in force in this process.
        """
        ...

    async def delete(self, tenant: str, namespace: str, flow_id: str) -> FlowRevision:
        """Write the deletion as a revision of its own. Raises NotFound."""
        ...

    async def withdraw(self, revision: FlowRevision) -> None:
        """Show an old revision no more. The latest one of a flow must not be withdrawn."""
        ...
