"""Older names of the types that have Structs of their own."""

from __future__ import annotations

from typing import Final

from domain.flow.tasks import FLOW_PACKAGE, FLOWABLES
from domain.flow.triggers import CONDITIONS, TRIGGER_PACKAGE, TRIGGERS

_OLD_TASKS: Final = "io.kestra.core.tasks."
_OLD_CONDITIONS: Final = "io.kestra.core.models.conditions.types."
_OLD_TRIGGERS: Final = "io.kestra.core.models.triggers.types."


def _tasks() -> dict[str, str]:
    found: dict[str, str] = {}
    for canonical in FLOWABLES:
        found[_OLD_TASKS + "flows." + canonical.rpartition(".")[2]] = canonical
    found[_OLD_TASKS + "flows.Flow"] = FLOW_PACKAGE + "Subflow"
    found[FLOW_PACKAGE + "Flow"] = FLOW_PACKAGE + "Subflow"
    found[_OLD_TASKS + "flows.WaitFor"] = FLOW_PACKAGE + "LoopUntil"
    found[FLOW_PACKAGE + "WaitFor"] = FLOW_PACKAGE + "LoopUntil"
    found[_OLD_TASKS + "flows.ForEachItem$ForEachItem"] = FLOW_PACKAGE + "ForEachItem"
    return found


def _conditions() -> dict[str, str]:
    found: dict[str, str] = {}
    for canonical in CONDITIONS:
        package, _, name = canonical.rpartition(".")
        if name.endswith("Condition"):
            found[_OLD_CONDITIONS + name] = canonical
        else:
            found[f"{package}.{name}Condition"] = canonical
            found[_OLD_CONDITIONS + name + "Condition"] = canonical
    package = next(iter(CONDITIONS)).rpartition(".")[0]
    found[_OLD_CONDITIONS + "VariableCondition"] = f"{package}.Expression"
    return found


TASK_ALIASES: Final = _tasks()
CONDITION_ALIASES: Final = _conditions()
TRIGGER_ALIASES: Final = {
    _OLD_TRIGGERS + canonical.removeprefix(TRIGGER_PACKAGE): canonical for canonical in TRIGGERS
}

_NO_TEMPLATES: Final = (
    "Templates are not there any more: make a flow of the template's tasks, and run it with"
    f" {FLOW_PACKAGE}Subflow."
)
GONE: Final = {
    FLOW_PACKAGE + "Template": _NO_TEMPLATES,
    _OLD_TASKS + "flows.Template": _NO_TEMPLATES,
}
"""Types that Kestra has had and we have not, each with what to write instead."""
