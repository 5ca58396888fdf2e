"""The commands `tidewheel execution`."""

from __future__ import annotations

import json
from typing import Any

from cyclopts import App
from rich.console import Console

from infra.cli.client import Client
from infra.cli.flows import follow_execution

app = App(name="execution")
_out = Console(highlight=False, soft_wrap=True)


@app.command(name="list")
def list_executions(
    namespace: str | None = None, flow: str | None = None, page: int = 1, size: int = 25
) -> None:
    """List executions, newest first.

    Args:
        namespace: Only those of a namespace.
        flow: Only those of a flow id.
        page: From 1.
        size: Rows of a page.
    """
    parameters: dict[str, Any] = {"page": page, "size": size, "sort": "state.startDate:desc"}
    if namespace:
        parameters["filters[namespace][EQUALS]"] = namespace
    if flow:
        parameters["filters[flowId][EQUALS]"] = flow
    found = Client().call("GET", "/executions/search", params=parameters)
    for execution in found["results"]:
        state = execution["state"]
        _out.print(
            f"{execution['id']:22}  {state['current']:9}  {state['startDate']}  "
            f"{execution['namespace']}.{execution['flowId']}"
        )


@app.command
def show(execution_id: str, *, at: int | None = None) -> None:
    """Show one execution as JSON, as it is or as it was.

    Args:
        execution_id: Its id.
        at: As of this event of its stream: a sequence number, from 1.
    """
    parameters = {} if at is None else {"at": at}
    found = Client().call("GET", f"/executions/{execution_id}", params=parameters)
    _out.print_json(data=found)


@app.command
def events(execution_id: str, start: int = 1, size: int = 1_000) -> None:
    """Show the event stream of one execution: one line per event.

    Args:
        execution_id: Its id.
        start: Sequence number of the first event shown.
        size: Most events shown.
    """
    found = Client().call(
        "GET", f"/executions/{execution_id}/events", params={"from": start, "size": size}
    )
    for entry in found["results"]:
        event = dict(entry["event"])
        kind = event.pop("type")
        _out.print(f"{entry['sequence']:5}  {kind:24}  {json.dumps(event)}", markup=False)


@app.command
def logs(execution_id: str) -> None:
    """Show the logs of one execution.

    Args:
        execution_id: Its id.
    """
    for entry in Client().call("GET", f"/logs/{execution_id}"):
        _out.print(f"{entry['timestamp']} {entry['level']:5} {entry['message']}", markup=False)


@app.command
def follow(execution_id: str) -> int:
    """Show logs as they come until the execution has ended.

    Args:
        execution_id: Its id.
    """
    return follow_execution(Client(), execution_id)


@app.command
def kill(execution_id: str) -> None:
    """Kill one execution.

    Args:
        execution_id: Its id.
    """
    Client().call("DELETE", f"/executions/{execution_id}/kill")
