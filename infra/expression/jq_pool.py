"""jq with a deadline: programs run in a few child processes that can be killed.

The C library holds the interpreter's lock while a program runs and cannot be interrupted, so it
never runs here.
"""

from __future__ import annotations

import json
import queue
import select
import struct
import subprocess
import sys
import threading
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from domain.expression.errors import Fault, LimitFault

_CHILD: Final = Path(__file__).with_name("jq_child.py")
_LARGEST_FRAME: Final = 256 * 1024 * 1024


class JqPool:
    """Runs jq programs. Thread-safe; children start when needed and end with this process.

    Args:
        size: most programs at once; further callers wait.
        seconds: longest time of one program, waiting included.
    """

    def __init__(self, size: int = 2, seconds: float = 10.0) -> None:
        self._seconds = seconds
        self._free: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(size):
            self._free.put(None)
        self._lock = threading.Lock()
        self._children: set[_Child] = set()

    def run(self, program: str, value: Any, seconds: float | None = None) -> list[Any]:
        """Return every result of a program.

        Args:
            program: jq's language; `env` and `$ENV` are empty, `import` finds nothing.
            value: plain data, or JSON text.
            seconds: deadline of this run; None: the pool's.

        Raises:
            Fault: the text is no JSON, or the program is wrong or fails.
            LimitFault: it takes too long or makes too much.
        """
        text = value if isinstance(value, str) else _json(value)
        if isinstance(value, str):
            text = value if value.strip() else "null"
            try:
                json.loads(text)
            except (ValueError, RecursionError) as unread:
                # without the text, which may be a secret
                raise Fault(f"Unable to parse jq value as JSON: {unread}") from None
        deadline = time.monotonic() + (self._seconds if seconds is None else seconds)
        try:
            child = self._free.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            raise _too_slow() from None
        try:
            if child is None:
                child = self._started()
            results, error = child.ask([program, text], deadline)
        except _Broken as broken:
            self._discard(child)
            child = None
            raise broken.fault from None
        finally:
            self._free.put(child)
        if error is not None:
            raise Fault(f"Unable to run the jq program '{program[:200]}': {error}")
        answers: list[Any] = results
        return answers

    def close(self) -> None:
        """End every child."""
        with self._lock:
            children, self._children = self._children, set()
        for child in children:
            child.end()

    def _started(self) -> _Child:
        child = _Child()
        with self._lock:
            self._children.add(child)
        return child

    def _discard(self, child: _Child | None) -> None:
        if child is not None:
            with self._lock:
                self._children.discard(child)
            child.end()


class _Broken(Exception):
    """A child that can be used no more, and what to tell the caller."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class _Child:
    """One child process, used by one caller at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            bufsize=0,
            start_new_session=True,
        )

    def ask(self, request: list[Any], deadline: float) -> list[Any]:
        frame = json.dumps(request).encode()
        requests, answers = self._process.stdin, self._process.stdout
        if requests is None or answers is None or len(frame) > _LARGEST_FRAME:
            raise _Broken(LimitFault("The input of the jq program is too large."))
        try:
            # the child reads a whole request before it works: writing does not wait for it
            requests.write(struct.pack(">I", len(frame)))
            view = memoryview(frame)
            while view:
                self._wait(requests, deadline, to_write=True)
                view = view[requests.write(view[:65_536]) or 0 :]
            (size,) = struct.unpack(">I", self._read(answers, 4, deadline))
            if size > _LARGEST_FRAME:
                raise _Broken(LimitFault("The result of the jq program is too large."))
            answer: list[Any] = json.loads(self._read(answers, size, deadline))
        except (OSError, EOFError):
            raise _Broken(LimitFault("The jq program used too much memory.")) from None
        return answer

    def end(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()

    def _read(self, stream: Any, size: int, deadline: float) -> bytes:
        chunks: list[bytes] = []
        while size:
            self._wait(stream, deadline, to_write=False)
            chunk = stream.read(size)
            if not chunk:
                raise EOFError
            chunks.append(chunk)
            size -= len(chunk)
        return b"".join(chunks)

    def _wait(self, stream: Any, deadline: float, *, to_write: bool) -> None:
        left = max(0.0, deadline - time.monotonic())
        watched: tuple[list[Any], list[Any]] = ([], [stream]) if to_write else ([stream], [])
        readable, writable, _ = select.select(*watched, [], left)
        if not readable and not writable:
            raise _Broken(_too_slow())


def _too_slow() -> LimitFault:
    return LimitFault("The jq program takes too long.")


def _json(value: Any) -> str:
    """Return plain data as JSON; members of maps that are null are left out, as when printed."""
    from domain.expression.text import data_text, duration_number, inner_java_text
    from domain.expression.values import shortest

    def plain(item: Any) -> Any:
        match item:
            case None | bool() | int() | str():
                return item
            case float():
                return shortest(item) if item - item == 0 else None
            case list() | tuple() | set() | frozenset():
                return [plain(part) for part in item]
            case _ if hasattr(item, "items"):
                return {
                    inner_java_text(key): plain(part)
                    for key, part in item.items()
                    if part is not None
                }
            case Decimal():
                return float(item)
            case timedelta():
                return float(duration_number(item))
            case _:
                return data_text(item)

    return json.dumps(plain(value))
