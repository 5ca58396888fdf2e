"""One child process of ours: logged into a file, tied to our life, stopped by its own id."""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.local.errors import ChildDied, ChildNotReady

TAIL_LINES = 60
LineSink = Callable[[str, str], None]
"""Called with the child's name and one line of its output, from the child's own log thread."""


class Child:
    """A running (or ended) child process.

    Its output, both streams, is appended to a log file. It has its own session, so that Ctrl-C in a
    terminal reaches us and we choose the order in which children stop. On Linux it gets SIGKILL
    when this process dies in any way.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        on_line: LineSink | None = None,
    ) -> None:
        """Start `command`.

        Args:
            name: how messages call it.
            command: program and arguments.
            log: file that its output is appended to; the folder must exist.
            env: its whole environment; None: ours.
            cwd: its working folder; None: ours.
            user: login name it becomes (only root may); None: ours.
            on_line: told every line of its output.
        """
        self.name = name
        self.log = log
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._watched: dict[re.Pattern[str], bool] = {}
        self._changed = threading.Condition()
        self._drained = False
        self._on_line = on_line
        script = Path(__file__).with_name("tether.py")
        tethered = [
            sys.executable,
            "-I",
            "-S",
            str(script),
            str(os.getpid()),
            user or "-",
            *command,
        ]
        self._process = _spawn(tethered, env, cwd)
        self._pump = threading.Thread(target=self._drain, name=f"log of {name}", daemon=True)
        self._pump.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; else its exit code, or minus the signal that ended it."""
        return self._process.poll()

    @property
    def running(self) -> bool:
        """True until it has ended."""
        return self._process.poll() is None

    def tail(self) -> str:
        """Return the last lines of its output."""
        with self._changed:
            return "\n".join(self._tail)

    def watch(self, pattern: str) -> re.Pattern[str]:
        """Look out from now on for a line that `pattern` (a regular expression) is found in."""
        compiled = re.compile(pattern)
        with self._changed:
            seen = any(compiled.search(line) for line in self._tail)
            self._watched.setdefault(compiled, seen)
        return compiled

    def wait_for_line(self, pattern: str, timeout: float) -> None:
        """Wait until a line of its output matches.

        Args:
            pattern: regular expression, searched in each line, the kept tail included.
            timeout: seconds.

        Raises:
            ChildDied: it ended first.
            ChildNotReady: the time is over.
        """
        compiled = self.watch(pattern)
        with self._changed:
            self._changed.wait_for(lambda: self._watched[compiled] or self._drained, timeout)
            seen, drained = self._watched[compiled], self._drained
        if seen:
            return
        if drained:
            raise self.died()
        raise self.not_ready(timeout)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until it ends; return its exit code, or None when `timeout` (seconds) is over."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def died(self) -> ChildDied:
        """Return the error that tells of its end."""
        ending = _ending(self.wait(5))
        self._pump.join(2)  # its last words may still be on their way
        return ChildDied(f"{self.name} ended with {ending}{self._see_log()}")

    def not_ready(self, timeout: float) -> ChildNotReady:
        """Return the error that tells that it was not ready within `timeout` seconds."""
        return ChildNotReady(f"{self.name} was not ready within {timeout:g} s{self._see_log()}")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens once it has ended."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once by SIGKILL, as a crash would, and reap it."""
        self._process.kill()
        self._process.wait()

    def stop(self, grace: float = 15) -> int:
        """End it by SIGTERM; after `grace` seconds by SIGKILL, with whatever it has started.

        Returns:
            Its exit code, or minus the signal that ended it.
        """
        self._process.terminate()
        code = self.wait(grace)
        if code is None:
            os.killpg(self.pid, signal.SIGKILL)
            code = self._process.wait()
        self._pump.join(2)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _see_log(self) -> str:
        return f"; its log is {self.log} and ends with:\n{self.tail()}"

    def _drain(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with self.log.open("ab", buffering=0) as log, stream:
            for raw in stream:
                log.write(raw)
                line = raw.decode(errors="replace").rstrip("\n")
                self._note(line)
                if self._on_line is not None:
                    self._on_line(self.name, line)
        with self._changed:
            self._drained = True
            self._changed.notify_all()

    def _note(self, line: str) -> None:
        with self._changed:
            self._tail.append(line)
            for pattern, seen in self._watched.items():
                if not seen and pattern.search(line):
                    self._watched[pattern] = True
                    self._changed.notify_all()


def _ending(code: int | None) -> str:
    if code is None:
        return "its output closed"
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


class _Spawner:
    """Starts every child from one thread that lives as long as the process.

    Linux sends the parent-death signal when the *thread* that started the child ends.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._jobs: queue.SimpleQueue[
            tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]
        ] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="spawner", daemon=True).start()

    def call(self, job: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        answer: Future[subprocess.Popen[bytes]] = Future()
        self._jobs.put((job, answer))
        return answer.result()

    def _serve(self) -> None:
        while True:
            job, answer = self._jobs.get()
            try:
                answer.set_result(job())
            except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
                answer.set_exception(error)


_spawners: list[_Spawner] = []
_spawners_lock = threading.Lock()


def _spawn(
    command: Sequence[str], env: Mapping[str, str] | None, cwd: Path | None
) -> subprocess.Popen[bytes]:
    with _spawners_lock:
        if (
            not _spawners or _spawners[-1].pid != os.getpid()
        ):  # a fork keeps the list, not the thread
            _spawners[:] = [_Spawner()]
        spawner = _spawners[-1]
    return spawner.call(
        lambda: subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    )


class Deadline:
    """A point in time by which something must have happened."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._end - time.monotonic())

    @property
    def over(self) -> bool:
        """True once the time is up."""
        return self.left == 0
