"""A real OpenSearch (one node) as a child process."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
from pathlib import Path

from infra.local.artifacts import Artifacts, resolve
from infra.local.child import Child, Deadline
from infra.local.errors import LocalServerError
from infra.local.health import is_healthy
from infra.local.java import java
from infra.local.ports import LOOPBACK, free_ports
from infra.local.server import Server, own_folder, until_ports_are_ours

READY = r"\[o\.o\.n\.Node +\].* started$"
UNPRIVILEGED = "nobody"
"""Whom root's server becomes: OpenSearch refuses to run as root."""
OPEN_TEMPORARY = Path("/var/tmp")  # noqa: S108 - a new folder of its own is made in it
"""Where that server's temporary folders are made: open to every user, whatever TMPDIR says."""
SYSTEM_FOLDER = Path("/var/lib/tidewheel")
"""Where that server's data goes when it can't reach the folder asked for."""
SERVER_OPTIONS = (
    "-Djava.security.manager=allow",
    "-Dopensearch.distribution.type=tar",
    "-Dfile.encoding=UTF-8",
    # the server ends its logging itself, last; otherwise its network threads die while they stop
    "-Dlog4j.shutdownHookEnabled=false",
    "-Dlog4j2.disable.jmx=true",
    # what the security manager would refuse
    "-Dio.netty.noUnsafe=true",
    "-Dio.netty.noKeySetOptimization=true",
    "-Djna.nosys=true",
)
"""What the server's own start script gives the virtual machine, less what does not matter here."""

LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


class OpenSearchServer(Server):
    """A running node."""

    def __init__(self, child: Child, folder: Path, *, temporary: bool, port: int) -> None:
        """Hold a started node that speaks HTTP on `port`."""
        super().__init__(child, folder, temporary=temporary)
        self.port = port

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"http://{LOOPBACK}:{self.port}"

    @classmethod
    def start(
        cls,
        folder: Path | None = None,
        *,
        port: int | None = None,
        java_options: tuple[str, ...] = ("-Xms384m", "-Xmx384m", "-XX:TieredStopAtLevel=1"),
        artifacts: Artifacts | None = None,
        timeout: float = 120,
    ) -> OpenSearchServer:
        """Start a node and return once its indices can be used.

        Args:
            folder: data, configuration and log (`opensearch.log`); kept. None: a temporary one.
            port: where clients connect; None: a free one.
            java_options: heap and compiler of the virtual machine.
            artifacts: its jars; None: the cached ones.
            timeout: seconds until it must be ready.

        Raises:
            LocalServerError: it can't be had or did not start; the text has the tail of its log.
        """
        jars = artifacts or resolve()
        user = UNPRIVILEGED if os.geteuid() == 0 else None
        if user is None:
            home = own_folder(folder, "opensearch")
        else:
            _require_readable(jars.opensearch_home, user)
            home = _reachable(own_folder(folder, "opensearch", OPEN_TEMPORARY), user)
        command = [
            java(),
            *java_options,
            *SERVER_OPTIONS,
            f"-Djava.io.tmpdir={home / 'tmp'}",
            f"-Dopensearch.path.home={jars.opensearch_home}",
            f"-Dopensearch.path.conf={home / 'config'}",
            "-cp",
            jars.opensearch_classpath,
            "org.opensearch.bootstrap.OpenSearch",
        ]

        def attempt() -> OpenSearchServer:
            first, transport = free_ports(2)
            listen = port or first
            _prepare(home, listen, transport, user)
            child = Child("OpenSearch", command, log=home / "opensearch.log", cwd=home, user=user)
            server = cls(child, home, temporary=folder is None, port=listen)
            try:
                server._wait_until_usable(Deadline(timeout))
            except BaseException:
                child.stop(grace=0)
                raise
            return server

        return until_ports_are_ours(attempt, fixed=port is not None)

    def _wait_until_usable(self, deadline: Deadline) -> None:
        """Wait for the node's word that it started, then for the primary shards of old indices."""
        self.child.wait_for_line(READY, deadline.seconds)
        seconds = max(1, int(deadline.left))
        url = f"{self.url}/_cluster/health?wait_for_status=yellow&timeout={seconds}s"
        if not is_healthy(url, timeout=seconds + 5):
            if self.child.running:
                raise self.child.not_ready(deadline.seconds)
            raise self.child.died()


def _prepare(home: Path, port: int, transport: int, user: str | None) -> None:
    for name in ("config", "data", "logs", "tmp"):
        (home / name).mkdir(exist_ok=True)
    settings = {
        "cluster.name": "tidewheel",
        "node.name": "local",
        "discovery.type": "single-node",
        "network.host": LOOPBACK,
        "http.port": port,
        "transport.port": transport,
        "path.data": home / "data",
        "path.logs": home / "logs",
        # a nearly full disk must not make indices read-only on a developer's machine
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }
    config = home / "config"
    (config / "opensearch.yml").write_text("".join(f"{k}: {v}\n" for k, v in settings.items()))
    (config / "log4j2.properties").write_text(LOGGING)
    (config / "jvm.options").write_text("")
    if user is not None:
        for path in (home, *(home / name for name in ("config", "data", "logs", "tmp"))):
            shutil.chown(path, user)
        for path in config.iterdir():
            shutil.chown(path, user)


def _reachable(folder: Path, user: str) -> Path:
    """Return a folder that `user` can get to: the given one, or one of the system that it links to.

    The home of root, for example, is closed to everybody else.
    """
    if folder.is_symlink():
        return folder.resolve()
    if _may_enter(folder.parent, user):
        return folder
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    target = SYSTEM_FOLDER / f"opensearch-{name}"
    if any(folder.iterdir()):
        raise LocalServerError(
            f"{folder} can't be reached by user {user}, whom OpenSearch runs as because it refuses "
            f"root; move its contents to {target} or choose another data folder"
        )
    if target.exists():
        shutil.rmtree(target)  # the link to it was deleted, and so was what it held
    target.mkdir(parents=True)
    folder.rmdir()
    folder.symlink_to(target)
    return target


def _require_readable(home: Path, user: str) -> None:
    if not _may_enter(home, user):
        raise LocalServerError(
            f"the cache {home} can't be read by user {user}, whom OpenSearch runs as because it "
            "refuses root; set TIDEWHEEL_CACHE to a folder that everybody may read"
        )


def _may_enter(folder: Path, user: str) -> bool:
    """Whether `user` may go through every folder on the way to and into `folder`."""
    entry = pwd.getpwnam(user)
    for part in (folder, *folder.parents):
        status = part.stat()
        if status.st_uid == entry.pw_uid:
            bit = stat.S_IXUSR
        elif status.st_gid == entry.pw_gid:
            bit = stat.S_IXGRP
        else:
            bit = stat.S_IXOTH
        if not status.st_mode & bit:
            return False
    return True
