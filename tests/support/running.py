"""Tidewheel as its own processes: one process on the embedded engine, one per component on Kafka.

Both look the same to a test: an API to speak to, components to kill and to start again as they
were, and the log to read past every component's back.
"""

from __future__ import annotations

import itertools
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from domain.ports.log import Log
from infra.config import Config, load_config
from infra.local.kafka import KafkaServer
from infra.local.opensearch import OpenSearchServer
from infra.local.ports import LOOPBACK, free_ports
from infra.local.supervisor import Component, Supervisor
from infra.process import create_topics
from infra.shop import open_log
from tests.support.rest import Rest

USERNAME, PASSWORD = "root@root.com", "Root!1234"
ROOT = Path(__file__).parents[2]
"""The repository."""
COMPONENTS = ("executor", "worker", "scheduler", "indexer", "webserver")
SMALL = {
    "TIDEWHEEL_LOG_EXECUTION_PARTITIONS": "4",
    "TIDEWHEEL_LOG_TASK_PARTITIONS": "4",
    "TIDEWHEEL_LOG_LOG_PARTITIONS": "2",
}
"""Fewer partitions than a real installation has: topics are made in every test."""
_numbers = itertools.count(1)


class Running:
    """A running Tidewheel; also a context manager that starts and stops it."""

    engine = ""
    components: tuple[str, ...] = ()
    """Names of its processes: what can be killed and started again."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Prepare it; nothing runs yet.

        Args:
            folder: for its data and process logs.
            environment: on top of our own; the same at every start.
        """
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        self.port, *others = free_ports(1 + len(self.components))
        self.management = dict(zip(self.components, others, strict=True))
        """Port of health and metrics, by component."""
        self.environment = {
            **SMALL,
            "TIDEWHEEL_ENGINE": self.engine,
            "TIDEWHEEL_DATA_DIR": str(self.data),
            "TIDEWHEEL_SERVER_PORT": str(self.port),
            "TIDEWHEEL_SERVER_USERNAME": USERNAME,
            "TIDEWHEEL_SERVER_PASSWORD": PASSWORD,
            **environment,
        }
        self.url = f"http://{LOOPBACK}:{self.port}"
        self.rest = Rest(self.url, USERNAME, PASSWORD)
        self.supervisor = Supervisor(
            [self._component(name) for name in self.components], folder / "logs", timeout=90
        )

    def start(self) -> None:
        """Start every process that does not run, until all are ready."""
        self.supervisor.start()

    def stop(self) -> None:
        """Stop every process, in order."""
        self.supervisor.stop()

    def kill(self, name: str) -> None:
        """End one process by SIGKILL."""
        self.supervisor.kill(name)

    def launch(self, name: str) -> None:
        """Start one process again, with the same instance id; don't wait."""
        self.supervisor.launch(name)

    def restart(self, name: str) -> None:
        """Start one process again, with the same instance id, until it is ready."""
        self.supervisor.start_one(name)

    def output(self) -> str:
        """Return the last lines of every process's output."""
        tails = []
        for name in self.components:
            path = self.supervisor.log_of(name)
            lines = path.read_text(errors="replace").splitlines() if path.exists() else []
            tails.append("\n".join([f"--- {name}", *lines[-30:]]))
        return "\n".join(tails)

    @property
    def config(self) -> Config:
        """The configuration that the processes have."""
        return load_config(self.environment)

    @contextmanager
    def hand(self) -> Iterator[Log]:
        """Open the log for a test's own hand; the embedded engine stops meanwhile."""
        if self.engine == "embedded":
            self.stop()
        log = open_log(self.config)
        try:
            yield log
        finally:
            log.close()
            if self.engine == "embedded":
                self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self.rest.close()
        if error is not None:
            error.add_note(self.output())

    def _component(self, name: str) -> Component:
        management = self.management[name]
        own = {"TIDEWHEEL_SERVER_MANAGEMENT_PORT": str(management)}
        role = name.partition("-")[0]
        if role in {"executor", "worker", "scheduler", "indexer"}:
            own[f"TIDEWHEEL_{role.upper()}_ID"] = f"{name}-{socket.gethostname()}"
        return Component(
            name,
            (sys.executable, "-m", "infra.cli.main", "server", role),
            {**self.environment, **own},
            f"http://{LOOPBACK}:{management}/health/readiness",
        )


class Embedded(Running):
    """Everything in one process."""

    engine = "embedded"
    components: tuple[str, ...] = ("local",)


class Distributed(Running):
    """One process per component, on a Kafka and an OpenSearch that run already."""

    engine = "distributed"
    components: tuple[str, ...] = COMPONENTS

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        bootstrap: str,
        opensearch: str,
        more: Sequence[str] = (),
    ) -> None:
        """Prepare it under names of its own; see `Running`.

        Args:
            folder: for its data and process logs.
            environment: on top of our own.
            bootstrap: host:port of the broker.
            opensearch: URL of the node.
            more: further components, such as `executor-2`.
        """
        self.components = (*COMPONENTS, *more)
        number = next(_numbers)
        servers = {
            "TIDEWHEEL_LOG_BOOTSTRAP_SERVERS": bootstrap,
            "TIDEWHEEL_LOG_PREFIX": f"e2e{number}.",
            "TIDEWHEEL_OPENSEARCH_URL": opensearch,
            "TIDEWHEEL_OPENSEARCH_PREFIX": f"e2e{number}-",
        }
        super().__init__(folder, {**servers, **environment})

    def start(self) -> None:
        """Create the topics, then start every process."""
        create_topics(self.environment)
        super().start()


def command(*words: str) -> Sequence[str]:
    """Return the words that run the command line `tidewheel`."""
    return (sys.executable, "-m", "infra.cli.main", *words)


def pair_of_ports() -> int:
    """Return a free port whose next one is free too: `tidewheel run` takes both."""
    for _ in range(50):
        [port] = free_ports(1)
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind((LOOPBACK, port))
                second.bind((LOOPBACK, port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no two free ports side by side")


ENGINES = (
    pytest.param("embedded", id="embedded"),
    pytest.param("distributed", id="distributed", marks=pytest.mark.servers),
)
"""For `pytest.mark.parametrize` and fixtures: the distributed one needs real servers."""


def prepare(
    engine: str,
    request: pytest.FixtureRequest,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    more: Sequence[str] = (),
) -> Running:
    """Return a Tidewheel on an engine, not started; starts Kafka and OpenSearch where needed.

    Args:
        engine: `embedded` or `distributed`.
        request: of the fixture or test.
        folder: for its data and process logs.
        environment: on top of our own; the same at every start.
        more: further components of the distributed engine, such as `executor-2`.
    """
    if engine == "embedded":
        return Embedded(folder, environment or {})
    kafka: KafkaServer = request.getfixturevalue("kafka_server")
    opensearch: OpenSearchServer = request.getfixturevalue("opensearch_server")
    return Distributed(folder, environment or {}, kafka.bootstrap_servers, opensearch.url, more)
