"""Functions whose results are different every time: ids and ports."""

from __future__ import annotations

import socket
import uuid

from domain.ids import friendly


def new_uuid() -> str:
    """Return a random UUID."""
    return str(uuid.uuid4())


def new_id() -> str:
    """Return a random id in base 62, as executions have."""
    return friendly(uuid.uuid4())


def random_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
