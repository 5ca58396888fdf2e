"""A flow's checks: conditions on the inputs that are looked at before an execution is created."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.expression import ExpressionError, Scope, compile_template, is_truthy_text
from domain.flow.common import Check


class Verdict(msgspec.Struct, frozen=True):
    """What the checks that do not hold demand; the strictest of them counts."""

    failed: Sequence[Check] = ()

    @property
    def blocks(self) -> str | None:
        """Why there is to be no execution at all; None: there may be one."""
        if not self._demands("BLOCK_EXECUTION"):
            return None
        return (
            "Flow execution blocked: one or more condition checks evaluated to false."
            f" {self._messages}"
        )

    @property
    def fails(self) -> str | None:
        """Why the execution is to fail at once; None: it may run."""
        return self._messages if self._demands("FAIL_EXECUTION") else None

    def _demands(self, behavior: str) -> bool:
        return any(check.behavior == behavior for check in self.failed)

    @property
    def _messages(self) -> str:
        return "Failed checks: " + ", ".join(check.message for check in self.failed)


def judge(checks: Sequence[Check], scope: Scope) -> Verdict:
    """Look at all checks; one that cannot be evaluated blocks, and its message says why.

    Args:
        checks: of the flow.
        scope: with the variable `inputs`, the values as the execution would have them.
    """
    return Verdict([failed for check in checks if (failed := _failed(check, scope)) is not None])


def _failed(check: Check, scope: Scope) -> Check | None:
    """Return a check that does not hold, else None."""
    try:
        if is_truthy_text(compile_template(check.condition).render(scope)):
            return None
    except ExpressionError as error:
        return msgspec.structs.replace(
            check,
            message=f"Failed to evaluate check condition. Cause: {error}",
            style="ERROR",
            behavior="BLOCK_EXECUTION",
        )
    return check
