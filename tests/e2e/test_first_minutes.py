"""A newcomer's first minutes, as the README tells them: the embedded engine by `tidewheel run`."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from infra.local.child import Child
from tests.support.rest import YAML, Rest, until
from tests.support.running import ROOT, command, pair_of_ports

pytestmark = pytest.mark.process

README = (ROOT / "README.md").read_text()
SHOWN = re.compile(r"user (\S+)\s+password (\S+)\s+\(shown this once\)")
PAUSED = """\
id: waits
namespace: first.minutes
tasks:
  - id: before
    type: io.kestra.plugin.core.log.Log
    message: before
  - id: hold
    type: io.kestra.plugin.core.flow.Pause
  - id: after
    type: io.kestra.plugin.core.log.Log
    message: after
"""
SLEEPS = """\
id: sleeps
namespace: first.minutes
tasks:
  - id: nap
    type: io.kestra.plugin.core.flow.Sleep
    duration: PT3S
  - id: after
    type: io.kestra.plugin.core.debug.Return
    format: "{{ execution.id }}"
"""


class Newcomer:
    """A terminal in the repository with a data folder of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder / "data"
        self.port = pair_of_ports()
        self.url = f"http://127.0.0.1:{self.port}"
        self._logs = folder
        self._starts = 0
        self._rests: list[Rest] = []
        strange = ("TIDEWHEEL_", "ENGINE", "EXAMPLES")
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(strange)},
            "PORT": str(self.port),
            "DATA_DIR": str(self.folder),
            **environment,
        }

    def start(self) -> Child:
        """Start the server and wait until it says that it is ready."""
        self._starts += 1
        child = Child(
            "tidewheel run",
            command("run"),
            log=self._logs / f"start-{self._starts}.log",
            env=self.environment,
            cwd=ROOT,
        )
        child.wait_for_line("Ctrl-C stops", 120)
        return child

    def type(self, *words: str) -> str:
        """Run `tidewheel WORDS` in a second terminal; return what it prints."""
        done = subprocess.run(
            command(*words),
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def rest(self, child: Child) -> Rest:
        """A client with the credentials that the first start showed."""
        shown = SHOWN.search(child.tail())
        assert shown is not None, child.tail()
        return self.rest_as(shown[1], shown[2])

    def rest_as(self, username: str, password: str) -> Rest:
        """A client, closed in the end."""
        self._rests.append(Rest(self.url, username, password))
        return self._rests[-1]

    def close(self) -> None:
        """Close the clients."""
        for rest in self._rests:
            rest.close()


Make = Callable[..., Newcomer]


@pytest.fixture
def comes(tmp_path: Path) -> Iterator[Make]:
    """A newcomer with some environment variables set."""
    made: list[Newcomer] = []

    def make(**environment: str) -> Newcomer:
        made.append(Newcomer(tmp_path, **environment))
        return made[-1]

    yield make
    for newcomer in made:
        newcomer.close()


@pytest.fixture
def newcomer(comes: Make) -> Newcomer:
    return comes()


def test_the_readme_shows_the_commands_that_are_tested_here() -> None:
    for line in (
        "make run",
        ".venv/bin/tidewheel flow run docs/examples/hello.yaml --follow",
        ".venv/bin/tidewheel execution list",
        ".venv/bin/tidewheel execution events EXECUTION_ID",
        "http://127.0.0.1:8080/api/docs",
        "curl -u USER:PASSWORD -X POST http://127.0.0.1:8080/api/v1/main/executions/examples/hello",
        "curl -u USER:PASSWORD http://127.0.0.1:8080/api/v1/main/executions/EXECUTION_ID/events",
    ):
        assert line in README, line


def test_the_first_minutes_go_as_the_readme_says(newcomer: Newcomer) -> None:
    with newcomer.start() as server:
        output = newcomer.type("flow", "run", "docs/examples/hello.yaml", "--follow")
        assert "Hello, world!" in output
        assert output.splitlines()[-1].startswith("SUCCESS")
        begun = re.search(r"execution (\S+) of examples\.hello", output)
        assert begun is not None
        execution_id = begun[1]
        until(lambda: execution_id in newcomer.type("execution", "list"), "the list having it")
        [row] = [
            line
            for line in newcomer.type("execution", "list").splitlines()
            if line.startswith(execution_id)
        ]
        assert "SUCCESS" in row
        assert "examples.hello" in row
        lines = newcomer.type("execution", "events", execution_id).splitlines()
        assert [int(line.split()[0]) for line in lines] == list(range(1, len(lines) + 1))
        assert lines[0].split()[1] == "execution.created"
        assert "execution.ended" in {line.split()[1] for line in lines}
        page = httpx.get(f"{newcomer.url}/api/docs", follow_redirects=True)
        assert page.status_code == 200
        assert "text/html" in page.headers["content-type"]
        rest = newcomer.rest(server)
        by_curl = rest.call("POST", "/executions/examples/hello?wait=true")
        assert by_curl["state"]["current"] == "SUCCESS"
        assert rest.call("GET", f"/executions/{by_curl['id']}/events")["total"] > 0


def test_the_examples_are_stored_and_end_as_they_say(newcomer: Newcomer) -> None:
    with newcomer.start() as server:
        rest = newcomer.rest(server)
        stored = {flow["id"] for flow in rest.call("GET", "/flows/examples")}
        written = {path.stem for path in (ROOT / "docs" / "examples").glob("*.yaml")}
        assert stored == written
        ends = {
            name: rest.run("examples", name, wait=True)["state"]["current"]
            for name in sorted(stored)
        }
        assert ends.pop("errors") == "FAILED", "it shows how an error is handled"
        assert set(ends.values()) == {"SUCCESS"}, ends


def test_ctrl_c_stops_cleanly_and_quickly(newcomer: Newcomer) -> None:
    server = newcomer.start()
    with server:
        newcomer.type("flow", "run", "docs/examples/hello.yaml", "--follow")
        server.send(signal.SIGINT)
        assert server.wait(10) == 0
    assert "Traceback" not in server.tail()


def test_a_second_start_goes_on_where_the_first_was(newcomer: Newcomer) -> None:
    with newcomer.start() as server:
        rest = newcomer.rest(server)
        rest.create_flow(PAUSED)
        rest.create_flow(SLEEPS)
        done = rest.run("examples", "hello", wait=True)
        waiting = rest.run("first.minutes", "waits")["id"]
        rest.comes_to(waiting, "PAUSED")
        asleep = rest.run("first.minutes", "sleeps")["id"]
        rest.comes_to(asleep, "RUNNING")
        flows = {flow["id"]: flow["revision"] for flow in rest.call("GET", "/flows/first.minutes")}
        server.send(signal.SIGINT)
        assert server.wait(45) == 0
    with newcomer.start() as server:
        assert SHOWN.search(server.tail()) is None, "the password is shown once"
        after = {flow["id"]: flow["revision"] for flow in rest.call("GET", "/flows/first.minutes")}
        assert after == flows
        found = {row["id"]: row["state"]["current"] for row in rest.executions()}
        assert found[done["id"]] == "SUCCESS"
        assert rest.execution(done["id"]) == {k: v for k, v in done.items() if k != "url"}
        assert rest.ended(asleep, 20)["taskRunList"][-1]["outputs"] == {"value": asleep}
        assert rest.state(waiting) == "PAUSED"
        rest.call("POST", f"/executions/{waiting}/resume")
        assert rest.ended(waiting)["state"]["current"] == "SUCCESS"
        until(lambda: rest.logs(waiting) == ["before", "after"], "its whole log")


def test_an_empty_store_stays_empty_without_examples(comes: Make) -> None:
    newcomer = comes(EXAMPLES="no")
    with newcomer.start() as server:
        rest = newcomer.rest(server)
        assert rest.call("GET", "/flows/search")["total"] == 0


def test_a_generated_password_is_in_no_file_but_the_owners_own_client_file(
    newcomer: Newcomer,
) -> None:
    with newcomer.start() as server:
        shown = SHOWN.search(server.tail())
        assert shown is not None
        password = shown[2]
        newcomer.type("flow", "run", "docs/examples/hello.yaml", "--follow")
        wrong = httpx.get(f"{newcomer.url}/api/v1/main/flows/search", auth=(shown[1], "wrong"))
        assert wrong.status_code == 401
        server.send(signal.SIGINT)
        assert server.wait(15) == 0
    holders = [
        path
        for path in newcomer.folder.rglob("*")
        if path.is_file() and password.encode() in path.read_bytes()
    ]
    assert [path.name for path in holders] == ["client.json"]
    assert stat.S_IMODE(holders[0].stat().st_mode) == 0o600


def test_a_given_password_is_used_and_shown_nowhere(comes: Make) -> None:
    newcomer = comes(TIDEWHEEL_USERNAME="me@example.org", TIDEWHEEL_PASSWORD="Given1234")
    with newcomer.start() as server:
        assert "Given1234" not in server.tail()
        rest = newcomer.rest_as("me@example.org", "Given1234")
        assert rest.call("POST", "/flows/validate", content=PAUSED, headers=YAML)
        assert "Hello, world!" in newcomer.type(
            "flow", "run", "docs/examples/hello.yaml", "--follow"
        )


@pytest.mark.servers
def test_the_production_shape_comes_by_one_word_and_goes_on_after_a_stop(comes: Make) -> None:
    newcomer = comes(ENGINE="distributed")
    found_here = set(ROOT.glob("*-data"))
    with newcomer.start() as server:
        rest = newcomer.rest(server)
        output = newcomer.type("flow", "run", "docs/examples/hello.yaml", "--follow")
        assert "Hello, world!" in output
        assert output.splitlines()[-1].startswith("SUCCESS")
        rest.create_flow(PAUSED)
        waiting = rest.run("first.minutes", "waits")["id"]
        rest.comes_to(waiting, "PAUSED")
        server.send(signal.SIGINT)
        assert server.wait(60) == 0
    with newcomer.start():
        assert rest.state(waiting) == "PAUSED"
        rest.call("POST", f"/executions/{waiting}/resume")
        assert rest.ended(waiting)["state"]["current"] == "SUCCESS"
        until(lambda: rest.logs(waiting) == ["before", "after"], "its whole log")
        assert {row["flowId"] for row in rest.executions()} == {"hello", "waits"}
    assert set(ROOT.glob("*-data")) == found_here, "a component left something where it ran"
