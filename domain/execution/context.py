"""What a step is given besides flow, state and command: all of it values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

import msgspec

from domain.flow.model import Flow


class Question(msgspec.Struct, frozen=True):
    """Something that a flowable's expression asks of the outside world."""

    key: str
    """Function and arguments, canonical: the key of its answer."""
    name: str
    """Function, one of `IMPURE_FUNCTIONS`."""
    arguments: dict[str, Any]
    tenant: str
    namespace: str
    """Of the flow whose expression asks."""
    execution_id: str
    flow_id: str = ""
    trigger: dict[str, Any] = {}
    """Variables of the execution's trigger: files of the execution that started it may be read."""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the outside world says."""

    value: Any = None
    error: str | None = None
    """Set: the function fails with this text."""


class Settings(msgspec.Struct, frozen=True):
    """What the server's configuration says to every expression. The same on all executors."""

    envs: dict[str, str] = {}
    """Variable `envs`: lower case, prefix taken off."""
    globals: dict[str, Any] = {}
    kestra: dict[str, Any] = {}
    """Variable `kestra`: environment and url."""
    zone: tzinfo = UTC
    locale: str = "en_US"


DEFAULT_SETTINGS: Final = Settings()
_NO_ANSWERS: Final[Mapping[str, Answer]] = {}

FindFlow = Callable[[str, str, str, int | None], Flow | None]
"""Returns a flow in force by tenant, namespace, id and revision (None: the latest)."""


def _no_flows(tenant: str, namespace: str, flow_id: str, revision: int | None) -> Flow | None:
    del tenant, namespace, flow_id, revision
    return None


Encrypt = Callable[[str], str]
"""Seals a secret."""


class Context(msgspec.Struct, frozen=True):
    """The surroundings of a step."""

    now: datetime
    """Timestamp of the command's record: aware."""
    command_offset: int = -1
    """Offset of the command on its partition; -1: unknown, nothing counts as stepped before."""
    answers: Mapping[str, Answer] = _NO_ANSWERS
    """Answers to the questions of an earlier `Needs`, by key."""
    settings: Settings = DEFAULT_SETTINGS
    find_flow: FindFlow = _no_flows
    """Flows that Subflow tasks name. What was found is recorded in the event: replay never asks."""
    encrypt: Encrypt | None = None
    """Seals SECRET inputs of subflows; None: there is no key."""
