"""What a verification finds: steps that come out otherwise, and the numbers of all others."""

from __future__ import annotations

from typing import Any

import msgspec


class Divergence(msgspec.Struct, frozen=True):
    """A step that does not come out as it was recorded."""

    execution_id: str
    partition: int
    sequence: int
    """Of the first event of the step."""
    command_offset: int
    command: str
    """Tag of the command."""
    reason: str
    recorded: bytes | None = None
    """The record as it stands on the log; None: there is none."""
    stepped: bytes | None = None
    """The record that the step makes now; None: it makes none."""

    @property
    def events(self) -> tuple[str, str]:
        """The first events that differ, recorded and stepped, as JSON; empty: none."""
        return first_difference(self.recorded, self.stepped)


class Tally(msgspec.Struct):
    """What was verified, and what could not be."""

    executions: int = 0
    steps: int = 0
    """Records that came out byte for byte."""
    quiet: int = 0
    """Commands that led to nothing, now as then."""
    withheld: int = 0
    """Records that were not compared: an answer they rest on is not recorded."""
    uncommanded: int = 0
    """Records that were not compared: their command is not on the log any more."""
    ignored: int = 0
    """Records that do not count: duplicates and losers of a race."""
    unreadable: int = 0
    """Commands and events that nobody can read."""
    waiting: int = 0
    """Commands at the end of the log that no executor has stepped."""
    spoilt: int = 0
    """Executions not compared beyond a divergence, or a step that raises now as it did then."""

    def add(self, other: Tally) -> None:
        """Take in the numbers of another one."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def reason_of(made: bytes | None, recorded: bytes | None) -> str:
    """Say how the record that a step makes differs from the one on the log."""
    if made is None:
        return "it leads to nothing"
    if first_difference(recorded, made) == ("", ""):
        return "the same events in other bytes"
    return "it leads to other events"


def first_difference(recorded: bytes | None, stepped: bytes | None) -> tuple[str, str]:
    """Return the first events that differ as JSON; empty where there is none."""
    one, other = _events(recorded), _events(stepped)
    for number in range(max(len(one), len(other))):
        mine = one[number] if number < len(one) else None
        theirs = other[number] if number < len(other) else None
        if mine != theirs:
            return _text(mine), _text(theirs)
    return "", ""


def _events(record: bytes | None) -> list[Any]:
    if record is None:
        return []
    decoded = msgspec.json.decode(record)
    events = decoded.get("events") if isinstance(decoded, dict) else None
    return events if isinstance(events, list) else []


def _text(event: Any) -> str:
    return "" if event is None else msgspec.json.encode(event).decode()
