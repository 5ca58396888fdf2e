"""Conformance cases against the step alone: the runner's words, spoken to a world in memory.

What only a whole server has (files, HTTP, the search) is not here: it is judged end to end.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import msgspec
import yaml

from api.views.execution import created_view, execution_view
from domain.execution import commands as c
from domain.execution.lifecycle import StateType
from domain.execution.rejections import status_of
from domain.execution.state import Breakpoint, Label
from domain.flow.inputs import resolve_inputs
from tests.support.heart import World

SHARED: Final = Path(__file__).resolve().parents[3] / "shared" / "conformance"
_DEFAULTS: Final[dict[str, Any]] = {}


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conformance_run", SHARED / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["conformance_run"] = module
    spec.loader.exec_module(module)
    return module


def available() -> bool:
    """Whether the cases are there."""
    return (SHARED / "run.py").exists()


def cases(*kinds: str) -> list[dict[str, Any]]:
    """Return the open cases of some kinds, in order."""
    found: list[dict[str, Any]] = []
    for name in ("cases.yaml", "cases-1.3.yaml"):
        document = yaml.safe_load((SHARED / name).read_text(encoding="utf-8"))
        _DEFAULTS.update(document.get("defaults") or {})
        found += [case for case in document["cases"] if case["kind"] in kinds]
    return [case for case in found if not case.get("skip") and not case.get("needs")]


class _Api:
    """What the black-box runner asks of a server, answered from the world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def execution(self, execution_id: str) -> dict[str, Any]:
        return _json(execution_view(self.world[execution_id]))

    def executions_of(self, namespace: str, flow_id: str) -> list[dict[str, Any]]:
        states = [s for s in self.world.of(flow_id) if s.namespace == namespace]
        return [_json(execution_view(state)) for state in states]

    def logs(self, execution_id: str) -> list[dict[str, Any]]:
        return [
            {
                "taskId": entry.task_id,
                "taskRunId": entry.task_run_id,
                "level": entry.level.value,
                "message": entry.message,
            }
            for entry in self.world.logs
            if entry.execution_id == execution_id
        ]


def _json(view: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(view))
    return document


def judge(case: dict[str, Any]) -> None:
    """Run a case; raises `Mismatch` of the runner when an expectation does not hold."""
    run = sys.modules.get("conformance_run") or _load()
    world = World(check=True)
    api = _Api(world)

    class MemoryCase(run.Case):  # type: ignore[name-defined,misc]
        def eventually(self, fn: Any, *_: Any, **__: Any) -> None:
            try:
                fn()
            except run.Mismatch:
                world.settle(timedelta(minutes=10))
                fn()

        def load(self, entries: Any) -> None:
            for entry in entries or []:
                world.add(self.flow_source(entry))

        def do_run(self, action: dict[str, Any]) -> None:
            spec = self.sub({k: v for k, v in action.items() if k != "response"})
            namespace = spec.get("namespace", "io.kestra.tests")
            flow = world.flow("main", namespace, spec["flow"])
            assert flow is not None, f"no flow {spec['flow']}"
            labels = dict(run.label_pairs(spec.get("labels")))
            points = str((spec.get("query") or {}).get("breakpoints", ""))
            breakpoints = [Breakpoint(*part.split(".", 1)) for part in points.split(",") if part]
            name = spec.get("as", "main")
            eid = world.start(
                flow.id,
                inputs=self._inputs(spec),
                labels=labels,
                breakpoints=breakpoints,
            )
            world.work(1)
            self.started[name] = eid
            self.remember(name, api.execution(eid))

        def _inputs(self, spec: dict[str, Any]) -> dict[str, Any]:
            inputs = spec.get("inputs") or {}
            if isinstance(inputs, str):
                inputs = _DEFAULTS[inputs]
            files = spec.get("files") or {}
            if isinstance(files, str):
                files = _DEFAULTS[files]
            found = dict(inputs)
            for key, file in files.items():
                uri = f"kestra:///{key}"
                world.files[uri] = file.get("lines", 1)
                found[key] = uri
            return found

        def do_await(self, action: dict[str, Any]) -> None:
            name = action.get("of", "main")
            want = action.get("state", "terminal")
            states = run.TERMINAL if want == "terminal" else set(run.aslist(want))
            eid = self.exec_id(name)
            for _ in range(10_000):
                if world[eid].state.current.value in states:
                    break
                if world.pending:
                    world.work(1)
                elif not world.tick():
                    break
            # what is under way comes to rest, but no time passes
            rest = 0
            while world.pending and world[eid].state.current.value in states and rest < 50:
                world.work(1)
                rest += 1
            self.remember(name, api.execution(eid))
            current = world[eid].state.current.value
            if current not in states:
                raise run.Mismatch(f"is {current}, waiting for {want}")
            if "expect" in action:
                self.check_block(self.vars[name], self.sub(action["expect"]), eid)

        def do_await_execution(self, action: dict[str, Any]) -> None:
            states = run.aslist(action.get("state"))
            found: list[dict[str, Any]] = []
            for _ in range(10_000):
                found = self.find_executions(action)
                if states and states != ["terminal"]:
                    found = [e for e in found if e["state"]["current"] in states]
                if found:
                    break
                if world.pending:
                    world.work(1)
                elif not world.tick():
                    raise run.Mismatch(f"no execution of {action['flow']}")
            self.started[action["as"]] = found[0]["id"]
            self.remember(action["as"], found[0])

        def _tell(self, action: dict[str, Any], kind: type[Any], **members: Any) -> None:
            eid = self.exec_id(action.get("of", "main"))
            before = len(world.records)
            world.tell(kind, eid, **members)
            # people's commands are stepped before whatever else waits
            world.first()
            events = world.events_since(before)
            response = action.get("response") or {}
            refused = next((e for e in events if type(e).__name__ == "CommandRejected"), None)
            status = response.get("status")
            if isinstance(status, int) and status >= 400:
                if refused is None:
                    raise run.Mismatch("was to be refused")
                if status_of(refused.code) != status:
                    raise run.Mismatch(f"refused by {refused.code}, not with {status}")
                for text in response.get("contains") or []:
                    if text not in refused.message:
                        raise run.Mismatch(f"{refused.message} does not say {text}")
                return
            if refused is not None:
                raise run.Mismatch(f"refused: {refused.message}")
            name = action.get("as")
            new = members.get("new_execution_id")
            if name and new:
                world.work(1)
                self.started[name] = new
                self.remember(name, api.execution(new))
            shown = new or eid
            if "execution" in response:
                view = run.View(api.execution(shown))
                if new and "CREATED" in str(response["execution"].get("state")):
                    # the answer shows a new execution as it was created, see `created_view`
                    view = run.View(_json(created_view(world[new])))
                self.check_block(view, self.sub(response["execution"]), None)

        def do_resume(self, action: dict[str, Any]) -> None:
            eid = self.exec_id(action.get("of", "main"))
            inputs = self._inputs(action)
            state = world[eid]
            if inputs and state.holding:
                flow = world.flow("main", state.namespace, state.flow_id)
                assert flow is not None
                task: Any = flow.task_by_id(state.task_runs[state.holding[0]].task_id)
                inputs = resolve_inputs(task.on_resume, inputs, {}).checked()
            self._tell(action, c.ResumeExecution, inputs=inputs)

        def do_pause(self, action: dict[str, Any]) -> None:
            self._tell(action, c.PauseExecution)

        def do_kill(self, action: dict[str, Any]) -> None:
            self._tell(action, c.KillExecution, cascade=action.get("cascade", True))

        def do_unqueue(self, action: dict[str, Any]) -> None:
            self._tell(action, c.UnqueueExecution)

        def do_force_run(self, action: dict[str, Any]) -> None:
            self._tell(action, c.ForceRunExecution)

        def do_change_status(self, action: dict[str, Any]) -> None:
            action = {k: v for k, v in action.items() if k != "response"}
            self._tell(action, c.ChangeExecutionState, state=StateType(action["status"]))

        def do_set_state(self, action: dict[str, Any]) -> None:
            task_run = self.find_taskrun(action.get("of", "main"), action["taskrun"])
            self._tell(
                action,
                c.ChangeTaskRunState,
                task_run_id=task_run["id"],
                state=StateType(action["state"]),
            )

        def do_restart(self, action: dict[str, Any]) -> None:
            more: dict[str, Any] = {}
            if "revision" in action:
                more = {"flow_revision": action["revision"], "new_execution_id": world.new_id()}
            self._tell(action, c.RestartExecution, **more)

        def do_replay(self, action: dict[str, Any]) -> None:
            more: dict[str, Any] = {"new_execution_id": world.new_id()}
            if "from" in action:
                source = action.get("of", "main")
                more["task_run_id"] = self.find_taskrun(source, action["from"])["id"]
            if "revision" in action:
                more["flow_revision"] = action["revision"]
            if "inputs" in action:
                more["inputs"] = action["inputs"]
            self._tell(action, c.ReplayExecution, **more)

        def do_labels(self, action: dict[str, Any]) -> None:
            labels = [Label(k, v) for k, v in run.label_pairs(self.sub(action["labels"]))]
            self._tell(action, c.ChangeLabels, labels=labels)

        def do_sleep(self, action: dict[str, Any]) -> None:
            world.wait(float(action.get("seconds", 1)))

        def do_http(self, action: dict[str, Any]) -> None:
            path = self.sub(action["path"])
            if path.endswith("/resume-from-breakpoint"):
                self._tell(action, c.ResumeFromBreakpoint)
                return
            raise NotHere(path)

        def check_file(self, *_: Any) -> None:
            return  # files are judged end to end

        def cleanup(self) -> None:
            return

        def take_snapshots(self) -> None:
            return

        def drain(self, ident: Any) -> None:
            del ident

    runner = argparse.Namespace(
        api=api,
        args=argparse.Namespace(timeout=60, settle=0, poll=0, trigger_grace=0),
        flow_text=lambda entry, kind=None: _flow_text(entry, kind),
        echo=argparse.Namespace(url=lambda: "http://echo"),
    )
    MemoryCase(case, runner).execute()
    for execution_id, state in world.refolded().items():
        assert state == world[execution_id], f"{execution_id} is not the fold of its events"


class NotHere(Exception):
    """The case asks what only a whole server has."""


def _flow_text(entry: Any, kind: str | None) -> str:
    if isinstance(entry, dict) and "inline" in entry:
        return str(entry["inline"])
    name = entry if isinstance(entry, str) else entry["file"]
    if name.startswith("13/"):
        folder = SHARED / "flows-13"
        name = name.removeprefix("13/")
    else:
        folder = SHARED / "flows"
    path = folder / name if "/" in name else folder / "valids" / name
    text = path.read_text(encoding="utf-8")
    if isinstance(entry, dict):
        for old, new in entry.get("replace") or []:
            assert old in text, f"{old!r} is not in {name}"
            text = text.replace(old, new)
    return text
