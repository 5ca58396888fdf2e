"""What every test may ask for."""

from __future__ import annotations

import os

from hypothesis import settings

pytest_plugins = ("tests.support.servers",)

# the same examples on every run and machine; `HYPOTHESIS_PROFILE=nightly` looks further
settings.register_profile("steady", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("nightly", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
