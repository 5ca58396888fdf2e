from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from domain.errors import InvalidInput
from infra.settings import load


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    seconds: float = 20.0
    count: int = 1


class Section(msgspec.Struct, frozen=True, kw_only=True):
    bounds: Bounds = Bounds()
    names: tuple[str, ...] = ()
    pause: timedelta = timedelta(0)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    section: Section = Section()


def test_a_record_a_list_and_a_duration_are_read_from_the_environment() -> None:
    found = load(
        Settings,
        {
            "TIDEWHEEL_SECTION_BOUNDS": '{"seconds": 0.5}',
            "TIDEWHEEL_SECTION_NAMES": '["a", "b"]',
            "TIDEWHEEL_SECTION_PAUSE": "PT2S",
        },
    ).section
    assert found == Section(
        bounds=Bounds(seconds=0.5), names=("a", "b"), pause=timedelta(seconds=2)
    )


@pytest.mark.parametrize(
    "text", ['{"second": 1}', '{"seconds": "soon"}', "not json", "[1]"], ids=str
)
def test_a_record_that_does_not_fit_is_told(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"section\.bounds"):
        load(Settings, {"TIDEWHEEL_SECTION_BOUNDS": text})
