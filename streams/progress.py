"""Which offset of a partition may be committed: everything below it is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition, Lock, Thread


class Progress:
    """Records begun in order, done in any order. Thread-safe."""

    __slots__ = ("_done", "_lock", "_next", "_open")

    def __init__(self) -> None:
        self._open: deque[int] = deque()
        self._done: set[int] = set()
        self._next: int | None = None
        self._lock = Lock()

    def begin(self, offset: int) -> None:
        """A record was taken; offsets only rise."""
        with self._lock:
            self._open.append(offset)

    def done(self, offset: int) -> None:
        """A record is done with all it caused."""
        with self._lock:
            self._done.add(offset)
            while self._open and self._open[0] in self._done:
                finished = self._open.popleft()
                self._done.discard(finished)
                self._next = finished + 1

    def next_offset(self) -> int | None:
        """The offset to commit: of the first record that is not done; None when none ever was."""
        with self._lock:
            return self._next


class Committer:
    """Writes progress at most once per interval, and only when there is some."""

    def __init__(
        self,
        commit: Callable[[int, int], None],
        failed: Callable[[Exception], None],
        interval_seconds: float,
    ) -> None:
        self._commit = commit
        self._failed = failed
        self._interval = interval_seconds
        self._progress: dict[int, Progress] = {}
        self._committed: dict[int, int] = {}
        self._changed = Condition()
        self._dirty = False
        self._closed = False
        self._thread = Thread(target=self._run, name="committer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def assigned(self, partition: int) -> None:
        """Count a partition from scratch."""
        with self._changed:
            self._progress[partition] = Progress()
            self._committed.pop(partition, None)

    def revoked(self, partition: int) -> None:
        """Commit a partition for the last time and forget it."""
        self.flush()
        with self._changed:
            self._progress.pop(partition, None)

    def begin(self, partition: int, offset: int) -> Callable[[], None]:
        """A record was taken; the returned function says that it is done."""
        progress = self._progress[partition]
        progress.begin(offset)

        def done() -> None:
            progress.done(offset)
            if not self._dirty:
                with self._changed:
                    self._dirty = True
                    self._changed.notify_all()

        return done

    def flush(self) -> None:
        """Commit what is done now."""
        self._dirty = False
        for partition, progress in list(self._progress.items()):
            offset = progress.next_offset()
            if offset is not None and offset != self._committed.get(partition):
                self._commit(partition, offset)
                self._committed[partition] = offset

    def close(self) -> None:
        """Commit what is done and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self.flush()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._dirty or self._closed)
                if self._closed:
                    return
                # gather what else gets done within the interval
                self._changed.wait_for(lambda: self._closed, self._interval)
            try:
                self.flush()
            except Exception as error:  # noqa: BLE001 - the owner decides, the thread must not die unseen
                self._failed(error)
                return
