"""Load for a running Tidewheel: some hundred executions of every sort, begun from some threads."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

import httpx

from tests.support.rest import ENDED, Refused, Rest, until

NAMESPACE = "load"
QUIET = 1.5
"""Seconds in which an index that is behind would have moved: longer than its refresh interval."""
_LOG = "io.kestra.plugin.core.log.Log"
_RETURN = "io.kestra.plugin.core.debug.Return"
_CORE = "io.kestra.plugin.core"
FLOWS: Mapping[str, str] = {
    "two": f"""\
tasks:
  - id: first
    type: {_LOG}
    message: one
  - id: second
    type: {_RETURN}
    format: two
""",
    "each": f"""\
tasks:
  - id: each
    type: {_CORE}.flow.ForEach
    values: [a, b, c, d]
    concurrencyLimit: 2
    tasks:
      - id: item
        type: {_RETURN}
        format: "{{{{ taskrun.value }}}}"
  - id: last
    type: {_RETURN}
    format: "{{{{ outputs.item | jq('[.[].value]') | first }}}}"
""",
    "retries": f"""\
tasks:
  - id: tries
    type: {_RETURN}
    format: "{{{{ taskrun.attemptsCount >= 2 ? 'ok' : ko }}}}"
    retry:
      type: constant
      interval: PT0.3S
      maxAttempts: 12
""",
    "pauses": f"""\
tasks:
  - id: before
    type: {_LOG}
    message: before
  - id: hold
    type: {_CORE}.flow.Pause
  - id: after
    type: {_RETURN}
    format: after
""",
    "parent": f"""\
tasks:
  - id: child
    type: {_CORE}.flow.Subflow
    namespace: {NAMESPACE}
    flowId: two
    wait: true
    transmitFailed: true
  - id: last
    type: {_LOG}
    message: done
""",
    "loops": f"""\
tasks:
  - id: loop
    type: {_CORE}.flow.LoopUntil
    condition: "{{{{ outputs.count.values.count == '3' }}}}"
    checkFrequency:
      interval: PT0.1S
    tasks:
      - id: count
        type: {_CORE}.output.OutputValues
        values:
          count: "{{{{ outputs.loop.iterationCount + 1 }}}}"
""",
    "batches": f"""\
tasks:
  - id: lines
    type: {_CORE}.storage.Write
    extension: .txt
    content: |
      a
      b
      c
  - id: each
    type: {_CORE}.flow.ForEachItem
    items: "{{{{ outputs.lines.uri }}}}"
    batch:
      rows: 1
    namespace: {NAMESPACE}
    flowId: two
    wait: true
    transmitFailed: true
""",
    "limited": f"""\
concurrency:
  limit: 2
tasks:
  - id: slow
    type: {_CORE}.flow.Sleep
    duration: PT0.1S
afterExecution:
  - id: last
    type: {_LOG}
    message: done
""",
    "sleeps": f"""\
tasks:
  - id: sleep
    type: {_CORE}.flow.Sleep
    duration: PT1S
""",
    "fails": f"""\
tasks:
  - id: fails
    type: {_CORE}.execution.Fail
  - id: never
    type: {_LOG}
    message: never
errors:
  - id: handler
    type: {_LOG}
    message: handled
""",
}
"""By id. Every one ends by itself but `pauses`."""
Shape = tuple[str, tuple[tuple[str, str | None, str], ...]]


def shape(execution: Mapping[str, Any]) -> Shape:
    """Return what must come out the same whatever happens on the way: the end and its task runs."""
    runs = execution.get("taskRunList") or []
    return (
        execution["state"]["current"],
        tuple(sorted((run["taskId"], run.get("value"), run["state"]["current"]) for run in runs)),
    )


def settled_rows(
    rest: Rest, seconds: float = 60, wanted: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Return all rows of the index once all are of ended executions and nothing moves any more."""
    last: list[dict[str, Any]] = []
    quiet_since = monotonic()

    def ask() -> list[dict[str, Any]] | None:
        nonlocal last, quiet_since
        try:
            rows = rest.executions()
        except Refused as refused:
            if refused.status < 500:
                raise
            return None  # the index is busy; it may be asked again
        states = {row["id"]: row["state"]["current"] for row in rows}
        done = set(wanted) <= set(states) and set(states.values()) <= ENDED
        if rows != last or not done:
            last, quiet_since = rows, monotonic()
        return rows if monotonic() - quiet_since > QUIET else None

    return until(ask, "the end of all executions in the index", seconds)


class Load:
    """Executions of every flow, begun from some threads, resumed where they pause."""

    def __init__(self, rest: Rest, threads: int = 6) -> None:
        self._rest = rest
        self._threads = threads
        self.accepted: dict[str, str] = {}
        """Flow by execution id: those that the API has answered for."""
        self.unanswered = 0
        """Requests that got no good answer: their executions may exist or not."""
        self.expected: dict[str, Shape] = {}
        """How an undisturbed execution of each flow ends."""
        self._lock = threading.Lock()
        self._next = 0
        self._failed: list[BaseException] = []
        self._done = threading.Event()

    def prepare(self) -> None:
        """Store the flows and run each once in peace."""
        for flow, body in FLOWS.items():
            self._rest.create_flow(f"id: {flow}\nnamespace: {NAMESPACE}\n{body}")
        begun = {flow: self._begin(flow, f"prepared-{flow}") for flow in FLOWS}
        self._rest.comes_to(begun["pauses"], "PAUSED")
        self._rest.call("POST", f"/executions/{begun['pauses']}/resume")
        for flow, execution_id in begun.items():
            self.expected[flow] = shape(self._rest.ended(execution_id))
            self.accepted[execution_id] = flow

    def begin(self, count: int) -> None:
        """Begin this many more executions, round robin; returns at once."""
        self._wanted = self._next + count
        self._done.clear()
        self._workers = [
            threading.Thread(target=self._guarded, args=(self._feed,)) for _ in range(self._threads)
        ]
        self._resumer = threading.Thread(target=self._guarded, args=(self._resume,))
        for thread in (*self._workers, self._resumer):
            thread.start()

    def finish(self, seconds: float = 60) -> list[dict[str, Any]]:
        """Wait until all are begun and ended in the index too; return all rows of the index."""
        try:
            for worker in self._workers:
                worker.join(seconds)
                assert not worker.is_alive(), "the load could not be begun in time"
            return settled_rows(self._rest, seconds, self.accepted)
        finally:
            self._done.set()
            self._resumer.join(30)
            assert not self._failed, self._failed

    def check(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Everything accepted ended as it does in peace; no request began two executions."""
        by_id = {row["id"]: row for row in rows}
        wrong = {
            execution_id: (flow, shape(by_id[execution_id]))
            for execution_id, flow in self.accepted.items()
            if shape(by_id[execution_id]) != self.expected[flow]
        }
        assert not wrong, wrong
        numbers = [
            label["value"]
            for row in rows
            if row.get("trigger") is None
            for label in row["labels"]
            if label["key"] == "number"
        ]
        assert len(numbers) == len(set(numbers)), "one request began two executions"

    def _guarded(self, work: Any) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told by `finish`, on the test's thread
            self._failed.append(error)

    def _take(self) -> int | None:
        with self._lock:
            if self._next >= self._wanted:
                return None
            self._next += 1
            return self._next

    def _feed(self) -> None:
        names = list(FLOWS)
        while (number := self._take()) is not None:
            flow = names[number % len(names)]
            self.accepted[self._begin(flow, str(number))] = flow

    def _begin(self, flow: str, name: str) -> str:
        """Return an execution of a flow; asks again, as a client would, where no answer comes."""
        tries = 0

        def ask() -> str | None:
            nonlocal tries
            tries += 1
            try:
                begun = self._rest.run(NAMESPACE, flow, labels=[f"number:{name}.{tries}"])
            except (httpx.TransportError, Refused) as error:
                if isinstance(error, Refused) and error.status < 500:
                    raise
                self.unanswered += 1
                return None
            return str(begun["id"])

        return until(ask, f"an answer for execution {name}", 60)

    def _resume(self) -> None:
        while not self._done.wait(0.3):
            with suppress(httpx.TransportError, Refused):
                for row in self._rest.executions(namespace=NAMESPACE, state="PAUSED"):
                    with suppress(Refused):  # resumed already: the index is behind
                        self._rest.call("POST", f"/executions/{row['id']}/resume")
