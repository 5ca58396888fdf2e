"""Offsets from UTC as text."""

from __future__ import annotations

from datetime import datetime, timedelta


def offset_text(moment: datetime, width: int) -> str:
    """Return a moment's offset.

    Width 1 gives `+01` (`+0530`), 2 `+0100`, 3 `+01:00`, 4 and 5 the same with seconds if any.
    """
    span = moment.utcoffset() or timedelta()
    seconds = round(span.total_seconds())
    sign = "-" if seconds < 0 else "+"
    hours, rest = divmod(abs(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    if width == 1:
        return f"{sign}{hours:02d}" + (f"{minutes:02d}" if minutes else "")
    colon = ":" if width in (3, 5) else ""
    text = f"{sign}{hours:02d}{colon}{minutes:02d}"
    return f"{text}{colon}{seconds:02d}" if seconds and width >= 4 else text
