"""Instants and durations as text, in the form of Java's clients."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_MICROSECOND = timedelta(microseconds=1)


def instant(value: datetime) -> str:
    """Return an aware instant as ISO-8601 in UTC, with 0, 3 or 6 digits behind the seconds."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    if not value.microsecond:
        return value.isoformat(timespec="seconds")[:19] + "Z"
    if value.microsecond % 1000:
        return value.isoformat(timespec="microseconds")[:26] + "Z"
    return value.isoformat(timespec="milliseconds")[:23] + "Z"


def duration(value: timedelta) -> str:
    """Return a duration as ISO-8601 in hours, minutes and seconds: `PT1H2M0.5S`, `PT0S`."""
    micros = value // _MICROSECOND
    sign = "-" if micros < 0 else ""
    seconds, micros = divmod(abs(micros), 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = "PT"
    if hours:
        text += f"{sign}{hours}H"
    if minutes:
        text += f"{sign}{minutes}M"
    if micros:
        text += f"{sign}{seconds}.{micros:06d}".rstrip("0") + "S"
    elif seconds or text == "PT":
        text += f"{sign}{seconds}S"
    return text
