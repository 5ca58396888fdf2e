"""The commands `tidewheel log`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import App, Parameter
from rich.console import Console

from infra.cli.client import Client

app = App(name="log")
_out = Console(highlight=False, soft_wrap=True)
DIVERGED = 1
_UNPROVED = {
    "withheld": "rest on an answer that was not recorded (a secret, or what a file held)",
    "uncommanded": "have no command on the log any more",
    "unreadable": "cannot be read",
    "ignored": "lost a race or are duplicates: nobody counts them",
    "waiting": "were not stepped yet",
    "spoilt": "executions were not compared to their end",
}


@app.command
def verify(
    *,
    execution: str | None = None,
    file: Path | None = None,
    most: int = 100,
    format_: Annotated[Literal["text", "json"], Parameter(name=["--format", "-f"])] = "text",
) -> int:
    """Step every recorded command again and compare the events, byte for byte.

    Exit status: 0 all is as recorded, 1 something is not, or the log cannot be read.

    Args:
        execution: Verify one execution alone.
        file: Verify an exported log instead of the server's; no server is asked.
        most: Divergences told one by one; the others are counted.
        format_: text, or json: one object a line.
    """
    lines = _of_server(execution, most) if file is None else _of_file(file, execution, most)
    if format_ == "json":
        return _as_json(lines)
    return _as_text(lines)


@app.command
def export(path: Path, *, execution: str | None = None) -> None:
    """Write commands, events and flows of the server's log into a file to be verified elsewhere.

    It holds inputs and outputs of executions and the variables `envs` and `globals`: treat it as
    you treat the data folder. SECRET inputs stay encrypted in it.

    Args:
        path: Of the zip file to be written.
        execution: Only the commands and events of one execution.
    """
    parameters = {} if execution is None else {"executionId": execution}
    written = Client().download("/log/export", path, params=parameters)
    _out.print(f"{path}: {written:,} bytes")


def _of_server(execution: str | None, most: int) -> Iterator[dict[str, Any]]:
    parameters: dict[str, Any] = {"most": most}
    if execution is not None:
        parameters["executionId"] = execution
    for line in Client().lines("/log/verify", params=parameters):
        yield msgspec.json.decode(line)


def _of_file(file: Path, execution: str | None, most: int) -> Iterator[dict[str, Any]]:
    from api.log_verification import verification_lines
    from domain.flow.core_specs import CORE_CATALOGUE
    from infra.archive import ArchivedLog
    from infra.clock import SystemClock
    from infra.flows import FlowStore
    from infra.plugin_defaults import PluginDefaultsStore

    with ArchivedLog(file) as log:
        defaults = PluginDefaultsStore(log, SystemClock())
        defaults.start()
        flows = FlowStore(log, CORE_CATALOGUE, defaults)
        flows.start()
        for line in verification_lines(log, flows, log.manifest.settings, execution, most):
            yield msgspec.json.decode(line)


def _as_json(lines: Iterable[dict[str, Any]]) -> int:
    verified = False
    for line in lines:
        verified = bool(line.get("verified"))
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    return 0 if verified else DIVERGED


def _as_text(lines: Iterable[dict[str, Any]]) -> int:
    for line in lines:
        if line["type"] == "summary":
            return _summary(line)
        if line["type"] == "divergence":
            _out.print(
                f"DIVERGED  {line['executionId']} at sequence {line['sequence']}"
                f" ({line['command']}, command {line['commandOffset']} of partition"
                f" {line['partition']}): {line['reason']}",
                style="bold red",
                markup=False,
            )
            for name in ("recorded", "stepped"):
                _out.print(f"  {name}: {line[name] or 'nothing'}", markup=False)
    _out.print("the verification was cut off before its end", style="bold red")
    return DIVERGED


def _summary(line: dict[str, Any]) -> int:
    tally = line["tally"]
    _out.print(
        f"{tally['executions']:,} executions: {tally['steps']:,} steps are byte for byte as"
        f" recorded, {tally['quiet']:,} commands lead to nothing as they did"
    )
    for name, meaning in _UNPROVED.items():
        if tally[name]:
            _out.print(f"  not compared: {tally[name]:,} {meaning}", style="yellow")
    if line["verified"]:
        _out.print("VERIFIED", style="bold green")
        return 0
    _out.print(f"DIVERGED  {line['divergences']:,} executions", style="bold red")
    return DIVERGED
