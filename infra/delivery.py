"""Delivery reports handed to whoever waits for them, on a thread that all share."""

from __future__ import annotations

import logging

from domain.ports.log import Delivery
from domain.record.envelope import Position

_LOGGER = logging.getLogger(__name__)


def report(delivered: Delivery, position: Position | None, error: Exception | None) -> None:
    """Tell one sender; what it raises is logged, so that the reports of all others still come."""
    try:
        delivered(position, error)
    except Exception:
        _LOGGER.exception("a delivery report was not taken: %s", position or error)
