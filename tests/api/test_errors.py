from __future__ import annotations

import pytest

from api.errors import of_domain
from domain.errors import LogUnavailable, RecordTooLarge, TidewheelError
from projections.store import StoreUnavailable


@pytest.mark.parametrize("error", [LogUnavailable("busy"), StoreUnavailable("busy")], ids=type)
def test_what_may_work_later_is_a_503(error: TidewheelError) -> None:
    refusal = of_domain(error)
    assert (refusal.status, refusal.message) == (503, "Service Unavailable: busy")


def test_what_the_log_cannot_take_is_a_413_that_names_the_limit() -> None:
    refusal = of_domain(RecordTooLarge("kv", 2_000_000, 1_048_576))
    assert refusal.status == 413
    assert "1048576" in refusal.message
