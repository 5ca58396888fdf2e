"""The command `tidewheel`: servers, flows, executions."""

from __future__ import annotations

import sys
from importlib import metadata

from cyclopts import App
from rich.console import Console

from domain.errors import InvalidInput, TidewheelError

app = App(
    name="tidewheel",
    help="An event-sourced orchestrator for Kestra-style workflows.",
    version=lambda: metadata.version("tidewheel"),
)
app.command(
    "infra.cli.servers:app", name="server", help="Servers: all in one process, or one component."
)
app.command(
    "infra.cli.servers:run",
    name="run",
    help="Start a server here, ready to use: what `make run` does.",
)
app.command("infra.cli.flows:app", name="flow", help="Flows: apply, run, list, validate.")
app.command(
    "infra.cli.executions:app", name="execution", help="Executions: list, show, events, logs, kill."
)
app.command(
    "infra.cli.log:app", name="log", help="The log: verify it by stepping it again, export it."
)
app.command(
    "infra.cli.schema:app", name="schema", help="The JSON Schema of the flow language, for editors."
)


def main() -> None:
    """Run the command line; refusals become one line and exit status 1."""
    from infra.cli.client import ServerRefused
    from infra.local.errors import LocalServerError

    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        app()
    except InvalidInput as error:
        errors.print(f"tidewheel: {error}", style="red", markup=False)
        for violation in error.violations:
            place = f"{violation.line}:{violation.column} " if violation.line else ""
            errors.print(f"  {place}{violation.path}: {violation.message}", markup=False)
        sys.exit(1)
    except (ServerRefused, TidewheelError, LocalServerError) as error:
        errors.print(f"tidewheel: {error}", style="red", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
