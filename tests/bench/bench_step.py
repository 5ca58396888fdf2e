"""The executor's step alone: decode a command, step, encode the record; no log, no threads."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import msgspec

from domain.execution.commands import (
    CreateExecution,
    ExecutionCommand,
    FireTimer,
    RecordTaskResult,
)
from domain.execution.context import Context
from domain.execution.effects import DispatchTask, ScheduleTimer
from domain.execution.lifecycle import StateType
from domain.execution.machine import Step, step
from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.model import Flow
from domain.flow.reader import read_flow
from domain.record.codec import encode

TWO = """
id: two
namespace: bench
tasks:
  - id: values
    type: io.kestra.plugin.core.output.OutputValues
    values: {hello: world}
  - id: log
    type: io.kestra.plugin.core.log.Log
    message: "value {{ outputs.values.values.hello }}"
"""
EACH = """
id: each
namespace: bench
tasks:
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: "{{ range(1, COUNT) }}"
    concurrencyLimit: 0
    tasks:
      - id: log
        type: io.kestra.plugin.core.log.Log
        message: "{{ taskrun.value }}"
"""
START = datetime(2026, 1, 1, tzinfo=UTC)
_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(ExecutionCommand)


def run(flow: Flow, execution_id: str) -> tuple[int, float, int]:
    """Run one execution to its end; returns commands, seconds in steps, bytes of its events."""
    now, offset, spent, size, commands = START, 0, 0.0, 0, 0
    state = None
    waiting: list[bytes] = [
        encode(
            CreateExecution(
                execution_id=execution_id,
                command_id="create",
                tenant="main",
                namespace=flow.namespace,
                flow_id=flow.id,
                flow_revision=1,
            )
        )
    ]
    while waiting:
        data = waiting.pop(0)
        now += timedelta(milliseconds=1)
        begun = time.perf_counter()
        command = _DECODER.decode(data)
        context = Context(now=now, command_offset=offset)
        result = step(flow, state, command, context)
        assert isinstance(result, Step)
        record = encode(result.record(command, context)) if result.events else b""
        requests = [e for e in result.effects if isinstance(e, DispatchTask)]
        for effect in requests:
            encode(effect.request)
        spent += time.perf_counter() - begun
        offset, commands, size, state = offset + 1, commands + 1, size + len(record), result.state
        waiting += [
            encode(
                RecordTaskResult(
                    execution_id=execution_id,
                    command_id=f"{effect.id}.result",
                    task_run_id=effect.request.task_run_id,
                    attempt=effect.request.attempt,
                    state=StateType.SUCCESS,
                    worker_id="bench",
                    started_at=now,
                    ended_at=now,
                    outputs={"values": {"hello": "world"}},
                )
            )
            for effect in requests
        ]
        waiting += [
            encode(
                FireTimer(
                    execution_id=execution_id,
                    command_id=effect.id,
                    timer_id=effect.timer.id,
                )
            )
            for effect in result.effects
            if isinstance(effect, ScheduleTimer)
        ]
    assert state is not None
    assert state.state.current is StateType.SUCCESS, state.state
    return commands, spent, size


def main() -> None:
    """Print the costs."""
    two = read_flow(TWO, catalogue=CORE_CATALOGUE, revision=1)
    for warm in range(50):
        run(two, f"warm{warm}")
    results = [run(two, f"e{number}") for number in range(500)]
    commands = sum(result[0] for result in results)
    spent = sum(result[1] for result in results)
    size = sum(result[2] for result in results)
    print(
        f"two-task flow      {1e6 * spent / commands:8.1f} us per command,"
        f" {1e6 * spent / len(results):8.1f} us and {size / len(results):6.0f} bytes of events"
        " per execution"
    )
    for count in (100, 1_000, 10_000):
        each = read_flow(EACH.replace("COUNT", str(count)), catalogue=CORE_CATALOGUE, revision=1)
        commands, spent, size = run(each, f"each{count}")
        print(
            f"ForEach of {count:6}  {1e6 * spent / commands:8.1f} us per command,"
            f" {spent:8.3f} s, {size / 1e6:6.2f} MB of events"
        )


if __name__ == "__main__":
    main()
