"""How fast expressions are: run `python tests/bench/bench_expression.py`; prints microseconds.

Not a test: figures depend on the machine. Aim: at most 5 us for `{{ outputs.a.values.b }}` with its
template in the cache, and the same however many outputs there are.
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from domain.expression import Scope, compile_template, render_deep
from domain.expression.template import Template


def outputs(count: int) -> dict[str, Any]:
    """Return the variables of an execution with that many task outputs."""
    tasks = {f"t{number}": {"values": {"b": f"v{number}"}} for number in range(count)}
    return {"outputs": {"a": {"values": {"b": "x"}}} | tasks, "flow": {"id": "f"}, "n": 5}


def report(name: str, action: Callable[[], object], loops: int) -> None:
    """Print the best of five rounds."""
    best = min(timeit.repeat(action, number=loops, repeat=5)) / loops
    print(f"{name:<58}{best * 1e6:>12.2f} us")


def main() -> None:
    """Print every figure."""
    small, large = Scope(outputs(1)), Scope(outputs(1_000))
    path = "{{ outputs.a.values.b }}"
    prose = "Task {{ flow.id }} gave {{ outputs.a.values.b | upper }} in {{ n + 1 }} steps"
    loop = "{% for i in 1..100 %}{{ i }},{% endfor %}"
    task = {
        "uri": "https://example.com/{{ outputs.a.values.b }}",
        "headers": {"X-Flow": "{{ flow.id }}", "Accept": "text/plain"},
        "body": ["{{ n }}", "{{ outputs.a | toJson }}", 7],
    }
    report(f"render {path}", lambda: compile_template(path).render(small), 100_000)
    report("  the same with 1,000 outputs", lambda: compile_template(path).render(large), 100_000)
    report("  the same, typed", lambda: compile_template(path).render_typed(large), 100_000)
    report("  the same, compiled anew", lambda: Template(path), 5_000)
    report("render a sentence with three expressions", lambda: render(prose, large), 20_000)
    report("render a missing name with `??`", lambda: render("{{ x.y.z ?? 'd' }}", large), 50_000)
    report("render a loop of 100 turns", lambda: render(loop, large), 1_000)
    report("print 1,000 outputs as JSON", lambda: render("{{ outputs }}", large), 50)
    report("render the properties of a task", lambda: render_deep(task, large), 10_000)
    report(
        "format a date",
        lambda: render("{{ '2024-02-29T13:05:09Z' | date('yyyy-MM-dd') }}", small),
        5_000,
    )


def render(text: str, scope: Scope) -> str:
    """Render from the cache."""
    return compile_template(text).render(scope)


if __name__ == "__main__":
    main()
