"""Flows of other shapes against a running server: a complex one, and loops of three sizes.

Durations are those of the executions' own histories; memory is that of the measured processes.
"""

from __future__ import annotations

import json
import time
import urllib.request
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import psutil

ENDED = {"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED"}


def complex_flow() -> str:
    """Return a flow of five If with one Log each."""
    parts = "".join(
        f"""  - id: if{number}
    type: io.kestra.plugin.core.flow.If
    condition: "{{{{ {number} > 0 }}}}"
    then:
      - id: log{number}
        type: io.kestra.plugin.core.log.Log
        message: "branch {number}"
"""
        for number in range(1, 6)
    )
    return f"id: bench-complex\nnamespace: bench.flows\ntasks:\n{parts}"


def loop_flow(count: int) -> str:
    """Return a ForEach over numbers, without a limit, with one Log."""
    return f"""id: bench-loop-{count}
namespace: bench.flows
tasks:
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: "{{{{ range(1, {count}) }}}}"
    concurrencyLimit: 0
    tasks:
      - id: log
        type: io.kestra.plugin.core.log.Log
        message: "value {{{{ taskrun.value }}}}"
"""


class Server:
    """A server to be measured."""

    def __init__(self, port: int, user: str, password: str, pids: Sequence[int]) -> None:
        self._base = f"http://127.0.0.1:{port}/api/v1/main"
        token = b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {token}"}
        self._processes = [psutil.Process(pid) for pid in pids]

    def call(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/x-yaml"
    ) -> Any:
        """Return the decoded answer."""
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = kind
        request = urllib.request.Request(
            self._base + path, data=body, headers=headers, method=method
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            data = answer.read()
        return json.loads(data) if data else None

    def put(self, source: str) -> str:
        """Store a flow; returns its id."""
        return str(self.call("POST", "/flows", source.encode())["id"])

    def run(self, flow_id: str, seconds: float = 300) -> tuple[float, str]:
        """Run a flow to its end; returns its duration and state."""
        started = self.call("POST", f"/executions/bench.flows/{flow_id}")
        deadline = time.monotonic() + seconds
        # without its task runs: ten thousand of them, ten times a second, would be measured too
        flows = json.dumps([{"namespace": "bench.flows", "id": flow_id}]).encode()
        while time.monotonic() < deadline:
            latest = self.call("POST", "/executions/latest", flows, "application/json")
            if latest and latest[0]["id"] == started["id"] and latest[0]["status"] in ENDED:
                ended = self.call("GET", f"/executions/{started['id']}")
                histories = ended["state"]["histories"]
                first, last = (_instant(histories[place]["date"]) for place in (0, -1))
                return (last - first).total_seconds(), ended["state"]["current"]
            time.sleep(0.1)
        return float("nan"), "NOT ENDED"

    def memory_mb(self) -> float:
        """Return the resident memory of the processes."""
        return sum(process.memory_info().rss for process in self._processes) / 1e6

    def cpu_seconds(self) -> float:
        """Return what the processes have used so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self._processes)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def measure(server: Server) -> None:
    """Print the figures."""
    flow_id = server.put(complex_flow())
    for _ in range(3):
        server.run(flow_id)
    spans = sorted(server.run(flow_id)[0] for _ in range(10))
    print(
        f"complex flow (5 If, 5 Log): median {1000 * spans[5]:.0f} ms,"
        f" min {1000 * spans[0]:.0f}, max {1000 * spans[-1]:.0f}",
        flush=True,
    )
    for count in (100, 1_000, 10_000):
        flow_id = server.put(loop_flow(count))
        before, cpu = server.memory_mb(), server.cpu_seconds()
        span, state = server.run(flow_id)
        print(
            f"ForEach of {count:6}: {span:7.2f} s, {1000 * span / count:6.2f} ms an item, {state},"
            f" cpu {server.cpu_seconds() - cpu:6.1f} s,"
            f" memory {before:.0f} -> {server.memory_mb():.0f} MB",
            flush=True,
        )
