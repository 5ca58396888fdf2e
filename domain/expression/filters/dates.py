"""Filters on dates. What counts as a date, and every format, is in `domain.dates`."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from domain.dates.arithmetic import InvalidDate, shifted
from domain.dates.formatting import format_date
from domain.dates.reading import read_date
from domain.dates.zones import named_zone
from domain.expression.errors import Fault
from domain.expression.registry import REQUIRED, filter_
from domain.expression.runtime import Run
from domain.expression.scope import Scope
from domain.expression.values import is_nan, is_number

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _text_or_none(name: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise Fault(f"A text is expected as argument '{name}'.")


def zone_of(name: Any, scope: Scope) -> tzinfo:
    """Return the zone of a name, the scope's for null.

    Raises:
        Fault: there is no such zone.
    """
    text = _text_or_none("timeZone", name)
    try:
        return scope.zone if text is None else named_zone(text)
    except InvalidDate as error:
        raise Fault(str(error)) from None


def moment_of(value: Any, scope: Scope, zone: Any = None, existing: Any = None) -> datetime:
    """Return the moment a value stands for, with the scope's zone and locale for what is missing.

    Raises:
        Fault: it stands for none.
    """
    form = _text_or_none("existingFormat", existing)
    try:
        return read_date(value, zone_of(zone, scope), form, scope.locale)
    except InvalidDate as error:
        raise Fault(str(error)) from None


def written(moment: datetime, scope: Scope, form: Any, zone: Any, locale: Any) -> str:
    """Write a moment in a zone; the scope's zone and locale for null, `iso` for no form.

    Raises:
        Fault: the form, zone or locale is none.
    """
    pattern = _text_or_none("format", form)
    tag = _text_or_none("locale", locale)
    try:
        there = moment.astimezone(zone_of(zone, scope))
        return format_date(there, "iso" if pattern is None else pattern, tag or scope.locale)
    except (InvalidDate, OverflowError, ValueError) as error:
        raise Fault(str(error)) from None


def format_now(instant: datetime, arguments: Any, scope: Scope) -> str:
    """Return what `now(timeZone, format, existingFormat, locale)` returns at an instant.

    Args:
        instant: aware; the clock's.
        arguments: as a `Lookups` gets them.
        scope: whose zone and locale fill the gaps.

    Raises:
        Fault: a bad format, zone or locale.
    """
    return written(instant, scope, arguments["format"], arguments["timeZone"], arguments["locale"])


@filter_("date", format="iso", timeZone=None, existingFormat=None, locale=None)
def date(run: Run, value: Any, form: Any, zone: Any, existing: Any, locale: Any) -> str | None:
    """Write a date in a format; null stays null."""
    if value is None:
        return None
    return written(moment_of(value, run.scope, zone, existing), run.scope, form, zone, locale)


@filter_(
    "dateAdd",
    amount=REQUIRED,
    unit=REQUIRED,
    format="iso",
    timeZone=None,
    existingFormat=None,
    locale=None,
)
def date_add(
    run: Run,
    value: Any,
    amount: Any,
    unit: Any,
    form: Any,
    zone: Any,
    existing: Any,
    locale: Any,
) -> str | None:
    """Write a date some units later; null stays null."""
    if value is None:
        return None
    count = _amount(amount)
    if not isinstance(unit, str):
        raise Fault("The 'dateAdd' filter expects a text as argument 'unit'.")
    try:
        later = shifted(moment_of(value, run.scope, zone, existing), count, unit)
    except InvalidDate as error:
        raise Fault(str(error)) from None
    return written(later, run.scope, form, zone, locale)


def _amount(value: Any) -> int:
    """Return how many units: a number, cut to a whole one, or a text that is a whole number."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if not is_number(value) or is_nan(value) or abs(value) > _MOST_UNITS:
        raise Fault("The 'dateAdd' filter expects a number as argument 'amount'.")
    return int(value)


_WHOLE: Final = re.compile(r"[-+]?\d{1,18}", re.ASCII)
_MOST_UNITS: Final = 2**63


def _timestamp(name: str, count: Callable[[timedelta], int | str]) -> None:
    def timestamp(run: Run, value: Any, zone: Any, existing: Any) -> int | str | None:
        if value is None:
            return None
        return count(moment_of(value, run.scope, zone, existing) - _EPOCH)

    filter_(name, timeZone=None, existingFormat=None)(timestamp)


_timestamp("timestamp", lambda span: span // timedelta(seconds=1))
_timestamp("timestampMilli", lambda span: span // timedelta(milliseconds=1))
# the two finest are texts, as in Kestra
_timestamp("timestampMicro", lambda span: str(span // timedelta(microseconds=1)))
_timestamp("timestampNano", lambda span: str(span // timedelta(microseconds=1) * 1_000))
