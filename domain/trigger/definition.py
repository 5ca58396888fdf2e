"""What a scheduled trigger's definition means to `decide`: its dates and its executions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import msgspec

from domain.errors import TidewheelError
from domain.execution.commands import CreateExecution
from domain.ids import scheduled_execution_id
from domain.trigger.state import Backfill, TriggerKey

Recovery = Literal["ALL", "LAST", "NONE"]
"""What becomes of dates missed while no scheduler ran: all fire, the last one does, none."""

LONGEST_SEARCH: Final = timedelta(days=3653)
"""Conditions are tried on dates up to ten years away."""
_FIRST: Final = datetime(1000, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Between these, dates are searched for: far enough from the ends of the calendar."""
MOST_CANDIDATES: Final = 20_000
"""Dates tried in one search. A longer search goes on when its last date has come."""


class InvalidTrigger(TidewheelError):
    """A definition without meaning: its dates or one of its conditions cannot be evaluated."""

    code = "TRIGGER001"


class Firing(msgspec.Struct, frozen=True):
    """One execution to be made."""

    date: datetime
    execution_id: str
    backfill: Backfill | None = None
    """Set when the date is one of its dates."""
    error: str | None = None
    """Set: the execution fails at once, with this reason."""


class Definition(msgspec.Struct, frozen=True):
    """A trigger of a revision of a flow. All dates are aware and come back in UTC."""

    kind: str
    """Type of the trigger."""
    fingerprint: str
    next_after: Callable[[datetime], datetime | None]
    """First date strictly later than an instant, conditions apart."""
    last_before: Callable[[datetime], datetime | None]
    """Last date strictly earlier than an instant, conditions apart."""
    create: Callable[[Firing], CreateExecution]
    """The execution of a date."""
    holds: Callable[[datetime], bool] | None = None
    """Whether the conditions select a date; raises InvalidTrigger. None: every date."""
    broken: str | None = None
    """Why the definition has no dates; one failed execution tells of it."""
    inactive: bool = False
    """Switched off by the flow."""
    exclusive: bool = True
    """Does not fire while an execution it started runs."""
    stop_after: frozenset[str] = frozenset()
    """States of an execution's end that switch the trigger off."""
    recover: Recovery = "ALL"
    latest: timedelta | None = None
    """Dates older than this are skipped; None: however late."""
    backfills: bool = True

    def next(self, after: datetime) -> datetime | None:
        """Return the first date later than an instant that the conditions select.

        A condition that cannot be evaluated selects every date: the execution says so.
        """
        if after >= _LAST:
            return None
        after = max(after, _FIRST)
        return self._search(after, self.next_after, after + LONGEST_SEARCH)

    def first_from(self, instant: datetime) -> datetime | None:
        """Return the first selected date that is not before an instant."""
        return self.next(max(instant, _FIRST) - timedelta(microseconds=1))

    def previous(self, before: datetime) -> datetime | None:
        """Return the last date earlier than an instant that the conditions select."""
        if before <= _FIRST:
            return None
        before = min(before, _LAST)
        date = self._search(before, self.last_before, before - LONGEST_SEARCH)
        return date if date is not None and self._selected(date) else None

    def _search(
        self,
        start: datetime,
        step: Callable[[datetime], datetime | None],
        limit: datetime,
    ) -> datetime | None:
        forward = limit > start
        date = step(start)
        if self.holds is None:
            return date
        for _ in range(MOST_CANDIDATES):
            if date is None or (date > limit if forward else date < limit):
                return None
            if self._selected(date):
                return date
            date = step(date)
        return date

    def _selected(self, date: datetime) -> bool:
        if self.holds is None:
            return True
        try:
            return self.holds(date)
        except InvalidTrigger:
            return True


def firing_id(key: TriggerKey, date: datetime, backfill: Backfill | None) -> str:
    """Return the id of the execution of a date: equal however often the date is fired.

    Args:
        key: the trigger.
        date: in UTC.
        backfill: set when the date is one of its dates: its executions are others than those of
            the schedule itself.
    """
    stamp = date.isoformat() if backfill is None else f"{date.isoformat()}/{backfill.id}"
    return scheduled_execution_id(key.tenant, key.namespace, key.flow_id, key.trigger_id, stamp)
