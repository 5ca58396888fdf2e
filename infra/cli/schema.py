"""The commands `tidewheel schema`: the language's JSON Schema for editors."""

from __future__ import annotations

import json
import sys

from cyclopts import App

from domain.flow.core_specs import CORE_CATALOGUE
from domain.flow.schema import SchemaKind, language_schema

app = App(name="schema")


@app.command
def flow() -> None:
    """Print the schema of a flow."""
    _print("FLOW")


@app.command
def task() -> None:
    """Print the schema of a task."""
    _print("TASK")


@app.command
def trigger() -> None:
    """Print the schema of a trigger."""
    _print("TRIGGER")


def _print(kind: SchemaKind) -> None:
    sys.stdout.write(json.dumps(language_schema(CORE_CATALOGUE, kind), indent=2) + "\n")
