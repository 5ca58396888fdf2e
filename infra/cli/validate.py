"""The command `tidewheel flow validate`: checks files without a server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.defaults import ScopedDefaults
from domain.flow.reader import parse_flow
from domain.flow.report import FileReport, Finding, Format, report_of, written
from domain.yaml.reader import numbered_documents
from infra.config import load_config

INVALID = 1
UNREADABLE = 2
_STDIN = Path("-")


def validate(
    *paths: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    format_: Annotated[Format, Parameter(name=["--format", "-f"])] = "text",
    allow_unknown_types: bool = False,
) -> int:
    """Check flows in files; no server is asked.

    Plugin defaults of the configuration (TIDEWHEEL_CONFIG, TIDEWHEEL_PLUGINS_*) count.

    Exit status: 0 all valid, 1 some invalid, 2 a path cannot be read or holds no flow.

    Args:
        paths: Files, folders whose .yaml and .yml files are checked, or - for standard input.
        format_: text, json, sarif or github.
        allow_unknown_types: Let tasks and triggers of plugins pass that are not installed here.
    """
    plugins = load_config().plugins
    defaults = ScopedDefaults(everywhere=plugins.defaults, namespaces=plugins.namespaces)
    reports: list[FileReport] = []
    status = 0
    if not paths:
        sys.stderr.write("tidewheel: name files or folders, or - for standard input\n")
        return UNREADABLE
    for path in paths:
        files = [path] if path == _STDIN else list(_files(path))
        if not files:
            status = UNREADABLE
            reports.append(_unreadable(path, "no such file, or no flow in it", "Mend the path."))
        for file in files:
            try:
                data = sys.stdin.buffer.read() if file == _STDIN else file.read_bytes()
                text = data.decode("utf-8")
            except OSError as error:
                status = UNREADABLE
                reports.append(_unreadable(file, str(error), "See that it can be read."))
                continue
            except UnicodeDecodeError as error:
                status = UNREADABLE
                reports.append(_unreadable(file, str(error), "Save it as UTF-8."))
                continue
            for source, line in numbered_documents(text):
                reading = parse_flow(
                    source,
                    catalogue=CORE_CATALOGUE,
                    defaults=defaults,
                    allow_unknown_types=allow_unknown_types,
                    hints=True,
                )
                name = "<stdin>" if file == _STDIN else file.as_posix()
                reports.append(report_of(name, reading, line))
    sys.stdout.write(written(reports, format_) + "\n")
    if status == 0 and not all(report.is_valid for report in reports):
        status = INVALID
    return status


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from sorted(file for file in path.rglob("*.y*ml") if file.suffix in (".yaml", ".yml"))


def _unreadable(path: Path, reason: str, remedy: str) -> FileReport:
    name = path.as_posix()
    finding = Finding(file=name, level="error", rule="source", message=reason, remedy=remedy)
    return FileReport(file=name, findings=(finding,))
