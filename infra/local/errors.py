"""What can go wrong while a server or component is started here."""

from __future__ import annotations

from domain.errors import TidewheelError


class LocalServerError(TidewheelError):
    """A server or component can't be had, started or stopped; the text says why and what helps."""

    code = "LOCAL001"


class ChildDied(LocalServerError):
    """A child process ended while someone waited for it; the text ends with the tail of its log."""

    code = "LOCAL002"


class ChildNotReady(LocalServerError):
    """A child process runs but was not ready in time; the text ends with the tail of its log."""

    code = "LOCAL003"
