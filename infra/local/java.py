"""Find Java and Maven, or install them where that is possible (Debian and its kin, as root)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from infra.local.errors import LocalServerError

OLDEST_JAVA = 17
NEWEST_JAVA = 23
"""OpenSearch 2 runs under the security manager, which Java 24 took away."""
JRE_PACKAGES = ("openjdk-17-jre-headless", "openjdk-21-jre-headless")
"""Debian 12 has the first, Debian 13 the second."""


def java(env: Mapping[str, str] | None = None) -> str:
    """Return the path of a fitting `java`, installing one where possible.

    Raises:
        LocalServerError: there is none and it can't be installed; says what to install.
    """
    found = find_java(env)
    if found is None and _can_install():
        _install_java()
        found = find_java(env)
    if found is None:
        raise LocalServerError(
            f"Java {OLDEST_JAVA} to {NEWEST_JAVA} is needed to run Kafka and OpenSearch: "
            "install it (Debian, Ubuntu: apt-get install openjdk-17-jre-headless; "
            "Fedora: dnf install java-17-openjdk-headless; "
            "macOS: brew install openjdk@17) or set JAVA_HOME to one"
        )
    return found


def maven(env: Mapping[str, str] | None = None) -> str:
    """Return the path of `mvn`, installing it where possible.

    Raises:
        LocalServerError: there is none and it can't be installed; says what to install.
    """
    path = _environment(env).get("PATH")
    found = shutil.which("mvn", path=path)
    if found is None and _can_install():
        _apt_get("install", "--no-install-recommends", "maven")
        found = shutil.which("mvn", path=path)
    if found is None:
        raise LocalServerError(
            "Maven (mvn) is needed to fetch Kafka and OpenSearch: install it "
            "(Debian, Ubuntu: apt-get install maven; "
            "Fedora: dnf install maven; macOS: brew install maven)"
        )
    return found


def find_java(env: Mapping[str, str] | None = None) -> str | None:
    """Return the first fitting `java` of JAVA_HOME, PATH and the system's usual folder, or None."""
    for candidate in _candidates(_environment(env)):
        version = java_version(candidate)
        if version is not None and OLDEST_JAVA <= version <= NEWEST_JAVA:
            return candidate
    return None


def java_version(program: str) -> int | None:
    """Return the major version that `program -version` tells; None: it is no working Java."""
    try:
        done = subprocess.run(
            [program, "-version"], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(done.stderr + done.stdout)


def parse_version(text: str) -> int | None:
    """Return the major version in the output of `java -version`: 17 of "17.0.15", 8 of "1.8.0"."""
    found = re.search(r'version "(\d+)(?:\.(\d+))?', text)
    if found is None:
        return None
    major, minor = int(found[1]), found[2]
    return int(minor) if major == 1 and minor is not None else major


def _environment(env: Mapping[str, str] | None) -> Mapping[str, str]:
    return os.environ if env is None else env


def _candidates(env: Mapping[str, str]) -> list[str]:
    home = env.get("JAVA_HOME")
    found = [str(Path(home, "bin", "java"))] if home else []
    on_path = shutil.which("java", path=env.get("PATH"))
    if on_path is not None:
        found.append(on_path)
    found.extend(str(path) for path in sorted(Path("/usr/lib/jvm").glob("*/bin/java")))
    return found


def _can_install() -> bool:
    return (
        os.geteuid() == 0
        and Path("/etc/debian_version").exists()
        and shutil.which("apt-get") is not None
    )


def _install_java() -> None:
    for package in JRE_PACKAGES:
        try:
            _apt_get("install", "--no-install-recommends", package)
            return
        except LocalServerError:
            if package == JRE_PACKAGES[-1]:
                raise


def _apt_get(*arguments: str) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (("update",), arguments):
        # another run may be installing: wait for its lock instead of failing
        line = ["apt-get", "-y", "-q", "-o", "DPkg::Lock::Timeout=300", *command]
        done = subprocess.run(line, env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0 and command == arguments:
            raise LocalServerError(
                f"{' '.join(line)} failed:\n{(done.stdout + done.stderr)[-2000:]}"
            )
