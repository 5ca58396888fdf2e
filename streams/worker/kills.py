"""Kills remembered, because a signal may overtake the request that it is meant for."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from domain.execution.requests import KillSignal, TaskRequest
from domain.record.envelope import milliseconds_of


class _Kill:
    __slots__ = ("all_ms", "runs")

    def __init__(self) -> None:
        self.all_ms = -1
        self.runs: dict[str, int] = {}


class Kills:
    """The latest kills, bounded by the number of executions. Thread-safe.

    A kill hits requests made before it: an execution that is restarted after its kill runs again.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._by_execution: OrderedDict[str, _Kill] = OrderedDict()
        self._lock = Lock()

    def remember(self, signal: KillSignal, timestamp_ms: int) -> None:
        """Keep a kill; the oldest is forgotten when there are too many."""
        with self._lock:
            kill = self._by_execution.pop(signal.execution_id, None) or _Kill()
            self._by_execution[signal.execution_id] = kill
            if signal.task_run_ids:
                for task_run_id in signal.task_run_ids:
                    kill.runs[task_run_id] = timestamp_ms
            else:
                kill.all_ms = timestamp_ms
            if len(self._by_execution) > self._capacity:
                self._by_execution.popitem(last=False)

    def hits(self, request: TaskRequest) -> bool:
        """Tell whether a request was killed before it could start."""
        kill = self._by_execution.get(request.execution_id)
        if kill is None:
            return False
        requested_ms = milliseconds_of(request.requested_at)
        if kill.runs.get(request.task_run_id, -1) >= requested_ms:
            return True
        return not request.force and kill.all_ms >= requested_ms
