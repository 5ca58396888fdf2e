"""The whole system on virtual time, with faults: many seeds, and each must come to its right end.

A seed that fails is named; `pytest tests/simulation --seed N` runs it again, and
`python -m tests.simulation.run --seed N --trace` shows all that happens in it.
"""

from __future__ import annotations

import itertools
import os
from contextlib import suppress

import msgspec
import pytest

from domain.record.envelope import Outgoing, Record
from domain.record.topics import KV
from tests.simulation.broker import Place
from tests.simulation.oracle import Broken
from tests.simulation.process import NO_FAULTS
from tests.simulation.run import run_seeds
from tests.simulation.world import World, scenario_of

RUNS = int(os.environ.get("TIDEWHEEL_SIMULATIONS", "1000"))
"""How many seeds; `make test` says 10,000."""
_CHUNK = 250
"""Seeds of one test: small enough to be spread over cores."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seeds" in metafunc.fixturenames:
        one: int | None = metafunc.config.getoption("--seed", default=None)
        chunks = [range(first, min(first + _CHUNK, RUNS)) for first in range(0, RUNS, _CHUNK)]
        chosen = chunks if one is None else [range(one, one + 1)]
        metafunc.parametrize("seeds", chosen, ids=[f"{s.start}-{s.stop - 1}" for s in chosen])


@pytest.mark.timeout(1_800)
def test_every_execution_comes_to_its_right_end_whatever_goes_wrong(seeds: range) -> None:
    total = run_seeds(seeds.start, len(seeds))

    shown = [f"--seed {number}: {why}" for number, why in list(total.failures.items())[:10]]
    assert not shown, (
        f"{len(total.failures)} of {total.runs} runs failed; each again by"
        " `pytest tests/simulation --seed N`, all that happens in it by"
        " `python -m tests.simulation.run --seed N --trace`\n" + "\n".join(shown)
    )
    assert total.steps > total.runs / 2


@pytest.mark.parametrize("seed", range(20))
def test_seed_decides_everything(seed: int) -> None:
    scenario = scenario_of(seed)

    one, other = World(scenario), World(scenario)

    assert one.run() == other.run()


def test_run_that_loses_a_result_is_found_out() -> None:
    """The simulation must be able to fail: without this its silence would say nothing."""
    found = []
    for seed in range(20):
        calm = msgspec.structs.replace(scenario_of(seed), trouble=0.0, faults=NO_FAULTS, wishes=0)
        world = World(calm)
        _lose_results(world)
        with suppress(Broken):
            world.run()
            continue
        found.append(seed)

    assert found


def _lose_results(world: World) -> None:
    """Let every third result of a task vanish, as if the broker had lied."""
    append, count = world.broker.append, itertools.count(1)

    def lossy(outgoing: Outgoing, place: Place, timestamp_ms: int) -> Record:
        is_result = b'"task.result"' in (outgoing.value or b"")
        if is_result and next(count) % 3 == 0:
            outgoing = msgspec.structs.replace(outgoing, topic=KV)
            return append(outgoing, (KV, place[1]), timestamp_ms)
        return append(outgoing, place, timestamp_ms)

    world.broker.append = lossy  # type: ignore[method-assign]
