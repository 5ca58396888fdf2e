from __future__ import annotations

import pytest

from api.errors import of_domain
from domain.errors import LogUnavailable, TidewheelError
from projections.store import StoreUnavailable


@pytest.mark.parametrize("error", [LogUnavailable("busy"), StoreUnavailable("busy")], ids=type)
def test_what_may_work_later_is_a_503(error: TidewheelError) -> None:
    refusal = of_domain(error)
    assert (refusal.status, refusal.message) == (503, "Service Unavailable: busy")
