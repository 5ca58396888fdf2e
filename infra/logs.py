"""Process logs: lines of text or of JSON on standard error. Logs of tasks are data, not here."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

_QUIET = ("aiokafka", "faust", "mode", "httpx", "httpcore", "asyncio", "uvicorn")
_REPEATING = ("aiokafka", "tidewheel.kafka")
_BY_SUBJECT = frozenset({"tidewheel.kafka"})
_SILENT = ("opensearch",)
"""Warns of every answer 404, which is an answer like any other."""


class Repeats(logging.Filter):
    """Lets what Kafka's clients repeat while the broker is away through once in a while.

    A line is the same as another when its logger, level, template and, of some loggers, first value
    are; the next one that comes through says how many were left out.
    """

    def __init__(self, seconds: float = 10.0, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._seconds = seconds
        self._now = now
        self._seen: dict[tuple[str, int, str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        if not record.name.startswith(_REPEATING) or record.levelno >= logging.CRITICAL:
            return True
        first = record.args[:1] if isinstance(record.args, tuple) else ()
        key = (
            record.name,
            record.levelno,
            str(record.msg),
            str(first) if record.name in _BY_SUBJECT else "",
        )
        now = self._now()
        since, left_out = self._seen.get(key, (float("-inf"), 0))
        if now - since < self._seconds:
            self._seen[key] = (since, left_out + 1)
            return False
        self._seen[key] = (now, 0)
        if left_out:
            record.msg = f"{record.msg} ({left_out} more like this were left out)"
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, component, message, error."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "component": self._component,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def set_up_logging(component: str, level: str, style: Literal["text", "json"]) -> None:
    """Send process logs to standard error; libraries only from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    if style == "json":
        handler.setFormatter(JsonFormatter(component))
    else:
        handler.setFormatter(
            logging.Formatter(f"%(asctime)s %(levelname)-7s {component} %(name)s: %(message)s")
        )
    handler.addFilter(Repeats())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.ERROR)
