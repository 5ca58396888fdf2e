"""The tree of our errors.

TidewheelError
  InvalidInput           what a caller sent is wrong; carries violations
    InvalidFlow          FLOW001  a flow's source breaks a rule
    InvalidInputs        EXEC001  the inputs of an execution break a rule
    InvalidQuery         QUERY001 a filter, sort or page is wrong
  NotFound               a thing asked for by id does not exist
  Conflict               the thing's state forbids the request
  UnreadableRecord       LOG001   a record's bytes are not what its topic promises
  LogUnavailable         LOG002   the log could not be written or read in time
  RecordTooLarge         LOG003   a record is over the log's limit: no retry can help
  BrokenInvariant        CORE001  the program contradicts itself: what it was about must not go on
"""

from __future__ import annotations

import msgspec


class Violation(msgspec.Struct, frozen=True):
    """One broken rule."""

    message: str
    path: str = ""
    """JSON path, for example `$.tasks[0].id`; empty when unknown."""
    line: int = 0
    """Line in the source, from 1; 0 when unknown."""
    column: int = 0
    """Column in the source, from 1; 0 when unknown."""
    remedy: str = ""
    """How to mend it, one sentence."""
    value: object = None
    """The offending value, where it helps."""


class TidewheelError(Exception):
    """Root of our errors."""

    code = "CORE000"


class InvalidInput(TidewheelError):
    """What a caller sent is wrong."""

    code = "INPUT001"

    def __init__(self, message: str, violations: tuple[Violation, ...] = ()) -> None:
        super().__init__(message)
        self.violations = violations


class InvalidFlow(InvalidInput):
    """A flow's source breaks rules; all of them are listed."""

    code = "FLOW001"


class InvalidInputs(InvalidInput):
    """The inputs of an execution break rules."""

    code = "EXEC001"


class InvalidQuery(InvalidInput):
    """A filter, sort order or page is wrong."""

    code = "QUERY001"


class NotFound(TidewheelError):
    """A thing asked for does not exist."""

    code = "NOTFOUND001"


class Conflict(TidewheelError):
    """The thing's state forbids the request."""

    code = "CONFLICT001"


class UnreadableRecord(TidewheelError):
    """A record's bytes are not what its topic promises."""

    code = "LOG001"


class LogUnavailable(TidewheelError):
    """The log could not be written or read in time."""

    code = "LOG002"


class RecordTooLarge(TidewheelError):
    """A record is over the log's limit; sending it again can not help."""

    code = "LOG003"

    def __init__(self, topic: str, size: int, limit: int) -> None:
        super().__init__(
            f"a record of {size} bytes for {topic} is over the log's limit of {limit} bytes "
            "(option max_record_bytes)"
        )
        self.size = size
        self.limit = limit


class BrokenInvariant(TidewheelError):
    """The program contradicts itself; the execution whose step did so fails, the others go on."""

    code = "CORE001"
