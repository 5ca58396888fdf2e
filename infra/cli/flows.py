"""The commands `tidewheel flow`."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Thread
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.text import Text

from infra.cli.client import Client, ServerRefused

app = App(name="flow")
app.command("infra.cli.validate:validate", name="validate")
_out = Console(highlight=False, soft_wrap=True)
_LEVEL_STYLE = {"ERROR": "red", "WARN": "yellow", "INFO": "green", "DEBUG": "blue", "TRACE": "dim"}
_STATE_STYLE = {"SUCCESS": "bold green", "WARNING": "bold yellow"}


@app.command
def apply(*paths: Path) -> None:
    """Create or update flows from YAML files.

    Args:
        paths: Files with one flow each.
    """
    client = Client()
    for path in paths:
        flow = put_flow(client, path.read_text())
        _out.print(f"{flow['namespace']}.{flow['id']} revision {flow['revision']}")


@app.command(name="list")
def list_flows(namespace: str | None = None, page: int = 1, size: int = 25) -> None:
    """List flows.

    Args:
        namespace: Only those of a namespace.
        page: From 1.
        size: Rows of a page.
    """
    parameters: dict[str, Any] = {"page": page, "size": size}
    if namespace:
        parameters["filters[namespace][EQUALS]"] = namespace
    found = Client().call("GET", "/flows/search", params=parameters)
    for flow in found["results"]:
        _out.print(f"{flow['namespace']}.{flow['id']}  revision {flow['revision']}")


@app.command
def run(
    target: str,
    *,
    follow: bool = False,
    input_: Annotated[list[str] | None, Parameter(name=["--input", "-i"])] = None,
    label: Annotated[list[str] | None, Parameter(name=["--label", "-l"])] = None,
) -> None:
    """Run a flow: a YAML file (applied first) or NAMESPACE.FLOW.

    Args:
        target: Path of a YAML file, or the flow's namespace and id with a dot between.
        follow: Show its logs as they come, and end with its state.
        input_: NAME=VALUE, for each input.
        label: KEY:VALUE, for each label.
    """
    client = Client()
    if Path(target).is_file():
        flow = put_flow(client, Path(target).read_text())
        namespace, flow_id = flow["namespace"], flow["id"]
    else:
        namespace, _, flow_id = target.rpartition(".")
        if not namespace:
            raise ServerRefused(f"{target} is neither a file nor NAMESPACE.FLOW")
    parts = {name: (None, value) for name, _, value in (i.partition("=") for i in input_ or [])}
    execution = client.call(
        "POST",
        f"/executions/{namespace}/{flow_id}",
        files=parts or None,
        params=[("labels", text) for text in label or []],
    )
    _out.print(f"execution {execution['id']} of {namespace}.{flow_id}")
    if follow:
        sys.exit(follow_execution(client, execution["id"]))


def put_flow(client: Client, source: str) -> dict[str, Any]:
    """Create the flow of a source, or update it where it exists."""
    headers = {"content-type": "application/x-yaml"}
    body = source.encode()
    try:
        created: dict[str, Any] = client.call("POST", "/flows", content=body, headers=headers)
    except ServerRefused as refusal:
        if "already exists" not in str(refusal):
            raise
        [named] = client.call("POST", "/flows/validate", content=body, headers=headers)
        path = f"/flows/{named['namespace']}/{named['flow']}"
        created = client.call("PUT", path, content=body, headers=headers)
    return created


def follow_execution(client: Client, execution_id: str) -> int:
    """Print logs as they come until the execution has ended; returns 0 when it ended well."""
    seen: set[str] = set()

    def show(entry: dict[str, Any]) -> None:
        line = f"{entry['timestamp']} {entry['level']} {entry.get('taskId', '')} {entry['message']}"
        if line not in seen:
            seen.add(line)
            text = Text.assemble(
                (entry["timestamp"], "dim"),
                (f" {entry['level']:5} ", _LEVEL_STYLE.get(entry["level"], "")),
                (f"{entry.get('taskId', '')}: ", "bold"),
                entry["message"],
            )
            _out.print(text)

    def show_live() -> None:
        for _, entry in client.follow(f"/logs/{execution_id}/follow"):
            if "message" in entry:
                show(entry)

    Thread(target=show_live, daemon=True).start()
    last: dict[str, Any] = {}
    for _, execution in client.follow(f"/executions/{execution_id}/follow"):
        if execution:
            last = execution
    for entry in client.call("GET", f"/logs/{execution_id}"):
        show(entry)
    state = last.get("state", {}).get("current", "UNKNOWN")
    _out.print(f"{state}", style=_STATE_STYLE.get(state, "bold red"), end="")
    _out.print(f"  {last.get('state', {}).get('duration', '')}")
    return 0 if state in _STATE_STYLE else 1
