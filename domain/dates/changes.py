"""Wall times around the changes of a zone's offset: those that come twice, and those left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_SECOND: Final = timedelta(seconds=1)


def offset_of(moment: datetime) -> timedelta:
    """Return the distance to UTC; none for a time without zone."""
    return moment.utcoffset() or timedelta()


def overlap_of(moment: datetime) -> timedelta:
    """Return how much the clock goes back (positive) or forward around this wall time."""
    return offset_of(moment.replace(fold=0)) - offset_of(moment.replace(fold=1))


def is_ambiguous(moment: datetime) -> bool:
    """Tell whether a wall time comes twice."""
    return overlap_of(moment) > timedelta()


def is_gap(moment: datetime) -> bool:
    """Tell whether a wall time is left out."""
    return overlap_of(moment) < timedelta()


def _change(moment: datetime) -> datetime:
    """Return the UTC second at which the offset changes around a wall time in a gap or overlap."""
    shift = abs(overlap_of(moment))
    zone = moment.tzinfo
    anchor = moment.replace(fold=0).astimezone(UTC)
    early, late = anchor - shift, anchor + shift
    before = offset_of(early.astimezone(zone))
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        middle = middle.replace(microsecond=0)
        if middle <= early:
            break
        if offset_of(middle.astimezone(zone)) == before:
            early = middle
        else:
            late = middle
    return late


def overlap_end(moment: datetime) -> datetime:
    """Return the wall time at which both passes of a repeated span end."""
    change = _change(moment)
    return change.replace(tzinfo=None) + offset_of(moment.replace(fold=0))


def gap_end(moment: datetime) -> datetime:
    """Return the first wall time after a gap."""
    return _change(moment).astimezone(moment.tzinfo).replace(tzinfo=None, fold=0)


def gap_start(moment: datetime) -> datetime:
    """Return the first wall time of a gap."""
    return gap_end(moment) + overlap_of(moment)
