from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dates.arithmetic import InvalidDate
from domain.dates.formatting import format_date
from domain.dates.parsing import parse_iso
from domain.dates.reading import read_date
from tests.support.expressions import golden_lines

LINES = golden_lines("java-date-patterns.jsonl")
NEW_YEAR = datetime(2023, 1, 1, 9, 7, 3, 500_000, tzinfo=ZoneInfo("America/New_York"))


@pytest.mark.parametrize(
    "line", LINES, ids=lambda line: f"{line['pattern']} {line['locale']} {line['date'][:10]}"
)
def test_a_pattern_writes_what_java_wrote(line: Mapping[str, Any]) -> None:
    moment = parse_iso(line["date"])
    assert isinstance(moment, datetime)
    fraction = re.search(r"\.(\d+)", line["date"])
    nanos = int(fraction.group(1).ljust(9, "0")) if fraction else 0
    if "err" in line:
        with pytest.raises(InvalidDate, match=re.escape(line["err"])):
            format_date(moment, line["pattern"], line["locale"], nanos)
    else:
        assert format_date(moment, line["pattern"], line["locale"], nanos) == line["out"]


@pytest.mark.parametrize(
    ("locale", "pattern", "text"),
    [
        ("fr", "e W", "1 1"),
        ("fr_FR", "e W", "7 0"),
        ("fr_FR", "v z", "EST EST"),
        ("en_US", "v z", "ET EST"),
        ("en_GB", "z", "GMT-05:00"),
        ("fr_CA", "z", "HNE"),
        ("ko_KR", "a h", "오전 9"),
        ("es_ES", "B, h:mm a", "de la mañana, 9:07 a.\u00a0m."),
        ("ja_JP", "B", "朝"),
        ("pt_PT", "a", "da manhã"),
    ],
)
def test_a_language_has_its_own_names(locale: str, pattern: str, text: str) -> None:
    assert format_date(NEW_YEAR, pattern, locale) == text


def test_one_language_does_not_name_the_months_and_quarters_of_another() -> None:
    form = "LLLL qqqq"
    assert format_date(NEW_YEAR, form, "ja_JP") == "1月 第1四半期"
    assert format_date(NEW_YEAR, form, "fr_FR") == "janvier 1er trimestre"
    assert format_date(NEW_YEAR, form, "de_DE") == "Januar 1. Quartal"
    assert format_date(NEW_YEAR, form, "pt_PT") == "janeiro 1.º trimestre"


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("iso", "2023-01-01T09:07:03.500000-05:00"),
        ("ISO_SEC", "2023-01-01T09:07:03-05:00"),
        ("sql", "2023-01-01 09:07:03.500000"),
        ("iso_date", "2023-01-01-05:00"),
        ("iso_time", "09:07:03.5-05:00"),
        ("iso_local_date_time", "2023-01-01T09:07:03.5"),
        ("iso_date_time", "2023-01-01T09:07:03.5-05:00[America/New_York]"),
        ("iso_offset_date_time", "2023-01-01T09:07:03.5-05:00"),
        ("iso_instant", "2023-01-01T14:07:03.500Z"),
        ("iso_ordinal_date", "2023-001-05:00"),
        ("iso_week_date", "2022-W52-7-05:00"),
        ("basic_iso_date", "20230101-0500"),
        ("rfc_1123_date_time", "Sun, 1 Jan 2023 09:07:03 -0500"),
        ("full", "Sunday, January 1, 2023, 9:07:03\u202fAM Eastern Standard Time"),
        ("medium", "Jan 1, 2023, 9:07:03\u202fAM"),
        ("[yyyy]['x'] ''", "2023x '"),
    ],
)
def test_formats_have_names(form: str, text: str) -> None:
    assert format_date(NEW_YEAR, form) == text


def test_names_follow_the_locale_and_an_unknown_language_gets_english() -> None:
    assert format_date(NEW_YEAR, "EEEE d MMMM", "de") == "Sonntag 1 Januar"
    assert format_date(NEW_YEAR, "EEEE d MMMM", "fr-CA") == "dimanche 1 janvier"
    assert format_date(NEW_YEAR, "EEEE", "xx_YY") == "Sunday"
    with pytest.raises(InvalidDate):
        format_date(NEW_YEAR, "EEEE", "no such locale!")


def test_offsets_show_seconds_only_where_the_pattern_has_room() -> None:
    moment = datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1, minutes=2, seconds=3)))
    written = format_date(moment, "x|xx|xxx|xxxx|xxxxx|VV|O")
    assert written == "+0102|+0102|+01:02|+010203|+01:02:03|+01:02|GMT+1:02:03"


def utc(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0, micro: int = 0
) -> datetime:
    return datetime(year, month, day, hour, minute, second, micro, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "form", "moment"),
    [
        ("29/02/2024 10:11", "dd/MM/yyyy HH:mm", utc(2024, 2, 29, 10, 11)),
        ("20240229101112", "yyyyMMddHHmmss", utc(2024, 2, 29, 10, 11, 12)),
        ("July 4, 2024", "MMMM d, yyyy", utc(2024, 7, 4)),
        ("Thu 4 Jul 24 1:05 PM", "EEE d MMM yy h:mm a", utc(2024, 7, 4, 13, 5)),
        ("2024-186", "yyyy-DDD", utc(2024, 7, 4)),
        ("2024-W27-4", "iso_week_date", utc(2024, 7, 4)),
        ("20240704", "basic_iso_date", utc(2024, 7, 4)),
        ("2024-07-04", "yyyy-MM-dd[ HH:mm]", utc(2024, 7, 4)),
        ("2024-07-04 24:00", "yyyy-MM-dd HH:mm", utc(2024, 7, 5)),
        ("31.02.2024", "dd.MM.yyyy", utc(2024, 2, 29)),
        (
            "2024-07-04T01:02:03.123",
            "yyyy-MM-dd'T'HH:mm:ss.SSS",
            utc(2024, 7, 4, 1, 2, 3, 123000),
        ),
    ],
)
def test_a_pattern_reads_what_it_writes(text: str, form: str, moment: datetime) -> None:
    assert read_date(text, UTC, form) == moment


@pytest.mark.parametrize(
    ("text", "form", "moment"),
    [
        ("2024-07-04 12:00 +02:00", "yyyy-MM-dd HH:mm XXX", utc(2024, 7, 4, 10)),
        ("2024-07-04 12:00 Europe/Paris", "yyyy-MM-dd HH:mm VV", utc(2024, 7, 4, 10)),
        ("Thu, 4 Jul 2024 12:00:00 GMT", "rfc_1123_date_time", utc(2024, 7, 4, 12)),
        ("Thu, 4 Jul 2024 12:00:00 +0200", "rfc_1123_date_time", utc(2024, 7, 4, 10)),
        ("2024-07-04 12:00 -0230", "yyyy-MM-dd HH:mm Z", utc(2024, 7, 4, 14, 30)),
    ],
)
def test_a_zone_in_the_text_counts_more_than_the_zone_asked_for(
    text: str, form: str, moment: datetime
) -> None:
    assert read_date(text, ZoneInfo("Asia/Tokyo"), form) == moment


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Fri 4 Jul 2024", "EEE d MMM yyyy"),
        ("2024-13-01", "yyyy-MM-dd"),
        ("2024-07-04 25:00", "yyyy-MM-dd HH:mm"),
        ("12:00", "HH:mm"),
        ("2024-07-04 x", "yyyy-MM-dd"),
        ("2024-07-04 12:00 No/Where", "yyyy-MM-dd HH:mm VV"),
        ("2024-02-30", None),
        ("2024-2-9", None),
        ("2024-02-29 13:05:09", None),
        ("2024-02-29T13:05:09+25:00", None),
        ("", None),
    ],
)
def test_what_is_no_date_is_refused(text: str, form: str | None) -> None:
    with pytest.raises(InvalidDate):
        read_date(text, UTC, form)


def test_a_local_time_that_daylight_saving_skips_moves_on() -> None:
    read = read_date("2024-03-31T02:30", ZoneInfo("Europe/Paris"))
    assert read.isoformat() == "2024-03-31T03:30:00+02:00"


@given(
    st.integers(min_value=-(10**15), max_value=10**16),
    st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Asia/Tokyo"]),
)
def test_a_full_pattern_gives_the_moment_back(micros: int, zone: str) -> None:
    moment = utc(1970, 1, 1) + timedelta(microseconds=micros)
    for form in ("yyyy-MM-dd HH:mm:ss.SSSSSS XXXXX", "uuuu/D kk:mm:s:nnnnnnnnn xxxxx"):
        written = format_date(moment.astimezone(ZoneInfo(zone)), form)
        assert read_date(written, UTC, form) == moment


@given(
    st.text(alphabet="GuyYDMLdQqwWEecFaBhKkHmsSAnNVvzOXxZp'[]{}#- :T", max_size=12),
    st.text(max_size=20),
)
def test_any_pattern_writes_and_reads_or_is_refused(form: str, text: str) -> None:
    for locale in ("en_US", "fr_FR", "ja", "ar"):
        try:
            written = format_date(NEW_YEAR, form, locale)
        except InvalidDate:
            continue
        for candidate in (written, text):
            with contextlib.suppress(InvalidDate):
                assert read_date(candidate, UTC, form, locale).tzinfo is not None
