"""Random flows of every kind, drawn from a seed, and the source of flows that processes share.

Tasks that a worker runs say in `format` how they are to end, see `script_of`. A flow is *racy* when
its end depends on what comes first in time; of all others the end is known from a run without
faults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from random import Random
from typing import Any, Final

import msgspec

from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.defaults import NO_DEFAULTS
from domain.flow.model import Flow
from domain.flow.reader import read_flow
from domain.record.envelope import instant_of
from domain.record.values import FlowRevision
from tests.simulation.broker import START_MS

TENANT: Final = "main"
NAMESPACE: Final = "sim"
_CORE: Final = "io.kestra.plugin.core."


_SIDE_BY_SIDE: Final = ("Parallel", "Dag", "ForEach", "EachParallel", "Loop")

_LOOPS: Final = ("ForEach", "EachParallel", "Loop", "ForEachItem")


class Drawn(msgspec.Struct, frozen=True):
    """A flow drawn from a number."""

    source: str
    racy: bool
    limited: bool
    """Has a concurrency limit."""


class Script(msgspec.Struct, frozen=True):
    """How a task's attempts end."""

    failures: int = 0
    """The first so many attempts fail."""
    warns: bool = False
    seconds: float = 0.0
    """How long an attempt takes."""


def script_of(task: dict[str, Any]) -> Script:
    """Read a task's script: words `fail:<attempts>`, `warn`, `long:<seconds>` in `format`."""
    script: dict[str, Any] = {}
    properties = task.get("properties", task)
    for word in str(properties.get("format") or "").split():
        name, _, value = word.partition(":")
        match name:
            case "fail":
                script["failures"] = int(value)
            case "warn":
                script["warns"] = True
            case "long":
                script["seconds"] = float(value)
            case _:
                pass
    return Script(**script)


class _Maker:
    def __init__(self, random: Random, size: int) -> None:
        self.random = random
        self.size = size
        self.count = 0
        self.racy = False
        self.blocks = False
        self.retries = False
        self.failures = 0
        """Tasks that fail after some time; in a loop once per value."""
        self.side_by_side = False

    def pick(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def chance(self, percent: int) -> bool:
        return self.random.random() * 100 < percent

    def tasks(self, depth: int, most: int = 3) -> list[dict[str, Any]]:
        return [self.task(depth) for _ in range(self.random.randint(1, most))]

    def name(self) -> str:
        self.count += 1
        return f"t{self.count}"

    def task(self, depth: int) -> dict[str, Any]:
        task: dict[str, Any] = {"id": self.name()}
        failures = self.failures
        simple = depth <= 0 or self.count > self.size or self.chance(50)
        task |= self.simple() if simple else self.flowable(depth, task["id"])
        words = str(task.get("format", "")), str(task.get("tasks", ""))
        self.failures += "fail" in words[0] or (
            task["type"].endswith("WorkingDirectory") and "fail" in words[1]
        )
        self.failures += (task.get("inputs") or {}).get("fails") is True or "timeout" in task
        if task["type"].rpartition(".")[2] in _LOOPS:
            self.failures += self.failures - failures
        if self.chance(10):
            task["allowFailure"] = True
        if self.chance(5):
            task["allowWarning"] = True
        if self.chance(8):
            task["runIf"] = self.pick("{{ false }}", "{{ true }}", "{{ nothing.here }}")
        if self.chance(3):
            task["disabled"] = True
        return task

    def simple(self) -> dict[str, Any]:
        kind = self.pick(
            "work", "work", "work", "work", "long", "long", "fail", "flaky", "flaky", "warn",
            "subflow", "labels", "variables", "assert", "exit", "large",
        )  # fmt: skip
        task: dict[str, Any] = {"type": _CORE + "debug.Return"}
        match kind:
            case "work":
                task["format"] = "ok"
            case "large":
                task["format"] = "large"
            case "long":
                task["format"] = f"long:{self.pick(0.2, 1, 5, 60)}"
                if self.chance(15):
                    task["timeout"] = "PT2S"
            case "fail":
                task["format"] = f"fail:99 {self.pick('', 'long:1')}"
            case "flaky":
                task["format"] = f"fail:{self.pick(1, 2)} {self.pick('', 'long:0.5')}"
                task["retry"] = self.retry()
            case "warn":
                task["format"] = "warn"
            case "subflow":
                task = self.subflow()
            case "labels":
                task = {"type": _CORE + "execution.Labels", "labels": {"mark": "{{ task.id }}"}}
            case "variables":
                task = {
                    "type": _CORE + "execution.SetVariables",
                    "variables": {"seen": "{{ task.id }}"},
                    "overwrite": True,
                }
            case "assert":
                holds = self.pick("{{ true }}", "{{ true }}", "{{ false }}")
                task = {"type": _CORE + "execution.Assert", "conditions": [holds]}
            case _:
                if not self.chance(25):
                    return {"type": _CORE + "debug.Return", "format": "ok"}
                self.racy = True
                state = self.pick("SUCCESS", "WARNING", "FAILED", "CANCELLED", "KILLED")
                return {"type": _CORE + "execution.Exit", "state": state}
        if "retry" not in task and self.chance(10):
            task["retry"] = self.retry()
        if self.chance(4):
            self.racy = True  # how it ends depends on who dies
            task["onWorkerLost"] = "FAIL"
        return task

    def retry(self) -> dict[str, Any]:
        self.retries = True
        kind = self.pick("constant", "constant", "exponential", "random")
        retry: dict[str, Any] = {"type": kind, "maxAttempts": self.pick(2, 3, 4)}
        match kind:
            case "constant":
                retry["interval"] = self.pick("PT0.1S", "PT2S", "PT30S")
            case "exponential":
                retry |= {"interval": "PT1S", "maxInterval": "PT10S", "delayFactor": 2}
            case _:
                retry |= {"minInterval": "PT1S", "maxInterval": "PT5S"}
        if self.chance(30):
            retry["warningOnRetry"] = True
        return retry

    def subflow(self) -> dict[str, Any]:
        return {
            "type": _CORE + "flow.Subflow",
            "namespace": NAMESPACE,
            "flowId": self.pick("child", "child", "limited", "nowhere"),
            "inputs": {"fails": self.chance(35)},
            "wait": self.chance(80),
            "transmitFailed": self.chance(70),
        }

    def flowable(self, depth: int, name: str) -> dict[str, Any]:
        kind = self.pick(
            "Sequential", "Parallel", "Parallel", "If", "Switch", "ForEach", "ForEach",
            "EachSequential", "EachParallel", "AllowFailure", "LoopUntil", "Pause", "Dag",
            "ForEachItem", "WorkingDirectory", "Loop", "Loop",
        )  # fmt: skip
        task: dict[str, Any] = {"type": _CORE + "flow." + kind}
        match kind:
            case "If":
                task["condition"] = self.pick(
                    "{{ true }}", "{{ false }}", "{{ nothing.here }}", "{{ kv('switch') }}",
                    "{{ secret('switch') }}",
                )  # fmt: skip
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
                task["values"] = self.pick(
                    ["x", "y"], ["1", "2", "3"], {"k": "v"}, [], "kestra:///values"
                )
                task["concurrencyLimit"] = self.pick(0, 1, 2)
                task["fetchType"] = self.pick("AUTO", "AUTO", "FETCH", "STORE")
                task["transmitFailed"] = self.chance(60)
                if self.chance(20):
                    self.racy = True
                    task["breakWhen"] = self.pick("{{ item.index == 1 }}", "{{ nothing.here }}")
                if self.chance(50):
                    task["outputs"] = [{"id": "o", "type": "STRING", "value": "{{ item.value }}"}]
                task["tasks"] = self.tasks(depth - 1, 2)
            case "EachSequential" | "EachParallel":
                task["value"] = self.pick(["x", "y"], '["p","q","r"]')
                task["tasks"] = self.tasks(depth - 1, 2)
            case "Parallel":
                task["concurrent"] = self.pick(0, 0, 1, 2)
                task["tasks"] = self.tasks(depth - 1)
                if self.chance(25):
                    task["onChildFailure"] = self.pick("FAIL", "CONTINUE")
                    self.racy = True
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
                task["condition"] = f"{{{{ outputs.{name}.iterationCount >= 2 }}}}"
                task["checkFrequency"] = {"interval": "PT3S", "maxIterations": self.pick(1, 3)}
                task["failOnMaxReached"] = self.chance(50)
                task["tasks"] = self.tasks(depth - 1, 2)
            case "Pause":
                return task | self.pause()
            case "ForEachItem":
                return task | {
                    "namespace": NAMESPACE,
                    "flowId": "child",
                    "items": "kestra:///items",
                    "batch": {"rows": 1},
                    "inputs": {"fails": self.chance(20)},
                    "wait": self.chance(80),
                    "transmitFailed": self.chance(70),
                }
            case "WorkingDirectory":
                task["tasks"] = [
                    {
                        "id": self.name(),
                        "type": _CORE + "debug.Return",
                        "format": self.pick("ok", "ok", "fail:1", "long:1"),
                    }
                    for _ in range(self.random.randint(1, 3))
                ]
            case _:
                task["tasks"] = self.tasks(depth - 1)
        if self.chance(25):
            task["errors"] = self.tasks(depth - 1, 2)
        if self.chance(20):
            task["finally"] = self.tasks(depth - 1, 2)
        self.blocks |= "errors" in task or "finally" in task
        self.side_by_side |= kind in _SIDE_BY_SIDE
        return task

    def pause(self) -> dict[str, Any]:
        pause: dict[str, Any] = {}
        if self.chance(50):
            pause["pauseDuration"] = "PT5S"
            pause["behavior"] = self.pick("RESUME", "WARN", "FAIL", "CANCEL")
            self.racy = True
        if self.chance(20):
            pause["timeout"] = "PT7S"
            self.racy = True
        if self.chance(30):
            pause["onPause"] = {
                "id": self.name(),
                "type": _CORE + "debug.Return",
                "format": self.pick("ok", "long:3"),
            }
        return pause


def _drawn(number: int) -> Drawn:
    random = Random(number)
    maker = _Maker(random, size=random.choice((3, 6, 10, 18)))
    tasks = maker.tasks(random.choice((1, 2, 3)))
    flow: dict[str, Any] = {"id": "flow", "namespace": NAMESPACE, "tasks": tasks}
    if maker.chance(20):
        flow["errors"] = maker.tasks(1, 2)
    if maker.chance(15):
        flow["finally"] = maker.tasks(1, 2)
    if maker.chance(15):
        flow["afterExecution"] = maker.tasks(1, 2)
    maker.blocks |= "errors" in flow or "finally" in flow
    # what fails first opens a block or ends all, while the others run or wait for their retry
    maker.racy |= maker.side_by_side and (maker.blocks or maker.retries or maker.failures > 0)
    limited = maker.chance(15)
    if limited:
        behavior = maker.pick("QUEUE", "QUEUE", "CANCEL", "FAIL")
        maker.racy |= behavior != "QUEUE"
        flow["concurrency"] = {"limit": maker.pick(1, 2), "behavior": behavior}
    if maker.chance(8):
        maker.racy = True
        flow["retry"] = {
            "type": "constant",
            "interval": "PT2S",
            "maxAttempts": 2,
            "behavior": maker.pick("RETRY_FAILED_TASK", "CREATE_NEW_EXECUTION"),
        }
    if maker.chance(8):
        maker.racy = True
        flow["sla"] = [
            {"id": "quick", "type": "MAX_DURATION", "duration": "PT4S",
             "behavior": maker.pick("FAIL", "CANCEL", "NONE"), "labels": {"slow": "yes"}}
        ]  # fmt: skip
    return Drawn(msgspec.json.encode(flow).decode(), maker.racy, limited)


_CHILD: Final = """{
  "id": "child", "namespace": "sim",
  "inputs": [
    {"id": "fails", "type": "BOOL", "defaults": false},
    {"id": "items", "type": "STRING", "required": false}
  ],
  "tasks": [
    {"id": "work", "type": "io.kestra.plugin.core.debug.Return", "format": "long:0.3"},
    {"id": "maybe", "type": "io.kestra.plugin.core.execution.Fail",
     "condition": "{{ inputs.fails }}"}
  ],
  "outputs": [{"id": "said", "type": "STRING", "value": "{{ outputs.work.value }}"}]
}"""
_LIMITED: Final = """{
  "id": "limited", "namespace": "sim",
  "inputs": [{"id": "fails", "type": "BOOL", "defaults": false}],
  "concurrency": {"limit": 1, "behavior": "QUEUE"},
  "tasks": [
    {"id": "work", "type": "io.kestra.plugin.core.debug.Return", "format": "long:0.5"},
    {"id": "maybe", "type": "io.kestra.plugin.core.execution.Fail",
     "condition": "{{ inputs.fails }}"}
  ]
}"""
FOLLOWER: Final = """{
  "id": "follower", "namespace": "sim",
  "tasks": [{"id": "work", "type": "io.kestra.plugin.core.debug.Return", "format": "ok"}],
  "triggers": [
    {"id": "after", "type": "io.kestra.plugin.core.trigger.Flow",
     "dependsOn": [
       {"flowId": "flow", "namespace": "sim", "states": ["SUCCESS", "WARNING", "FAILED"]}]}
  ]
}"""
CLOCKWORK: Final = """{
  "id": "clockwork", "namespace": "sim",
  "tasks": [{"id": "work", "type": "io.kestra.plugin.core.debug.Return", "format": "long:1"}],
  "triggers": [
    {"id": "dates", "type": "io.kestra.plugin.core.trigger.ScheduleOnDates",
     "dates": ["2026-01-01T00:01:30Z", "2026-01-01T00:01:31Z", "2026-01-01T00:04:00Z"]}
  ]
}"""
POOL: Final = 3_000
"""Different flows; runs beyond that number meet the same flows with other faults."""


@lru_cache(maxsize=POOL)
def draw_flow(number: int) -> tuple[Drawn, Flow]:
    """Return a flow of the pool."""
    drawn = _drawn(number)
    return drawn, read_source(drawn.source)


@lru_cache(maxsize=32)
def read_source(source: str) -> Flow:
    """Return a flow, its first revision."""
    return read_flow(source, catalogue=CORE_CATALOGUE, revision=1)


class Flows:
    """FlowSource and Flows: the flows of one simulation, in force from the beginning."""

    def __init__(self, *sources: str) -> None:
        self._flows: dict[str, Flow] = {}
        self._sources: dict[str, str] = {}
        for source in (_CHILD, _LIMITED, *sources):
            self.add(read_source(source), source)

    def add(self, flow: Flow, source: str) -> None:
        """Have a flow in force."""
        self._flows[flow.id] = flow
        self._sources[flow.id] = source

    def get(
        self,
        tenant: str,
        namespace: str,
        flow_id: str,
        revision: int | None = None,
        defaults: int | None = None,
    ) -> Flow | None:
        del tenant, namespace, defaults
        return None if revision not in (None, 1) else self._flows.get(flow_id)

    require = get
    defaults = 0
    plugin_defaults = NO_DEFAULTS

    def listen(self, listener: Callable[[FlowRevision], None]) -> None:
        for revision in self.latest():
            listener(revision)

    def catch_up(self) -> None:
        """Nothing is ever behind."""

    def revisions(self, tenant: str, namespace: str, flow_id: str) -> list[FlowRevision]:
        found = self.revision(tenant, namespace, flow_id)
        return [] if found is None else [found]

    def revision(
        self, tenant: str, namespace: str, flow_id: str, revision: int | None = None
    ) -> FlowRevision | None:
        del tenant, namespace
        source = self._sources.get(flow_id)
        return None if source is None or revision not in (None, 1) else _revision(flow_id, source)

    def latest(self, tenant: str | None = None) -> Iterator[FlowRevision]:
        del tenant
        return (_revision(flow_id, source) for flow_id, source in self._sources.items())


def _revision(flow_id: str, source: str) -> FlowRevision:
    return FlowRevision(
        tenant=TENANT,
        namespace=NAMESPACE,
        id=flow_id,
        revision=1,
        source=source,
        updated=instant_of(START_MS),
        writer="simulation",
    )
