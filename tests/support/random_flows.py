"""Random flows: every kind of task that the step knows, nested, with the rules around them."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from hypothesis import strategies as st

CORE: Final = "io.kestra.plugin.core."
CHILD: Final = """
id: child
namespace: laws
inputs: [{id: fails, type: BOOL, defaults: false}]
tasks:
  - {id: work, type: io.kestra.plugin.core.debug.Return, format: done}
  - {id: maybe, type: io.kestra.plugin.core.execution.Fail, condition: "{{ inputs.fails }}"}
outputs:
  - {id: said, type: STRING, value: "{{ outputs.work.value }}"}
"""


class _Maker:
    """Draws tasks with ids of their own."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.count = 0

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def chance(self, percent: int) -> bool:
        return bool(self.draw(st.integers(0, 99)) < percent)

    def tasks(self, depth: int, most: int = 3) -> list[dict[str, Any]]:
        return [self.task(depth) for _ in range(self.draw(st.integers(1, most)))]

    def task(self, depth: int) -> dict[str, Any]:
        self.count += 1
        task: dict[str, Any] = {"id": f"t{self.count}"}
        simple = depth <= 0 or self.count > 18 or self.chance(50)
        task |= self.simple() if simple else self.flowable(depth)
        if self.chance(10):
            task["allowFailure"] = True
        if self.chance(5):
            task["allowWarning"] = True
        if self.chance(8):
            task["runIf"] = self.pick("{{ false }}", "{{ true }}", "{{ nothing.here }}")
        if self.chance(4):
            task["disabled"] = True
        return task

    def simple(self) -> dict[str, Any]:
        kind = self.pick("log", "log", "return", "sleep", "fail", "maybe", "sub", "labels", "exit")
        task: dict[str, Any]
        match kind:
            case "log":
                task = {"type": CORE + "log.Log", "message": "{{ task.id }}"}
            case "return":
                task = {"type": CORE + "debug.Return", "format": "{{ taskrun.id }}"}
            case "sleep":
                task = {"type": CORE + "flow.Sleep", "duration": "PT1S"}
            case "fail":
                task = {"type": CORE + "execution.Fail"}
            case "maybe":
                task = {
                    "type": CORE + "log.Log",
                    "message": "{{ taskrun.attemptsCount == 1 ? 'fine' : missing }}",
                }
            case "sub":
                fails = self.chance(40)
                task = {
                    "type": CORE + "flow.Subflow",
                    "namespace": "laws",
                    "flowId": "child",
                    "inputs": {"fails": fails},
                    "wait": self.chance(80),
                    "transmitFailed": self.chance(70),
                }
            case "labels":
                task = {"type": CORE + "execution.Labels", "labels": {"mark": "{{ task.id }}"}}
            case _:
                if not self.chance(20):
                    return {"type": CORE + "log.Log", "message": "no exit"}
                state = self.pick("SUCCESS", "WARNING", "FAILED", "CANCELLED", "KILLED")
                return {"type": CORE + "execution.Exit", "state": state}
        if self.chance(20):
            task["retry"] = {
                "type": "constant",
                "interval": "PT2S",
                "maxAttempts": self.pick(2, 3),
                "warningOnRetry": self.chance(50),
            }
        return task

    def flowable(self, depth: int) -> dict[str, Any]:
        kind = self.pick(
            "Sequential", "Parallel", "If", "Switch", "ForEach", "AllowFailure",
            "LoopUntil", "Pause", "Dag", "Loop",
        )  # fmt: skip
        task: dict[str, Any] = {"type": CORE + "flow." + kind}
        match kind:
            case "If":
                task["condition"] = self.pick("{{ true }}", "{{ false }}", "{{ nothing.here }}")
                task["then"] = self.tasks(depth - 1, 2)
                if self.chance(60):
                    task["else"] = self.tasks(depth - 1, 2)
            case "Switch":
                task["value"] = self.pick("a", "b", "{{ 'a' }}", "z")
                task["cases"] = {"a": self.tasks(depth - 1, 2), "b": self.tasks(depth - 1, 1)}
                if self.chance(70):
                    task["defaults"] = self.tasks(depth - 1, 1)
            case "ForEach":
                task["values"] = self.pick(["x", "y"], ["1", "2", "3"], [], '["p","q"]', {"k": "v"})
                task["concurrencyLimit"] = self.pick(0, 1, 2)
                task["tasks"] = self.tasks(depth - 1, 2)
            case "Loop":
                task["values"] = self.pick(["x", "y"], ["1", "2", "3"], {"k": "v"}, "kestra:///v")
                task["concurrencyLimit"] = self.pick(0, 1, 2)
                task["fetchType"] = self.pick("AUTO", "STORE")
                task["transmitFailed"] = self.chance(60)
                if self.chance(30):
                    task["breakWhen"] = self.pick("{{ item.index == 1 }}", "{{ nothing.here }}")
                task["outputs"] = [{"id": "o", "type": "STRING", "value": "{{ item.value }}"}]
                task["tasks"] = self.tasks(depth - 1, 2)
            case "Parallel":
                task["concurrent"] = self.pick(0, 0, 1, 2)
                task["tasks"] = self.tasks(depth - 1)
                if self.chance(25):
                    task["onChildFailure"] = self.pick("FAIL", "CONTINUE")
            case "Dag":
                tasks = self.tasks(depth - 1)
                entries: list[dict[str, Any]] = []
                for number, inner in enumerate(tasks):
                    entry: dict[str, Any] = {"task": inner}
                    if number and self.chance(60):
                        entry["dependsOn"] = [tasks[number - 1]["id"]]
                    entries.append(entry)
                task["tasks"] = entries
            case "LoopUntil":
                name = task_id_of(self.count)
                task["condition"] = f"{{{{ outputs.{name}.iterationCount >= 2 }}}}"
                task["checkFrequency"] = {"interval": "PT3S", "maxIterations": self.pick(1, 3)}
                task["failOnMaxReached"] = self.chance(50)
                task["tasks"] = self.tasks(depth - 1, 2)
            case "Pause":
                if self.chance(50):
                    task["pauseDuration"] = "PT5S"
                    task["behavior"] = self.pick("RESUME", "WARN", "FAIL", "CANCEL")
                if self.chance(20):
                    task["timeout"] = "PT7S"
                if self.chance(30):
                    self.count += 1
                    task["onPause"] = {
                        "id": task_id_of(self.count),
                        "type": CORE + "log.Log",
                        "message": "paused",
                    }
                return task
            case _:
                task["tasks"] = self.tasks(depth - 1)
        if self.chance(25):
            task["errors"] = self.tasks(depth - 1, 2)
        if self.chance(20):
            task["finally"] = self.tasks(depth - 1, 2)
        return task


def task_id_of(number: int) -> str:
    """Return the id of the n-th task."""
    return f"t{number}"


@st.composite
def flows(draw: st.DrawFn) -> str:
    """Draw the source of a flow."""
    maker = _Maker(draw)
    flow: dict[str, Any] = {"id": "flow", "namespace": "laws", "tasks": maker.tasks(3)}
    if maker.chance(25):
        flow["errors"] = maker.tasks(1, 2)
    if maker.chance(20):
        flow["finally"] = maker.tasks(1, 2)
    if maker.chance(20):
        flow["afterExecution"] = maker.tasks(1, 2)
    if maker.chance(15):
        flow["concurrency"] = {"limit": 1, "behavior": maker.pick("QUEUE", "CANCEL", "FAIL")}
    if maker.chance(10):
        flow["retry"] = {
            "type": "constant",
            "interval": "PT2S",
            "maxAttempts": 2,
            "behavior": maker.pick("RETRY_FAILED_TASK", "CREATE_NEW_EXECUTION"),
        }
    if maker.chance(10):
        flow["sla"] = [
            {"id": "quick", "type": "MAX_DURATION", "duration": "PT4S",
             "behavior": maker.pick("FAIL", "CANCEL", "NONE"), "labels": {"slow": "yes"}}
        ]  # fmt: skip
    return msgspec.json.encode(flow).decode()
