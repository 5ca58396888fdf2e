"""Kinds of executions."""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """What an execution is for; an ordinary one has none stored."""

    NORMAL = "NORMAL"
    TEST = "TEST"
    PLAYGROUND = "PLAYGROUND"
    LOOP = "LOOP"
