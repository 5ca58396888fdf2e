"""Components as child processes: started together, waited for, stopped in reverse order.

Used by the command line (one process per component) and by the tests that kill components. While
`run` watches, a component that ends by itself is started again, as long as that helps; else nothing
is: whoever killed a component starts it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import Self, TextIO

import msgspec

from infra.local.child import Child, Deadline
from infra.local.errors import LocalServerError
from infra.local.health import is_healthy

POLL = 0.05
"""Seconds between two questions for a component's health; its end is noticed at once."""
STARTS = 5
"""Starts within `STARTS_SECONDS` after which a component is given up, and the whole with it."""
STARTS_SECONDS = 60.0
PAUSE = 0.5
"""Seconds before a component is started again."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Component(msgspec.Struct, frozen=True):
    """One process to run."""

    name: str
    """Unique among its peers, for example `worker-1`."""
    command: tuple[str, ...]
    env: Mapping[str, str] = {}
    """Set on top of our own environment; the same at every start, an instance id included."""
    health: str = ""
    """URL that answers 200 once it is ready; empty: ready when started."""
    grace: float = 15
    """Seconds between SIGTERM and SIGKILL."""


class Supervisor:
    """A set of components that runs on this machine; also a context manager."""

    def __init__(
        self,
        components: Sequence[Component],
        logs: Path,
        *,
        echo: TextIO | None = None,
        timeout: float = 60,
    ) -> None:
        """Prepare the components; none is started yet.

        Args:
            components: in the order in which they start; they stop in the reverse order.
            logs: folder for `NAME.log` of each and `all.log` of all, each line led by the name.
            echo: also written to as `all.log` is; None: nowhere.
            timeout: seconds until a started component must be healthy.
        """
        self._components = {component.name: component for component in components}
        if len(self._components) != len(components):
            raise LocalServerError("two components have the same name")
        self._children: dict[str, Child] = {}
        self._logs = logs
        self._echo = echo
        self._timeout = timeout
        self._writing = threading.Lock()
        self._happened: SimpleQueue[str] = SimpleQueue()
        """Names of components that ended while `run` watched; empty: someone asked us to stop."""
        self._stopping = False

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the running components, by name."""
        return {name: child.pid for name, child in self._children.items() if child.running}

    def log_of(self, name: str) -> Path:
        """Return the log file of a component."""
        return self._logs / f"{name}.log"

    def start(self) -> None:
        """Start every component that does not run, at once, and wait until all are healthy.

        Raises:
            LocalServerError: one died or was not healthy in time; all are stopped by then.
        """
        try:
            for name in self._components:
                if not self._runs(name):
                    self.launch(name)
            for name in self._components:
                self.wait_until_healthy(name)
        except BaseException:
            self.stop()
            raise

    def start_one(self, name: str) -> None:
        """Start one component, with the same command and environment as ever, until healthy."""
        self.launch(name)
        self.wait_until_healthy(name)

    def launch(self, name: str) -> None:
        """Start one component and don't wait for it."""
        if self._runs(name):
            raise LocalServerError(f"{name} runs already")
        component = self._components[name]
        self._logs.mkdir(parents=True, exist_ok=True)
        self._children[name] = Child(
            name,
            component.command,
            log=self.log_of(name),
            env={**os.environ, **component.env},
            on_line=self._write,
        )

    def wait_until_healthy(self, name: str) -> None:
        """Wait until a component's health URL answers 200.

        Raises:
            ChildDied: it ended first.
            ChildNotReady: the time is over.
        """
        url, child, deadline = (
            self._components[name].health,
            self._child(name),
            Deadline(self._timeout),
        )
        while url and not is_healthy(url, timeout=max(POLL, min(5, deadline.left))):
            if child.wait(POLL) is not None:
                raise child.died()
            if deadline.over:
                raise child.not_ready(self._timeout)
            if self._stopping:
                return

    def kill(self, name: str) -> None:
        """End a component by SIGKILL, as a crash would."""
        self._child(name).kill()

    def freeze(self, name: str) -> None:
        """Halt a component by SIGSTOP: others take it for dead while it is only late."""
        self._child(name).send(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let a frozen component go on."""
        self._child(name).send(signal.SIGCONT)

    def stop_one(self, name: str) -> int:
        """Stop one component; return its exit code, or minus the signal that ended it."""
        child = self._child(name)
        child.send(signal.SIGCONT)  # a frozen one would not hear the rest
        return child.stop(self._components[name].grace)

    def stop(self) -> None:
        """Stop every running component, the last one first; again: nothing happens."""
        for name in reversed(self._components):
            if self._runs(name):
                self.stop_one(name)

    def run(
        self,
        ready: Callable[[], None] = lambda: None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> int:
        """Start all, keep them running until SIGINT or SIGTERM, and stop all.

        Call it from the main thread, which gets the signals.

        Args:
            ready: called once when all are healthy.
            tell: told in a sentence when a component has ended by itself, and what follows.

        Returns:
            The exit code for the process: 0 after a signal, 1 when a component would not stay.

        Raises:
            LocalServerError: a component did not start.
        """
        with ExitStack() as undo:
            for number in STOP_SIGNALS:
                undo.callback(signal.signal, number, signal.signal(number, self._ask_to_stop))
            self.start()
            undo.callback(self.stop)
            ready()
            for name in self._children:
                self._watch(name)
            ends: dict[str, deque[float]] = {name: deque(maxlen=STARTS) for name in self._children}
            while (name := self._happened.get()) and not self._stopping:
                self._write("supervisor", str(self._children[name].died()))
                times, now = ends[name], time.monotonic()
                times.append(now)
                where = f"see {self.log_of(name)}"
                if len(times) == STARTS and now - times[0] < STARTS_SECONDS:
                    tell(f"{name} ended {STARTS} times within a minute: everything stops; {where}")
                    return 1
                tell(f"{name} ended by itself and is started again; {where}")
                time.sleep(PAUSE)
                self.launch(name)
                self._watch(name)
        return 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _runs(self, name: str) -> bool:
        child = self._children.get(name)
        return child is not None and child.running

    def _child(self, name: str) -> Child:
        child = self._children.get(name)
        if child is None:
            raise LocalServerError(f"{name} was never started")
        return child

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stopping = True
        self._happened.put("")  # SimpleQueue: its put may be called by a signal handler

    def _watch(self, name: str) -> None:
        """Have the end of the present process of a component noticed."""
        child = self._children[name]

        def wait() -> None:
            child.wait()
            self._happened.put(name)

        threading.Thread(target=wait, name=f"end of {name}", daemon=True).start()

    def _write(self, name: str, line: str) -> None:
        text = f"{name} | {line}\n"
        with self._writing, (self._logs / "all.log").open("a", encoding="utf-8") as file:
            file.write(text)
            if self._echo is not None:
                self._echo.write(text)
                self._echo.flush()
