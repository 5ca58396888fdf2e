"""The jars of Kafka and OpenSearch: fetched once, laid out once, kept outside the source tree.

The cache entry's name holds the hash of the pom, so another pin is another entry. An entry appears
by one rename: it is whole or absent. Two runs at once wait for each other on a file lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from infra.local.errors import LocalServerError
from infra.local.java import maven

POM = Path(__file__).with_name("servers.pom.xml")
LAYOUT = 4
"""Raised when the folders below are laid out in another way."""
ATTEMPTS = 3
"""How often Maven is run before a failure counts: it goes on where a broken download left off."""


class Module(msgspec.Struct, frozen=True):
    """One module of OpenSearch, loaded by a class loader of its own."""

    name: str
    """Also the name of its Maven profile."""
    classname: str
    extends: str = ""
    """Modules whose classes it sees."""
    permissions: tuple[str, ...] = ()
    """What the security manager grants its code, in the policy language."""


MODULES = (
    Module(
        "transport-netty4",
        "org.opensearch.transport.Netty4Plugin",
        permissions=(
            'java.net.SocketPermission "*", "accept,connect,resolve"',
            'java.lang.RuntimePermission "accessDeclaredMembers"',
            # without these two netty can't report the end of its threads, and the server never
            # stops
            'java.lang.RuntimePermission "getClassLoader"',
            'java.lang.RuntimePermission "setContextClassLoader"',
            'java.lang.reflect.ReflectPermission "suppressAccessChecks"',
            'java.net.NetPermission "getNetworkInformation"',
            'java.util.PropertyPermission "*", "read,write"',
        ),
    ),
    Module(
        "lang-painless",
        "org.opensearch.painless.PainlessPlugin",
        permissions=(
            'java.lang.RuntimePermission "createClassLoader"',
            'java.lang.RuntimePermission "getClassLoader"',
            'org.opensearch.script.ClassPermission "<<STANDARD>>"',
        ),
    ),
    Module(
        "reindex",
        "org.opensearch.index.reindex.ReindexPlugin",
        permissions=(
            'java.net.SocketPermission "*", "connect"',
            'java.lang.RuntimePermission "accessDeclaredMembers"',
        ),
    ),
    Module(
        "analysis-common",
        "org.opensearch.analysis.common.CommonAnalysisPlugin",
        extends="lang-painless",
    ),
)


class Artifacts(msgspec.Struct, frozen=True):
    """Where the servers' jars lie."""

    folder: Path

    @property
    def kafka_classpath(self) -> str:
        """Class path of the broker and its tools."""
        return str(self.folder / "kafka" / "lib" / "*")

    @property
    def opensearch_home(self) -> Path:
        """The server's home: `lib`, `modules`."""
        return self.folder / "opensearch"

    @property
    def opensearch_classpath(self) -> str:
        """Class path of the server's core."""
        return str(self.opensearch_home / "lib" / "*")


def cache_folder(env: Mapping[str, str] | None = None) -> Path:
    """Return the cache: $TIDEWHEEL_CACHE, else the user's; for root the system's.

    OpenSearch refuses to run as root, and root's home is closed to the user that it runs as
    instead.
    """
    env = os.environ if env is None else env
    if given := env.get("TIDEWHEEL_CACHE"):
        return Path(given).absolute()
    if os.geteuid() == 0:
        return Path("/var/cache/tidewheel")
    base = env.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tidewheel"


def version_of(server: str) -> str:
    """Return the version that the pom pins for `kafka` or `opensearch`."""
    found = re.search(rf"<{server}\.version>([^<]+)<", POM.read_text())
    if found is None:
        raise LocalServerError(f"{POM.name} pins no version of {server}")
    return found[1]


def resolve(cache: Path | None = None) -> Artifacts:
    """Return the servers' jars, fetching them the first time (about 90 MiB, half a minute).

    Args:
        cache: folder to keep them in; None: see `cache_folder`.

    Raises:
        LocalServerError: Maven is missing or can't fetch them.
    """
    entries = (cache or cache_folder()) / "servers"
    digest = hashlib.sha256(POM.read_bytes() + b"\0%d" % LAYOUT).hexdigest()[:12]
    entry = entries / f"kafka-{version_of('kafka')}-opensearch-{version_of('opensearch')}-{digest}"
    if not entry.is_dir():
        entries.mkdir(parents=True, exist_ok=True)
        with _locked(entries / f"{entry.name}.lock"):
            if not entry.is_dir():
                _build(entry)
    return Artifacts(entry)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(entry: Path) -> None:
    program = maven()
    with tempfile.TemporaryDirectory(dir=entry.parent, prefix=".making-") as made:
        whole = Path(made) / "whole"
        _copy_jars(program, "kafka", whole / "kafka" / "lib")
        _lay_out_opensearch(program, whole / "opensearch")
        _open_to_all(whole)
        whole.rename(entry)


def _lay_out_opensearch(program: str, home: Path) -> None:
    _copy_jars(program, "opensearch", home / "lib")
    in_core = {path.name for path in (home / "lib").iterdir()}
    for name in ("bin", "extensions", "plugins"):
        (home / name).mkdir()  # the server would make them, but may not write here
    for module in MODULES:
        folder = home / "modules" / module.name
        _copy_jars(program, module.name, folder)
        for jar in folder.iterdir():
            if jar.name in in_core:
                jar.unlink()
        (folder / "plugin-descriptor.properties").write_text(_descriptor(module))
        if module.permissions:
            (folder / "plugin-security.policy").write_text(_policy(module))


def _descriptor(module: Module) -> str:
    version = version_of("opensearch")
    lines = {
        "name": module.name,
        "description": module.name,
        "version": version,
        "opensearch.version": version,
        "java.version": "11",
        "classname": module.classname,
        "has.native.controller": "false",
        "extended.plugins": module.extends,
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def _policy(module: Module) -> str:
    permissions = "".join(f"  permission {permission};\n" for permission in module.permissions)
    return f"grant {{\n{permissions}}};\n"


def _copy_jars(program: str, profile: str, folder: Path) -> None:
    """Let Maven copy one profile's runtime class path into `folder`, checksums checked."""
    command = [
        program,
        "-B",
        "-q",
        "-C",
        "-f",
        str(POM),
        "-P",
        profile,
        "dependency:copy-dependencies",
    ]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    output = ""
    for _ in range(ATTEMPTS):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        output = done.stdout + done.stderr
        shutil.rmtree(folder, ignore_errors=True)
    raise LocalServerError(
        f"Maven could not fetch the jars of {profile} ({' '.join(command)}):\n{output[-3000:]}"
    )


def _open_to_all(folder: Path) -> None:
    """Make a tree readable by every user, whatever the umask."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
