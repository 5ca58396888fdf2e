"""When a failed attempt is tried again.

Source: Kestra's retries, `kestra-features.md` 3.5: the first run is attempt 1 of `maxAttempts`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.flow.common import Retry


def retry_at(
    retry: Retry, attempts: int, first: datetime, ended: datetime, noise: float
) -> datetime | None:
    """Return when the next attempt is due.

    Args:
        retry: the policy.
        attempts: attempts so far, at least 1.
        first: start of the first attempt.
        ended: end of the last one.
        noise: in [0, 1), for policies with chance.

    Returns:
        The instant; None when there is no further attempt.
    """
    if retry.max_attempts is not None and attempts >= retry.max_attempts:
        return None
    due = ended + _delay(retry, attempts, noise)
    # what the executor runs takes no time: due at the very end of the span is too late
    if retry.max_duration is not None and due >= first + retry.max_duration:
        return None
    return due


def _delay(retry: Retry, attempts: int, noise: float) -> timedelta:
    if retry.type == "random":
        least = retry.min_interval or timedelta()
        return least + noise * max((retry.max_interval or least) - least, timedelta())
    interval = retry.interval or timedelta()
    if retry.type == "constant":
        return interval
    longest = retry.max_interval
    try:
        delay = interval * (retry.delay_factor ** (attempts - 1))
    except OverflowError:
        delay = longest or interval
    return delay if longest is None else min(delay, longest)
