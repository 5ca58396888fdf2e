"""The commands `tidewheel server` and `tidewheel run`."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import msgspec
from cyclopts import App
from rich.console import Console

from domain.errors import InvalidInput

app = App(name="server")
_out = Console(highlight=False, soft_wrap=True)
COMPONENTS = ("executor", "scheduler", "worker", "indexer", "webserver")


@app.command
def local() -> None:
    """Everything in one process on the embedded engine: no other server is needed."""
    _serve("local", "embedded", COMPONENTS)


@app.command
def standalone() -> None:
    """Everything in one process on Kafka and OpenSearch."""
    _serve("standalone", "distributed", COMPONENTS)


@app.command
def executor() -> None:
    """The execution state machine, on Kafka."""
    _serve("executor", "distributed", ("executor",))


@app.command
def worker() -> None:
    """Runs tasks, on Kafka."""
    _serve("worker", "distributed", ("worker",))


@app.command
def scheduler() -> None:
    """Fires triggers, on Kafka."""
    _serve("scheduler", "distributed", ("scheduler",))


@app.command
def indexer() -> None:
    """Writes the read models, on Kafka and OpenSearch."""
    _serve("indexer", "distributed", ("indexer",))


@app.command
def webserver() -> None:
    """The REST API, on Kafka and OpenSearch."""
    _serve("webserver", "distributed", ("webserver",))


def _serve(name: str, engine: str, roles: tuple[str, ...]) -> None:
    from infra.config import load_config
    from infra.process import serve

    config = load_config()
    serve(name, msgspec.structs.replace(config, engine=engine), frozenset(roles))


def run() -> None:
    """Start a server here, ready to use: what `make run` calls.

    Environment: PORT (8080; the next one is for health and metrics), DATA_DIR (.tidewheel),
    TIDEWHEEL_USERNAME, TIDEWHEEL_PASSWORD (else generated and shown once), EXAMPLES (no: leave an
    empty store empty), ENGINE (embedded or distributed).
    """
    engine = os.environ.get("ENGINE", "embedded")
    if engine not in {"embedded", "distributed"}:
        raise InvalidInput(f"ENGINE is {engine!r}: it must be embedded or distributed")
    folder = Path(os.environ.get("DATA_DIR", ".tidewheel")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    port = _port()
    username, password, fresh = _account(folder)
    environment = {
        "TIDEWHEEL_DATA_DIR": str(folder),
        "TIDEWHEEL_SERVER_PORT": str(port),
        "TIDEWHEEL_SERVER_USERNAME": username,
        "TIDEWHEEL_SERVER_PASSWORD": password,
    }
    examples = Path(__file__).parents[2] / "docs" / "examples"
    if os.environ.get("EXAMPLES", "yes") != "no" and examples.is_dir():
        environment["TIDEWHEEL_DATA_EXAMPLES"] = str(examples)
    url = f"http://127.0.0.1:{port}"
    if engine == "embedded":
        os.environ.update(environment)
        from infra.config import load_config
        from infra.process import serve

        config = load_config()
        serve(
            "local",
            config,
            frozenset(COMPONENTS),
            ready=lambda: _greet(folder, url, username, password if fresh else ""),
        )
    else:
        sys.exit(
            _run_distributed(folder, port, environment, url, username, password if fresh else "")
        )


def _port() -> int:
    text = os.environ.get("PORT", "8080")
    if not text.isdigit() or not 0 < int(text) < 65_535:
        raise InvalidInput(f"PORT is {text!r}: it must be a number from 1 to 65534")
    return int(text)


def _account(folder: Path) -> tuple[str, str, bool]:
    """Return the user, the password where it is known, and whether it was made just now."""
    from infra.accounts import DEFAULT_USERNAME, StoredAccount, new_password

    username = os.environ.get("TIDEWHEEL_USERNAME", "")
    password = os.environ.get("TIDEWHEEL_PASSWORD", "")
    stored = StoredAccount(folder).username or ""
    if password:
        return username or stored or DEFAULT_USERNAME, password, False
    if stored and username in {"", stored}:
        return "", "", False
    return username or DEFAULT_USERNAME, new_password(), True


def _greet(folder: Path, url: str, username: str, password: str) -> None:
    """Say where the server is; a password made just now is kept, as a hash, and shown."""
    from infra.accounts import StoredAccount
    from infra.cli.client import save_client

    stored = StoredAccount(folder)
    kept = {"url": url, "username": username or stored.username or ""}
    shown = ""
    if password:
        # only now: a start that failed has shown nothing
        stored.change(username, password)
        kept["password"] = password
        shown = f"  password [bold]{password}[/]  (shown this once)"
    save_client(folder, **kept)
    _out.print(f"[bold]Tidewheel[/] is ready at [bold]{url}[/]   API page: {url}/api/docs")
    _out.print(f"user [bold]{kept['username']}[/]{shown}")
    _out.print("first flow: .venv/bin/tidewheel flow run docs/examples/hello.yaml --follow")
    _out.print("Ctrl-C stops; the next start goes on where this one was.")


def _run_distributed(
    folder: Path, port: int, environment: dict[str, str], url: str, username: str, password: str
) -> int:
    from infra.local.ports import free_ports
    from infra.local.servers import running_servers
    from infra.local.supervisor import Component, Supervisor
    from infra.process import create_topics

    _out.print("Kafka and OpenSearch start; the first time here they are fetched, about 90 MiB")
    with running_servers(folder) as servers:
        common = environment | {
            "TIDEWHEEL_LOG_BOOTSTRAP_SERVERS": servers.kafka.bootstrap_servers,
            "TIDEWHEEL_OPENSEARCH_URL": servers.opensearch.url,
        }
        create_topics(common)
        ports = free_ports(len(COMPONENTS))
        components = []
        for name, free in zip(COMPONENTS, ports, strict=True):
            management = port + 1 if name == "webserver" else free
            own = {"TIDEWHEEL_SERVER_MANAGEMENT_PORT": str(management)}
            if name in {"executor", "worker", "scheduler", "indexer"}:
                own[f"TIDEWHEEL_{name.upper()}_ID"] = f"{name}-{socket.gethostname()}"
            components.append(
                Component(
                    name,
                    (sys.executable, "-m", "infra.cli.main", "server", name),
                    common | own,
                    f"http://127.0.0.1:{management}/health/readiness",
                )
            )
        supervisor = Supervisor(components, folder / "logs")
        return supervisor.run(
            lambda: _greet(folder, url, username, password),
            lambda text: _out.print(f"[yellow]{text}[/]"),
        )
