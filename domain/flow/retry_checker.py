"""Rules that retries must obey."""

from __future__ import annotations

from datetime import timedelta

from domain.duration import format_duration
from domain.flow.common import Retry
from domain.flow.reading import Path, Reading

_Span = tuple[str, timedelta | None]
"""A property and its value."""


def check_retry(retry: Retry, path: Path, reading: Reading) -> None:
    """Report the rules that a retry breaks."""
    needed: dict[str, tuple[tuple[str, timedelta | None], ...]] = {
        "constant": (("interval", retry.interval),),
        "exponential": (("interval", retry.interval), ("maxInterval", retry.max_interval)),
        "random": (("minInterval", retry.min_interval), ("maxInterval", retry.max_interval)),
    }
    for name, span in needed.get(retry.type, ()):
        place = (*path, name)
        if span is None and not reading.is_reported(place):
            reading.rule(place, "must not be null", f"Add `{name}`.")
        elif span is not None and span < timedelta():
            reading.rule(place, "must not be negative", "Write a positive duration.")
    if retry.max_attempts is not None and retry.max_attempts < 1:
        reading.rule(
            (*path, "maxAttempts"),
            "must be greater than or equal to 1",
            "Mend the number.",
            retry.max_attempts,
        )
    if retry.type == "exponential" and retry.delay_factor < 1:
        reading.rule((*path, "delayFactor"), "must be greater than or equal to 1", "Raise it.")
    longest = ("maxDuration", retry.max_duration)
    top = ("maxInterval", retry.max_interval)
    ordered: dict[str, tuple[tuple[_Span, _Span], ...]] = {
        "constant": ((("interval", retry.interval), longest),),
        "exponential": (
            (("interval", retry.interval), longest),
            (("interval", retry.interval), top),
        ),
        "random": (
            (("minInterval", retry.min_interval), longest),
            (top, longest),
            (("minInterval", retry.min_interval), top),
        ),
    }
    for (less, low), (more, high) in ordered.get(retry.type, ()):
        if low is not None and high is not None and low >= high:
            reading.rule(
                path,
                f"'{less}' must be less than '{more}' but is {format_duration(low)}",
                f"Raise `{more}`.",
                at=(*path, less),
            )
