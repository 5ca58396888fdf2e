"""Runs many seeds, or one with all that happens in it.

python -m tests.simulation.run --runs 10000          # seeds from 0 on, over all cores
python -m tests.simulation.run --seed 4711 --trace   # exactly what happened in one
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

import msgspec

from domain.record.envelope import Record
from domain.record.topics import LOGS
from tests.simulation.broker import START_MS
from tests.simulation.flows import draw_flow
from tests.simulation.oracle import Broken
from tests.simulation.world import World, run_seed, scenario_of

_SECONDS = 30
"""A run that takes longer loops: the signal tells where."""
_CHUNK = 50


class Hangs(BaseException):
    """A run does not come to its end."""


class Summary(msgspec.Struct):
    """What some runs came to."""

    runs: int = 0
    steps: int = 0
    actions: int = 0
    failures: dict[int, str] = {}
    """By seed."""


@contextmanager
def limited() -> Iterator[None]:
    """Interrupt what does not end by itself."""

    def ring(*_: object) -> None:
        raise Hangs(f"a run takes more than {_SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run_seeds(first: int, count: int) -> Summary:
    """Run seeds one after the other; what fails does not keep the others from running."""
    summary = Summary()
    for seed in range(first, first + count):
        summary.runs += 1
        try:
            with limited():
                result = run_seed(seed)
        except Broken as broken:
            summary.failures[seed] = str(broken)
        except (Exception, Hangs):  # noqa: BLE001 - told, with the seed
            summary.failures[seed] = traceback.format_exc(limit=-6)
        else:
            summary.steps += result.steps
            summary.actions += result.actions
    return summary


def run_all(first: int, count: int, processes: int) -> Summary:
    """Run seeds over some processes."""
    starts = range(first, first + count, _CHUNK)
    counts = [min(_CHUNK, first + count - start) for start in starts]
    total = Summary()
    with ProcessPoolExecutor(processes) as pool:
        for part in pool.map(run_seeds, starts, counts):
            total.runs += part.runs
            total.steps += part.steps
            total.actions += part.actions
            total.failures |= part.failures
    return total


def trace_seed(seed: int, width: int) -> int:
    """Run one seed and print all that happens; returns the exit status."""
    scenario = scenario_of(seed)
    world = World(scenario)
    world.trace = []

    def landed(record: Record) -> None:
        if record.topic == LOGS or world.trace is None:
            return
        value = (record.value or b"(tombstone)").decode()
        world.trace.append(
            f"{world.broker.now_ms - START_MS:8} -> {record.topic}/{record.partition}"
            f"@{record.offset} {record.key} {record.headers} {value[:width]}"
        )

    world.broker.listeners.insert(0, landed)
    print(msgspec.json.format(msgspec.json.encode(scenario)).decode())
    print(draw_flow(scenario.flow)[0].source)
    status = 1
    end: Any = None
    try:
        with limited():
            end = world.run()
        status = 0
    except (Exception, Broken, Hangs):  # noqa: BLE001 - told below
        end = traceback.format_exc()
    print("\n".join(world.trace))
    print(end)
    return status


def main() -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--width", type=int, default=300)
    arguments = parser.parse_args()
    if arguments.seed is not None and arguments.trace:
        return trace_seed(arguments.seed, arguments.width)
    begun = time.monotonic()
    if arguments.seed is not None:
        total = run_seeds(arguments.seed, 1)
    else:
        total = run_all(arguments.first, arguments.runs, arguments.processes)
    seconds = time.monotonic() - begun
    for seed, reason in sorted(total.failures.items()):
        print(f"seed {seed}: {reason}")
    print(
        f"{total.runs} runs, {len(total.failures)} failed, {total.steps} steps,"
        f" {total.actions} actions in {seconds:.1f} s:"
        f" {total.steps / seconds:.0f} steps/s, {1000 * seconds / total.runs:.1f} ms a run"
    )
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
