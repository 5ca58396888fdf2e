"""Tasks, triggers, conditions and inputs: mappings whose `type` says which Struct they are.

Importing this module makes `domain.flow.convert` able to read them wherever they stand.
"""

from __future__ import annotations

from typing import Any, Final

from domain.flow.aliases import CONDITION_ALIASES, GONE, TASK_ALIASES, TRIGGER_ALIASES
from domain.flow.convert import CUSTOM, plan_of, read_fields
from domain.flow.input_types import INPUT_TYPES, Input
from domain.flow.reading import INVALID, Path, Reading
from domain.flow.tasks import EXECUTOR_TYPES, FLOWABLES, ExecutorTask, PluginTask, Task
from domain.flow.triggers import CONDITIONS, TRIGGERS, Condition, PluginTrigger, Trigger
from domain.plugin import TypeSpec

_TASK_PROPERTIES: Final = (
    "id",
    "type",
    "version",
    "description",
    "retry",
    "timeout",
    "disabled",
    "workerGroup",
    "logLevel",
    "allowFailure",
    "logToFile",
    "runIf",
    "allowWarning",
    "taskCache",
    "assets",
    "pluginDefaultsRef",
)
"""Shared properties of tasks, as clients of 1.3 see them listed."""

_TRIGGER_PROPERTIES: Final = (
    "id",
    "type",
    "version",
    "description",
    "conditions",
    "disabled",
    "workerGroup",
    "logLevel",
    "labels",
    "stopAfter",
    "logToFile",
    "failOnTriggerError",
    "allowConcurrent",
    "assets",
    "pluginDefaultsRef",
)

_DEPRECATED_TASKS: Final = frozenset(
    name for name in FLOWABLES if name.rpartition(".")[2] in ("EachSequential", "EachParallel")
)
_DEPRECATED_INPUTS: Final = {"ENUM": "SELECT", "BOOLEAN": "BOOL"}
_UNKNOWN_INPUTS_1_3: Final = frozenset({"ION", "REUSABLE_INPUTS"})


def _type_of(value: Any, path: Path, reading: Reading, what: str) -> str | None:
    """Return the type that a mapping names, or None after a report."""
    if not isinstance(value, dict):
        reading.shape(path, f"{what} is a mapping", "Write its id and type.")
        return None
    written = value.get("type")
    if not isinstance(written, str) or not written:
        reading.shape(
            path,
            "Invalid type: <null>",
            "Add the `type`.",
            "Could not resolve type id '<null>' as a subtype of `io.kestra.core.models.Plugin`: No "
            "plugin registered for the defined type: '<null>'\n at [Source: UNKNOWN; byte offset: "
            "#UNKNOWN]",
            at=(*path, "type"),
        )
        return None
    return written


_CORE: Final = "io.kestra.plugin.core."


def _remedy(written: str, meant: str | None) -> str:
    """Return what to write instead of an unknown type."""
    if written in GONE:
        return GONE[written]
    if meant:
        return f"Did you mean {meant}?"
    if written.startswith(_CORE):
        return "Mend the name: no such type is part of the core."
    return "Install the plugin that has it, or mend the name."


def _unknown_type(
    written: str, known: list[str], path: Path, reading: Reading, *, is_flow_part: bool = True
) -> None:
    meant = reading.nearest(written, known)
    reading.shape(
        path,
        f"Invalid type: {written}",
        _remedy(written, meant),
        f"Could not resolve type id '{written}' as a subtype of `io.kestra.core.models.Plugin`: No "
        f"plugin registered for the defined type: '{written}'\n at [Source: UNKNOWN; byte offset: "
        "#UNKNOWN]"
        if is_flow_part
        else "",
        at=(*path, "type"),
    )


def _noted(written: str, canonical: str, reading: Reading) -> str | None:
    """Return the spelling to keep, after noting that it is old; None when it is canonical."""
    if written == canonical:
        return None
    info = f"{written} is replaced by {canonical}"
    if info not in reading.infos:
        reading.infos.append(info)
    return written


def read_task(value: Any, path: Path, reading: Reading) -> Any:
    """Return the task, or INVALID; mistakes are in the Reading."""
    written = _type_of(value, path, reading, "A task")
    if written is None:
        if isinstance(value, dict):
            rest: dict[str, Any] = {}
            values = read_fields(plan_of(Task), value, path, reading, rest=rest)
            return PluginTask(**{**values, "type": ""}, properties=rest)
        return INVALID
    canonical = TASK_ALIASES.get(written, written)
    struct = FLOWABLES.get(canonical)
    if struct is not None:
        if canonical in _DEPRECATED_TASKS:
            reading.deprecate(path)
        plan = plan_of(struct)
        own = tuple(name for name in plan.names if name not in plan_of(Task).fields)
        values = read_fields(
            plan, value, path, reading, known=(*_TASK_PROPERTIES, *own), class_name=canonical
        )
        spelling = _noted(written, canonical, reading)
        return struct(**{**values, "type": canonical, "spelling": spelling})
    spec = reading.catalogue.task(written)
    properties: dict[str, Any] = {}
    values = read_fields(plan_of(Task), value, path, reading, rest=properties)
    if spec is None:
        if not reading.allow_unknown_types:
            _unknown_type(written, [*FLOWABLES, *reading.catalogue.tasks], path, reading)
        else:
            reading.warn(f"unknown type {written}: its properties are not checked")
        return PluginTask(**values, properties=properties)
    properties = _checked_properties(properties, spec, path, reading, _TASK_PROPERTIES)
    if spec.deprecated:
        reading.deprecate(path)
    kind = ExecutorTask if spec.type in EXECUTOR_TYPES else PluginTask
    spelling = _noted(written, spec.type, reading)
    return kind(**{**values, "type": spec.type, "spelling": spelling}, properties=properties)


def _checked_properties(
    properties: dict[str, Any],
    spec: TypeSpec,
    path: Path,
    reading: Reading,
    shared: tuple[str, ...],
) -> dict[str, Any]:
    """Report properties that a type does not have or lacks; return them by their present names."""
    found: dict[str, Any] = {}
    for key, value in properties.items():
        name = spec.property_aliases.get(key, key)
        known = spec.properties.get(name)
        if known is None:
            reading.unknown((*path, key), spec.type, (*shared, *spec.properties))
            continue
        if known.deprecated or name != key:
            reading.deprecate((*path, key))
        found[name] = value
    for name, known in spec.properties.items():
        if known.required and found.get(name) is None:
            reading.rule((*path, name), "must not be null", f"Add `{name}`.")
    return found


def _read_condition(value: Any, path: Path, reading: Reading) -> Any:
    written = _type_of(value, path, reading, "A condition")
    if written is None:
        return INVALID
    canonical = CONDITION_ALIASES.get(written, written)
    struct = CONDITIONS.get(canonical)
    if struct is None:
        _unknown_type(written, list(CONDITIONS), path, reading)
        return INVALID
    values = read_fields(plan_of(struct), value, path, reading, class_name=canonical)
    spelling = _noted(written, canonical, reading)
    return struct(**{**values, "type": canonical, "spelling": spelling})


def read_trigger(value: Any, path: Path, reading: Reading) -> Any:
    """Return the trigger, or INVALID; mistakes are in the Reading."""
    written = _type_of(value, path, reading, "A trigger")
    if written is None:
        return INVALID
    canonical = TRIGGER_ALIASES.get(written, written)
    struct = TRIGGERS.get(canonical)
    if struct is not None:
        plan = plan_of(struct)
        own = tuple(name for name in plan.names if name not in plan_of(Trigger).fields)
        values = read_fields(
            plan, value, path, reading, known=(*_TRIGGER_PROPERTIES, *own), class_name=canonical
        )
        spelling = _noted(written, canonical, reading)
        return struct(**{**values, "type": canonical, "spelling": spelling})
    spec = reading.catalogue.trigger(written)
    properties: dict[str, Any] = {}
    values = read_fields(plan_of(Trigger), value, path, reading, rest=properties)
    if spec is None:
        if not reading.allow_unknown_types:
            _unknown_type(written, [*TRIGGERS, *reading.catalogue.triggers], path, reading)
        else:
            reading.warn(f"unknown type {written}: its properties are not checked")
        return PluginTrigger(**values, properties=properties)
    properties = _checked_properties(properties, spec, path, reading, _TRIGGER_PROPERTIES)
    spelling = _noted(written, spec.type, reading)
    return PluginTrigger(
        **{**values, "type": spec.type, "spelling": spelling}, properties=properties
    )


def _read_input(value: Any, path: Path, reading: Reading) -> Any:
    if not isinstance(value, dict):
        reading.shape(path, "An input is a mapping", "Write its id and type.")
        return INVALID
    written = value.get("type")
    struct = INPUT_TYPES.get(written) if isinstance(written, str) else None
    if struct is None:
        if written is None:
            spot = reading.document.spot.at(path)
            reading.shape(
                path,
                "Invalid type: null",
                "Add the `type`.",
                "Could not resolve subtype of [simple type, class "
                "io.kestra.core.models.flows.Input<java.lang.Object>]: missing type id property "
                "'type' (for POJO property 'inputs')\n at [Source: (StringReader); line: "
                f"{spot.line}, column: {spot.column}]",
                root_class="io.kestra.core.models.flows.GenericFlow",
            )
            return INVALID
        known = sorted(name for name in INPUT_TYPES if name not in _UNKNOWN_INPUTS_1_3)
        meant = reading.nearest(str(written), INPUT_TYPES)
        spot = reading.document.spot.at((*path, "type"))
        reading.shape(
            path,
            f"Invalid type: {written}",
            f"Did you mean {meant}?" if meant else f"Write one of {', '.join(INPUT_TYPES)}.",
            f"Could not resolve type id '{written}' as a subtype of "
            f"`io.kestra.core.models.flows.Input<java.lang.Object>`: known type ids = "
            f"[{', '.join(known)}] (for POJO property 'inputs')\n at [Source: (StringReader); "
            f"line: {spot.line}, column: {spot.column}]",
            at=(*path, "type"),
            root_class="io.kestra.core.models.flows.GenericFlow",
        )
        return INVALID
    if written in _DEPRECATED_INPUTS:
        reading.deprecate((*path, "type"))
    return struct(**read_fields(plan_of(struct), value, path, reading))


CUSTOM[Task] = read_task
CUSTOM[Condition] = _read_condition
CUSTOM[Trigger] = read_trigger
CUSTOM[Input] = _read_input
