"""`make bench`: starts an engine, measures it from outside, then the costs of single parts.

    ENGINE=embedded|distributed  [PARTS="low ladder seq foreach cold flows"]  [RATES=600,1200,...]
    [SECONDS=30]  [OUT=result.json]  [PROFILE=yes]

PROFILE=yes also records what every process does, into the folder `bench-profile-ENGINE`.

The load comes from the shared black-box tool beside the checkout (`../shared/bench/bench.py`), the
same that measures other servers; it shares the machine with the server. Figures are printed, never
asserted.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.bench.flows import Server, measure
from tests.bench.profile import Profiles

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT.parent / "shared" / "bench" / "bench.py"
USER, PASSWORD = "bench@tidewheel.local", "Bench-mark-1"
HERE = Path(__file__).resolve().parent
_FOREIGN = frozenset({"kafka", "opensearch"})


def main() -> int:
    """Measure one engine."""
    engine = os.environ.get("ENGINE", "embedded")
    parts = os.environ.get("PARTS", "low ladder seq foreach cold flows").split()
    seconds = os.environ.get("SECONDS", "30")
    default_rates = "600,1200,3000,6000,9000" if engine == "embedded" else "600,1200,1500,3000,4500"
    rates = os.environ.get("RATES", default_rates)
    if not TOOL.is_file():
        sys.exit(f"the load tool is missing: {TOOL}")
    out = Path(os.environ.get("OUT", f"bench-{engine}.json")).resolve()
    print(
        f"engine {engine}, {os.cpu_count()} cores, load generator on the same machine", flush=True
    )
    with tempfile.TemporaryDirectory(prefix="tidewheel-bench-") as folder:
        port = free_port()
        if "cold" in parts and engine == "embedded":
            cold(engine, Path(folder) / "cold", port, seconds)
        hot = [part for part in parts if part not in {"cold", "flows"}]
        if hot or "flows" in parts:
            server = start(engine, Path(folder) / "hot", port)
            try:
                wait_until_ready(port, 120)
                pids = pids_of(server.pid, engine)
                with profiles(pids, engine):
                    if hot:
                        named = [f"--pid={name}={pid}" for name, pid in pids.items()]
                        run_tool(
                            port, *named, "--parts", *hot, "--rates", rates,
                            "--seconds", seconds, "--out", str(out),
                        )  # fmt: skip
                        print(f"figures: {out}", flush=True)
                    if "flows" in parts:
                        measure(Server(port, USER, PASSWORD, list(pids.values())))
            finally:
                stop(server)
    for script in sorted(HERE.glob("bench_*.py")):
        print(f"\n== {script.stem.removeprefix('bench_')} alone", flush=True)
        subprocess.run([sys.executable, str(script)], check=False, cwd=ROOT)
    return 0


def environment(engine: str, folder: Path, port: int) -> dict[str, str]:
    """Return the environment of a server that is measured."""
    return {
        **os.environ,
        "ENGINE": engine,
        "PORT": str(port),
        "DATA_DIR": str(folder),
        "TIDEWHEEL_USERNAME": USER,
        "TIDEWHEEL_PASSWORD": PASSWORD,
        "EXAMPLES": "no",
    }


def start(engine: str, folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start a server as `make run` does."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "server.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "infra.cli.main", "run"],
            cwd=ROOT, env=environment(engine, folder, port), stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop a server as Ctrl-C does."""
    server.send_signal(signal.SIGINT)
    try:
        server.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def profiles(pids: dict[str, int], engine: str) -> AbstractContextManager[object]:
    """Return what records the Python processes meanwhile, if that is wanted."""
    if os.environ.get("PROFILE", "no") in {"", "no"}:
        return nullcontext()
    ours = {name: pid for name, pid in pids.items() if name not in _FOREIGN}
    return Profiles(ours, Path(f"bench-profile-{engine}").resolve())


def pids_of(pid: int, engine: str) -> dict[str, int]:
    """Return the measured processes by name."""
    if engine == "embedded":
        return {"tidewheel": pid}
    found = {}
    for child in psutil.Process(pid).children():
        words = child.cmdline()
        name = (
            "kafka" if "kafka.Kafka" in words else "opensearch" if "java" in words[0] else words[-1]
        )
        found[name] = child.pid
    return found


def cold(engine: str, folder: Path, port: int, seconds: str) -> None:
    """Measure the time from the start of the process to the first ended flow, and idle memory."""
    del seconds
    folder.mkdir(parents=True)
    words = environment(engine, folder, port)
    variables = " ".join(
        f"{name}={shlex.quote(words[name])}"
        for name in (
            "ENGINE",
            "PORT",
            "DATA_DIR",
            "TIDEWHEEL_USERNAME",
            "TIDEWHEEL_PASSWORD",
            "EXAMPLES",
        )
    )
    log = shlex.quote(str(folder / "server.log"))
    program = f"{sys.executable} -m infra.cli.main run"
    command = f"cd {shlex.quote(str(ROOT))}; {variables} {program} >{log} 2>&1 & echo $!"
    out = folder / "cold.json"
    run_tool(port, "--parts", "cold", "--idle", "5", "--start-cmd", command, "--out", str(out))
    pid = int(json.loads(out.read_text())["parts"]["cold"]["pid"])
    os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def run_tool(port: int, *arguments: str) -> None:
    """Run the shared load tool."""
    subprocess.run(
        [
            sys.executable, str(TOOL), "--url", f"http://127.0.0.1:{port}",
            "--user", USER, "--password", PASSWORD, *arguments,
        ],
        check=True,
    )  # fmt: skip


def wait_until_ready(port: int, seconds: float) -> None:
    """Wait until the server says on its management port that it is ready."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port + 1}/health/readiness", timeout=2):
                return
        except OSError:
            if time.monotonic() > deadline:
                sys.exit("the server did not become ready")
            time.sleep(0.1)


def free_port() -> int:
    """Return a port that is free together with the next one."""
    import socket

    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


if __name__ == "__main__":
    sys.exit(main())
