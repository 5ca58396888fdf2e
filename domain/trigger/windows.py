"""The spans of time in which flow triggers gather executions.

1.x: `timeWindow`; 2.0: `window`. A daily span begins and ends at wall times of a zone.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

import msgspec

from domain.dates.zones import InvalidZone, parse_zone
from domain.flow.triggers import DependencyWindow, TimeWindow
from domain.trigger.definition import InvalidTrigger
from domain.trigger.state import Window

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)
_MONDAY: Final = date(1970, 1, 5)


class Bounds(msgspec.Struct, frozen=True):
    """One window; executions of an instant count with start <= instant < end."""

    start: datetime | None = None
    """None: without beginning."""
    end: datetime | None = None
    """None: without end."""


UNBOUNDED: Final = Bounds()


class Span(msgspec.Struct, frozen=True):
    """How windows follow one another; all members None: one window without end."""

    zone: tzinfo
    length: timedelta | None = None
    """Windows of this length, the first of which begins on the full day, hour or minutes before
    the first execution. 1.x DURATION_WINDOW."""
    advance: timedelta = timedelta()
    """Moves the beginning of such windows."""
    every: timedelta | None = None
    """Windows of this length, counted from midnight. 2.0 `every`."""
    offset: timedelta = timedelta()
    """Moves the beginning of those windows."""
    opens: time | None = None
    """Wall time at which each day's window begins."""
    closes: time | None = None
    """Wall time at which it ends; not after `opens`: on the next day."""
    lookback: timedelta | None = None
    """An execution counts for so long. 1.x SLIDING_WINDOW, 2.0 `lookback`."""

    def bounds(self, instant: datetime, current: Window | None) -> Bounds | None:
        """Return the window of an instant in UTC; None when there is none, so that nothing counts.

        Args:
            instant: aware.
            current: what was gathered so far; windows of 1.x run on until their end.
        """
        if self.length is not None:
            return self._running(instant, self.length, current)
        if self.every is not None:
            return self._counted(instant, self.every)
        if self.opens is not None and self.closes is not None:
            return self._daily(instant, self.opens, self.closes)
        return UNBOUNDED

    def next_close(self, instant: datetime) -> datetime | None:
        """Return the first end of a daily window later than an instant; None for other windows."""
        return self._close(instant, forward=True)

    def last_close(self, instant: datetime) -> datetime | None:
        """Return the last end of a daily window earlier than an instant."""
        return self._close(instant, forward=False)

    def _close(self, instant: datetime, *, forward: bool) -> datetime | None:
        if self.closes is None:
            return None
        day = instant.astimezone(self.zone).date()
        for away in (0, 1, 2):
            found = self._at(day + (away if forward else -away) * _DAY, self.closes)
            if found > instant if forward else found < instant:
                return found
        return None

    def _running(self, instant: datetime, length: timedelta, current: Window | None) -> Bounds:
        if (
            current is not None
            and current.start is not None
            and current.end is not None
            and current.start <= instant < current.end
        ):
            return Bounds(current.start, current.end)
        local = instant.astimezone(self.zone).replace(second=0, microsecond=0)
        if length >= _DAY:
            local = local.replace(hour=0, minute=0)
        elif length >= _HOUR:
            local = local.replace(minute=0)
        elif length >= _MINUTE:
            step = int(length // _MINUTE)
            local = local.replace(minute=local.minute // step * step)
        else:
            local = instant.astimezone(self.zone).replace(microsecond=0)
        start = local.astimezone(UTC) + self.advance
        start += (instant - start) // length * length
        return Bounds(start, start + length)

    def _counted(self, instant: datetime, every: timedelta) -> Bounds:
        local = instant.astimezone(self.zone)
        day = local.date() if every <= _DAY else _MONDAY
        base = self._at(day, time()) + self.offset
        start = base + (instant - base) // every * every
        return Bounds(start, start + every)

    def _daily(self, instant: datetime, opens: time, closes: time) -> Bounds | None:
        today = instant.astimezone(self.zone).date()
        for day in (today, today - _DAY):
            start = self._at(day, opens)
            end = self._at(day if closes > opens else day + _DAY, closes)
            if start <= instant < end:
                return Bounds(start, end)
        return None

    def _at(self, day: date, clock: time) -> datetime:
        zone = clock.tzinfo or self.zone
        return datetime.combine(day, clock.replace(tzinfo=None), zone).astimezone(UTC)


def span_of_time_window(window: TimeWindow | None, zone: tzinfo) -> Span:
    """Return the span of a `timeWindow` of 1.x; by default a day from midnight.

    Raises:
        InvalidTrigger: a time is missing or cannot be read.
    """
    if window is None:
        return Span(zone, length=_DAY)
    match window.type:
        case "DURATION_WINDOW":
            length = _DAY if window.window is None else window.window
            if length <= timedelta():
                raise InvalidTrigger("a window needs a length")
            return Span(zone, length=length, advance=window.window_advance or timedelta())
        case "SLIDING_WINDOW":
            return Span(zone, lookback=window.window or _DAY)
        case "DAILY_TIME_DEADLINE":
            return Span(zone, opens=time(), closes=_clock(window.deadline))
        case "DAILY_TIME_WINDOW":
            return Span(zone, opens=_clock(window.start_time), closes=_clock(window.end_time))


def span_of_dependency_window(window: DependencyWindow | None, zone: tzinfo) -> Span:
    """Return the span of a `window` of 2.0; without one, a day from midnight as in 1.x.

    Raises:
        InvalidTrigger: a time or zone cannot be read.
    """
    if window is None:
        return Span(zone, every=_DAY)
    if window.timezone is not None:
        try:
            zone = parse_zone(window.timezone)
        except InvalidZone as error:
            raise InvalidTrigger(str(error)) from error
    if window.deadline is not None:
        return Span(zone, opens=time(), closes=_clock(window.deadline))
    if window.from_ is not None or window.to is not None:
        return Span(zone, opens=_clock(window.from_), closes=_clock(window.to))
    if window.lookback is not None:
        return Span(zone, lookback=window.lookback)
    every = _DAY if window.every is None else window.every
    if every <= timedelta():
        raise InvalidTrigger("a window needs a length")
    return Span(zone, every=every, offset=window.offset or timedelta())


def _clock(text: str | None) -> time:
    try:
        return time.fromisoformat(text or "")
    except ValueError:
        raise InvalidTrigger(f"'{text}' is no time of day") from None
