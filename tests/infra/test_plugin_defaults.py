"""Plugin defaults of the server and its namespaces: what executions and triggers make of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from domain.execution.commands import RestartExecution
from domain.execution.lifecycle import StateType
from domain.execution.requests import TaskRequest
from domain.flow.common import PluginDefault
from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.defaults import ScopedDefaults
from domain.record.topics import EXECUTION_COMMANDS, EXECUTION_EVENTS, TASK_REQUESTS
from domain.verification.verifier import Verifier
from infra.clock import SystemClock
from infra.flow_writer import LogFlowWriter
from infra.flows import FlowStore
from infra.plugin_defaults import PluginDefaultsStore
from tests.streams.test_executor import REQUESTS, SOURCE, Engine, folded
from tests.support.memory_log import MemoryLog
from tests.support.triggers import SchedulerWorld

LOG = "io.kestra.plugin.core.log"
FAIL = "io.kestra.plugin.core.execution.Fail"
GUARDED = f"""
id: one
namespace: team
tasks:
  - {{id: guard, type: {FAIL}}}
  - {{id: say, type: {LOG}.Log, message: hello}}
"""


def level(name: str, *, forced: bool = False) -> PluginDefault:
    return PluginDefault(type=LOG, values={"level": name}, forced=forced)


def guard(text: str) -> PluginDefault:
    return PluginDefault(type=FAIL, values={"condition": text})


class Server:
    """Stores over one log, and an executor."""

    def __init__(self, log: MemoryLog | None = None, source: str = SOURCE) -> None:
        self.log = log or MemoryLog()
        self.defaults = PluginDefaultsStore(self.log, SystemClock())
        self.flows = FlowStore(self.log, CORE_CATALOGUE, self.defaults)
        self.defaults.start()
        self.flows.start()
        LogFlowWriter(self.log, self.flows)._save("main", "team", "one", source)
        self.engine = Engine(log=self.log, flows=self.flows)

    def request(self, execution_id: str) -> TaskRequest:
        """Return the last request of an execution."""
        requests = [REQUESTS.decode(record) for record in self.log.all(TASK_REQUESTS)]
        return [one for one in requests if one.execution_id == execution_id][-1]

    def level(self, execution_id: str) -> str | None:
        found = self.request(execution_id).task.get("level")
        return found if isinstance(found, str) else None

    def verify(self) -> tuple[int, int]:
        """Step everything again; returns how many steps came out the same, and how many not."""
        verifier = Verifier(self.flows)
        found = list(verifier.run(self.log.all(EXECUTION_COMMANDS), self.log.all(EXECUTION_EVENTS)))
        return verifier.tally.steps, len(found)

    def close(self) -> None:
        self.flows.close()
        self.defaults.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def test_a_set_reaches_new_executions_and_those_under_way_keep_theirs(server: Server) -> None:
    server.engine.create("before")
    server.defaults.publish([level("DEBUG")], {})
    server.engine.create("with")
    server.defaults.publish([], {"team": [level("WARN")]})
    server.engine.create("after")
    for execution_id in ("before", "with", "after"):
        server.engine.work(execution_id)

    assert [server.level(name) for name in ("before", "with", "after")] == [None, "DEBUG", "WARN"]
    pinned = [folded(server.log, name) for name in ("before", "with", "after")]
    assert [one.defaults if one else None for one in pinned] == [0, 1, 2]
    assert server.verify() == (6, 0)


def test_an_equal_set_is_not_written_again(server: Server) -> None:
    server.defaults.publish([level("DEBUG")], {"team": []})
    server.defaults.publish([level("DEBUG")], {})
    assert server.defaults.number == 1
    server.defaults.publish([], {})
    server.defaults.publish([level("DEBUG")], {})
    assert server.defaults.number == 3


def test_an_empty_configuration_writes_nothing(server: Server) -> None:
    server.defaults.publish([], {})
    assert server.defaults.number == 0


def test_every_process_sees_what_one_has_published(server: Server) -> None:
    other = Server(server.log)
    server.defaults.publish([level("DEBUG")], {})
    other.defaults.catch_up()
    assert other.flows.plugin_defaults == server.flows.plugin_defaults
    assert other.defaults.get(1) == ScopedDefaults(number=1, everywhere=(level("DEBUG"),))
    other.close()


def test_a_restart_takes_the_defaults_now_in_force() -> None:
    server = Server(source=GUARDED)
    server.defaults.publish([guard("{{ true }}")], {})
    server.engine.create("a")
    assert server.engine.state("a") is StateType.FAILED
    server.defaults.publish([guard("{{ false }}")], {})
    server.engine.command(RestartExecution(execution_id="a", command_id="again"))
    for record in server.log.all(EXECUTION_EVENTS)[-1:]:
        assert b'"defaults":2' in (record.value or b"")
    state = folded(server.log, "a")
    assert state is not None
    assert state.defaults == 2
    assert server.verify()[1] == 0
    server.close()


def test_a_flow_may_rest_on_defaults_for_what_it_must_say() -> None:
    log = MemoryLog()
    server = Server(log)
    server.defaults.publish([PluginDefault(type=LOG, values={"message": "from afar"})], {})
    source = SOURCE.replace("    message: hello\n", "")
    LogFlowWriter(log, server.flows)._save("main", "team", "one", source)
    assert server.flows.get("main", "team", "one") is not None
    assert server.flows.get("main", "team", "one", defaults=0) is None
    assert server.flows.get("main", "team", "one", defaults=7) is None
    server.close()


SCHEDULED = """
id: f
namespace: n
tasks: [{id: a, type: io.kestra.plugin.core.log.Log, message: hello}]
triggers: [{id: t, type: io.kestra.plugin.core.trigger.Schedule, cron: '0 * * * *'}]
"""


def test_a_trigger_is_registered_anew_when_its_defaults_change() -> None:
    world = SchedulerWorld()
    world.flows.save(SCHEDULED)
    world.run()
    first = world.state().next_date
    cron = PluginDefault(
        type="io.kestra.plugin.core.trigger.Schedule",
        values={"cron": "30 * * * *"},
        forced=True,
    )
    world.flows.put_in_force(ScopedDefaults(number=1, everywhere=(cron,)))
    world.run()
    state = world.state()
    assert (state.flow_revision, state.defaults) == (1, 1)
    assert first is not None
    assert state.next_date is not None
    assert (first.minute, state.next_date.minute) == (0, 30)


def test_a_scheduler_that_was_away_learns_of_changed_defaults() -> None:
    world = SchedulerWorld()
    world.flows.save(SCHEDULED)
    world.run()
    world.kill()
    zone = PluginDefault(type="io.kestra.plugin.core.trigger", values={"timezone": "Asia/Kolkata"})
    world.flows.put_in_force(ScopedDefaults(number=1, everywhere=(zone,)))
    world.boot()
    world.run()
    state = world.state()
    assert state.next_date is not None
    assert (state.defaults, state.next_date.minute) == (1, 30)
