"""What the servers that we start have in common: a folder, a child process, a way to end."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from infra.local.child import Child
from infra.local.errors import ChildDied

PORT_ATTEMPTS = 3
"""How often a server that lost a race for a free port is started again with another."""
BIND_FAILED = "Address already in use|BindException|BindTransportException|BindHttpException"

S = TypeVar("S")


class Server:
    """A running server: stop it, or use it as a context manager."""

    def __init__(self, child: Child, folder: Path, *, temporary: bool) -> None:
        """Hold a started server.

        Args:
            child: its process.
            folder: its data, configuration and log.
            temporary: the folder goes away with the server.
        """
        self.child = child
        self.folder = folder
        self._temporary = temporary

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.child.pid

    def stop(self) -> None:
        """End the server and remove its folder if that was temporary; again: nothing happens."""
        if self.child.running:
            self.child.stop()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def own_folder(given: Path | None, name: str, temporary_in: Path | None = None) -> Path:
    """Return the server's folder: the given one, made when it is not there, or a new temporary."""
    if given is None:
        return Path(tempfile.mkdtemp(prefix=f"tidewheel-{name}-", dir=temporary_in))
    given.mkdir(parents=True, exist_ok=True)
    return given.absolute()


def until_ports_are_ours(start: Callable[[], S], *, fixed: bool) -> S:
    """Call `start`, which picks free ports and starts a server, until nobody took the ports first.

    Args:
        start: raises ChildDied, with the log's tail in it, when the server died.
        fixed: the ports were given: no second try.
    """
    for attempt in range(1, PORT_ATTEMPTS + 1):
        try:
            return start()
        except ChildDied as error:
            if fixed or attempt == PORT_ATTEMPTS or not re.search(BIND_FAILED, str(error)):
                raise
    raise AssertionError
