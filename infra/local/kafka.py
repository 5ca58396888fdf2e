"""A real Kafka broker (KRaft, one node) as a child process."""

from __future__ import annotations

import base64
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from infra.local.artifacts import Artifacts, resolve
from infra.local.child import Child
from infra.local.errors import LocalServerError
from infra.local.java import java
from infra.local.ports import LOOPBACK, free_ports
from infra.local.server import Server, own_folder, until_ports_are_ours

READY = r"Kafka Server started"
NODE_ID = 1
LASTING = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC")
"""For a broker that stays: a small heap, and everything hot compiled as well as it can be."""
QUICK = (*LASTING, "-XX:TieredStopAtLevel=1")
"""For one that is soon gone: compiled once, quickly. Each request costs a third more then."""

LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %c{1} - %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


class KafkaServer(Server):
    """A running broker."""

    def __init__(self, child: Child, folder: Path, *, temporary: bool, port: int) -> None:
        """Hold a started broker that listens on `port`."""
        super().__init__(child, folder, temporary=temporary)
        self.port = port

    @property
    def bootstrap_servers(self) -> str:
        """What clients connect to."""
        return f"{LOOPBACK}:{self.port}"

    @classmethod
    def start(
        cls,
        folder: Path | None = None,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        java_options: tuple[str, ...] = QUICK,
        artifacts: Artifacts | None = None,
        timeout: float = 60,
    ) -> KafkaServer:
        """Start a broker and return once it takes requests.

        Args:
            folder: data, configuration and log (`kafka.log`); kept. None: a temporary one.
            port: where clients connect; None: a free one.
            settings: broker settings that win over ours.
            java_options: heap and compiler of the virtual machine.
            artifacts: its jars; None: the cached ones.
            timeout: seconds until it must be ready.

        Raises:
            LocalServerError: it can't be had or did not start; the text has the tail of its log.
        """
        jars = artifacts or resolve()
        home = own_folder(folder, "kafka")
        launch = (java(), *java_options, f"-Dlog4j2.configurationFile={home / 'log4j2.properties'}")
        base = (*launch, "-cp", jars.kafka_classpath)

        def attempt() -> KafkaServer:
            first, controller = free_ports(2)
            listen = port or first
            config = home / "server.properties"
            config.write_text(_properties(_settings(home, listen, controller, settings)))
            (home / "log4j2.properties").write_text(LOGGING)
            _format(base, home, config)
            child = Child(
                "Kafka", [*base, "kafka.Kafka", str(config)], log=home / "kafka.log", cwd=home
            )
            server = cls(child, home, temporary=folder is None, port=listen)
            try:
                child.wait_for_line(READY, timeout)
            except BaseException:
                child.stop(grace=0)
                raise
            return server

        return until_ports_are_ours(attempt, fixed=port is not None)


def _settings(
    home: Path, port: int, controller: int, extra: Mapping[str, str] | None
) -> dict[str, str]:
    return {
        "process.roles": "broker,controller",
        "node.id": str(NODE_ID),
        "controller.quorum.voters": f"{NODE_ID}@{LOOPBACK}:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(home / "data"),
        # one node holds every replica
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # few partitions: the internal topics load at once
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.num.partitions": "8",
        "share.coordinator.state.topic.num.partitions": "1",
        "group.initial.rebalance.delay.ms": "0",
        # a member that was killed may be missed sooner than after the usual least of 6 s
        "group.min.session.timeout.ms": "1000",
        # topics are made from the catalogue, never by a typing error
        "auto.create.topics.enable": "false",
        **(extra or {}),
    }


def _properties(settings: Mapping[str, str]) -> str:
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _format(base: tuple[str, ...], home: Path, config: Path) -> None:
    """Give the data folder its cluster id, once."""
    if (home / "data" / "meta.properties").exists():
        return
    tool = [*base, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(config)]
    done = subprocess.run(tool, cwd=home, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        output = done.stdout + done.stderr
        raise LocalServerError(f"Kafka's folder {home / 'data'} could not be formatted:\n{output}")


def _cluster_id() -> str:
    """Return 16 random bytes in URL-safe base64, which may not look like an option."""
    text = "-"
    while text.startswith("-"):
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return text
