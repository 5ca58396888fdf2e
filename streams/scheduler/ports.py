"""What the scheduler and the flow triggers ask of the outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from domain.execution.state import Timer
from domain.flow.model import Flow
from domain.ports.stores import FlowReader
from domain.record.values import FlowRevision


class FlowSource(FlowReader, Protocol):
    """The flows in force."""

    @property
    def defaults(self) -> int:
        """Number of the set of plugin defaults in force."""
        ...

    def require(
        self,
        tenant: str,
        namespace: str,
        flow_id: str,
        revision: int | None = None,
        defaults: int | None = None,
    ) -> Flow | None:
        """As `get`, but looks at the end of the log before it says None."""
        ...

    def listen(self, listener: Callable[[FlowRevision], None]) -> None:
        """Tell a listener the latest revision of each flow, then every one from now on.

        All of them are told again when other plugin defaults are in force. The listener is called
        in log order on the source's thread, and must not wait for it.
        """
        ...

    def catch_up(self) -> None:
        """Wait until every revision that is durable now has been told."""
        ...


class Timers(Protocol):
    """Wakes at due moments; `streams.timers.TimerClock` is one."""

    def schedule(self, partition: int, execution_id: str, timer: Timer) -> None:
        """Tell when a timer is due; the same one again moves it."""
        ...

    def cancel(self, execution_id: str, timer_id: str) -> None:
        """Forget a timer; unknown ones are ignored."""
        ...

    def forget(self, partition: int) -> None:
        """Forget the timers of a partition."""
        ...
