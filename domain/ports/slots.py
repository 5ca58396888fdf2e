"""Slots of flows as the API sees them."""

from __future__ import annotations

from typing import Protocol


class Slots(Protocol):
    """How many executions of each flow with a concurrency limit hold a slot. Calls block."""

    def running(self) -> dict[str, int]:
        """The number of slots taken, by `tenant/namespace/flow`; flows without any are not there.

        Raises:
            LogUnavailable: the slots were not read in time.
        """
        ...

    def set_running(self, flow_key: str, running: int, issuer: str) -> None:
        """Let so many slots count as taken; returns when that is in force.

        Raises:
            LogUnavailable: not durable, or not seen in time.
        """
        ...
