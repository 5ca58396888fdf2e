"""What the renderer of 1.3.25 was seen to do, line by line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from domain.expression import ExpressionError, Scope
from domain.expression.template import Template
from tests.support.expressions import golden_variables

FILE: Final = Path(__file__).parents[2] / "golden" / "expressions" / "kestra-1.3.jsonl"


def rendered(template: str) -> dict[str, Any]:
    try:
        return {"string": Template(template).render(Scope(golden_variables()))}
    except ExpressionError as error:
        return {"error": str(error)}


def agrees(line: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    if line.get("error") is True:
        return "error" in ours
    return all(ours.get(key) == line.get(key) for key in ("string", "error"))


def test_every_template_gives_the_text_or_the_message_that_was_seen() -> None:
    lines = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 3_000
    ours = {line["template"]: rendered(line["template"]) for line in lines}
    assert not [
        (line, ours[line["template"]]) for line in lines if not agrees(line, ours[line["template"]])
    ]
