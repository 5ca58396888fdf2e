from __future__ import annotations

import io
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import infra.local.supervisor
from infra.local.errors import ChildDied, ChildNotReady, LocalServerError
from infra.local.health import is_healthy
from infra.local.ports import LOOPBACK, free_ports
from infra.local.supervisor import Component, Supervisor

ROOT = Path(infra.local.supervisor.__file__).parents[2]
SERVE = """
import http.server, os, signal, sys
NAME, PORT = os.environ["NAME"], int(os.environ["PORT"])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()
    def log_message(self, *args): pass
def stop(*_):
    print(NAME, "stops", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print(NAME, "starts", flush=True)
http.server.HTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
"""


def component(name: str, port: int, path: str = "/health", code: str = SERVE) -> Component:
    return Component(
        name,
        (sys.executable, "-c", code),
        env={"NAME": name, "PORT": str(port)},
        health=f"http://{LOOPBACK}:{port}{path}",
    )


def pair() -> list[Component]:
    first, second = free_ports(2)
    return [component("first", first), component("second", second)]


def test_every_component_is_healthy_once_started(tmp_path: Path) -> None:
    components = pair()
    with Supervisor(components, tmp_path) as supervisor:
        assert all(is_healthy(each.health, timeout=5) for each in components)
        assert list(supervisor.pids) == ["first", "second"]


def test_components_stop_in_reverse_order(tmp_path: Path) -> None:
    with Supervisor(pair(), tmp_path):
        pass
    lines = (tmp_path / "all.log").read_text().splitlines()
    assert lines[-2:] == ["second | second stops", "first | first stops"]


def test_a_killed_component_starts_again_as_it_was(tmp_path: Path) -> None:
    with Supervisor(pair(), tmp_path) as supervisor:
        before = supervisor.pids
        supervisor.kill("first")
        assert list(supervisor.pids) == ["second"]
        supervisor.start_one("first")
        after = supervisor.pids
        assert after["second"] == before["second"]
        assert after["first"] != before["first"]
        environment = psutil.Process(after["first"]).environ()
        assert environment["NAME"] == "first"
    assert supervisor.log_of("first").read_text().count("first starts") == 2


def test_a_frozen_component_can_go_on_and_can_be_stopped(tmp_path: Path) -> None:
    components = pair()
    with Supervisor(components, tmp_path) as supervisor:
        supervisor.freeze("first")
        assert not is_healthy(components[0].health, timeout=0.2)
        supervisor.thaw("first")
        assert is_healthy(components[0].health, timeout=10)
        supervisor.freeze("first")
        assert supervisor.stop_one("first") == 0


def test_a_component_that_dies_at_its_start_stops_the_others(tmp_path: Path) -> None:
    first, second = free_ports(2)
    broken = component("second", second, code="print('no broker'); raise SystemExit(7)")
    supervisor = Supervisor([component("first", first), broken], tmp_path)
    with pytest.raises(ChildDied, match=r"(?s)second ended with exit code 7.*no broker"):
        supervisor.start()
    assert supervisor.pids == {}


def test_a_component_that_stays_unhealthy_is_not_ready(tmp_path: Path) -> None:
    supervisor = Supervisor([component("sick", free_ports(1)[0], "/sick")], tmp_path, timeout=0.5)
    with pytest.raises(ChildNotReady, match="sick was not ready"):
        supervisor.start()
    assert supervisor.pids == {}


def test_output_is_echoed_with_the_components_name(tmp_path: Path) -> None:
    echo = io.StringIO()
    with Supervisor(pair(), tmp_path, echo=echo):
        pass
    assert "first | first starts\n" in echo.getvalue()


def test_names_are_unique(tmp_path: Path) -> None:
    with pytest.raises(LocalServerError, match="same name"):
        Supervisor([component("one", 1), component("one", 2)], tmp_path)


def test_a_component_runs_only_once_at_a_time(tmp_path: Path) -> None:
    with (
        Supervisor(pair(), tmp_path) as supervisor,
        pytest.raises(LocalServerError, match="first runs already"),
    ):
        supervisor.launch("first")


RUN = """
import sys
from pathlib import Path
from infra.local.supervisor import Component, Supervisor
components = [Component("a", ("sh", "-c", sys.argv[2])), Component("b", ("sleep", "600"))]
supervisor = Supervisor(components, Path(sys.argv[1]), echo=sys.stdout)
sys.exit(supervisor.run(tell=lambda text: print("told:", text)))
"""


def run(folder: Path, script: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", "-c", RUN, str(folder), script]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_and_counts_as_success(tmp_path: Path, number: signal.Signals) -> None:
    with run(tmp_path, "echo up; exec sleep 600") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "a | up\n"
        children = psutil.Process(process.pid).children()
        process.send_signal(number)
        assert process.wait(60) == 0
    assert psutil.wait_procs(children, timeout=30)[1] == []


def test_a_component_that_ends_by_itself_is_started_again(tmp_path: Path) -> None:
    script = f"echo up; test -e {tmp_path}/once && exec sleep 600; touch {tmp_path}/once; exit 5"
    with run(tmp_path, script) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while lines.count("a | up\n") < 2:
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert "told: a ended by itself and is started again" in "".join(lines)
    assert "supervisor | a ended with exit code 5" in "".join(lines)


def test_a_component_that_never_stays_ends_all_with_an_error(tmp_path: Path) -> None:
    with run(tmp_path, "echo alas; exit 5") as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output.count("a | alas") == 5
    assert "told: a ended 5 times within a minute: everything stops" in output
