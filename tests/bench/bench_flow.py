"""What reading, checking, showing and drawing a flow costs; run it as a script.

python tests/bench/bench_flow.py [KILOBYTES]
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from domain.dates.cron import parse_cron
from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.graph import flow_graph
from domain.flow.inputs import resolve_inputs
from domain.flow.reader import read_flow
from domain.flow.render_json import flow_json
from domain.yaml.reader import read_yaml

_HEAD = """\
id: big
namespace: company.team
labels: {team: data, stage: prod}
inputs:
  - {id: who, type: STRING, defaults: World}
  - {id: count, type: INT, min: 1, max: 100, defaults: 3}
  - {id: day, type: DATE, defaults: "2024-01-02"}
variables: {greeting: Hello}
triggers:
  - {id: daily, type: io.kestra.plugin.core.trigger.Schedule, cron: "0 6 * * 1-5"}
tasks:
"""
_GROUP = """\
  - id: group{number}
    type: io.kestra.plugin.core.flow.Parallel
    tasks:
      - id: say{number}
        type: io.kestra.plugin.core.log.Log
        message: "{{{{ vars.greeting }}}} {{{{ inputs.who }}}}, {{{{ outputs.start.values.n }}}}"
      - id: value{number}
        type: io.kestra.plugin.core.debug.Return
        format: "{{{{ inputs.who | upper }}}}"
        retry: {{type: constant, interval: PT5S, maxAttempts: 3}}
"""


def source_of(kilobytes: int) -> str:
    """Return a flow of about so many kilobytes."""
    groups = (_GROUP.format(number=number) for number in range(10_000))
    text = _HEAD
    while len(text) < kilobytes * 1_000:
        text += next(groups)
    return text


def show(name: str, work: Callable[[], object]) -> None:
    """Print the best of five rounds."""
    rounds, _ = timeit.Timer(work).autorange()
    best = min(timeit.repeat(work, number=rounds, repeat=5)) / rounds
    print(f"{name:34} {best * 1e6:10.1f} us")


def main(kilobytes: int) -> None:
    """Measure."""
    source = source_of(kilobytes)
    flow = read_flow(source, catalogue=CORE_CATALOGUE)
    zone = ZoneInfo("Europe/Paris")
    now = datetime(2024, 5, 1, tzinfo=UTC)
    cron = parse_cron("0 6 * * 1-5")
    print(f"flow of {len(source) / 1000:.1f} KB, {sum(1 for _ in flow.all_tasks())} tasks")
    show("YAML with positions", lambda: read_yaml(source))
    show("read and check", lambda: read_flow(source, catalogue=CORE_CATALOGUE))
    show("as JSON", lambda: flow_json(flow))
    show("graph", lambda: flow_graph(flow))
    show("inputs (3, all defaults)", lambda: resolve_inputs(flow.inputs, {}, {}))
    show("next fire time", lambda: cron.next(now, zone))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
