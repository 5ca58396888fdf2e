"""What steps ask of the outside world."""

from __future__ import annotations

from typing import Protocol

from domain.execution.context import Answer, Question


class Answers(Protocol):
    """Answers what expressions ask of the outside world. May block."""

    def answer(self, question: Question) -> Answer:
        """Return the answer; failures are answers too."""
        ...
