"""The text of a flow -> a Flow, or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from domain.errors import InvalidFlow
from domain.flow.aliases import CONDITION_ALIASES, TASK_ALIASES, TRIGGER_ALIASES
from domain.flow.checker import check_flow, check_task, check_trigger
from domain.flow.common import PluginDefault
from domain.flow.convert import plan_of, read_fields
from domain.flow.defaults import NO_DEFAULTS, ScopedDefaults, inject_defaults
from domain.flow.elements import read_task, read_trigger
from domain.flow.hints import Hint, find_hints
from domain.flow.model import Flow
from domain.flow.reading import FLOW_CLASS, Reading
from domain.flow.tasks import FLOWABLES, Task
from domain.flow.triggers import CONDITIONS, TRIGGERS, Trigger
from domain.flow.violations import FlowViolation, constraints
from domain.ids import DEFAULT_TENANT
from domain.plugin import TaskCatalogue
from domain.yaml.builder import DEFAULT_LIMITS, YamlLimits
from domain.yaml.document import Document, Spot
from domain.yaml.mistakes import YamlError
from domain.yaml.reader import read_yaml

_SERVER_SIDE: Final = frozenset({"tenantId", "revision", "deleted"})
_IGNORED: Final = frozenset({"updated", "source", "extend", "_interface", "listeners"})


class FlowReading(msgspec.Struct, frozen=True, kw_only=True):
    """What came of reading a source."""

    flow: Flow | None
    """None when there is any violation."""
    violations: tuple[FlowViolation, ...] = ()
    deprecations: tuple[str, ...] = ()
    """Paths of what is out of date, as the API shows them."""
    infos: tuple[str, ...] = ()
    """Such as `old.Type is replaced by new.Type`."""
    warnings: tuple[str, ...] = ()
    hints: tuple[Hint, ...] = ()
    """What is probably not meant; only where they were asked for, of a flow that reads well."""
    id: str | None = None
    """As written, also when the flow is invalid; None when it could not be read."""
    namespace: str | None = None
    revision: int | None = None
    """As written."""
    spot: Spot | None = None
    """Lines and columns of everything: `spot.at(("tasks", 0, "id"))`."""

    @property
    def is_readable(self) -> bool:
        """Whether all mistakes are broken rules: it is YAML, with types and properties we know."""
        return all(violation.kind == "rule" for violation in self.violations)

    @property
    def constraints(self) -> str | None:
        """The mistakes as one text in the API's words, without its prefix; None: no mistakes."""
        return constraints(self.violations)

    def is_outdated(self, last_revision: int | None) -> bool:
        """Tell whether the revision written in the source is not the one to come next."""
        return self.revision is not None and self.revision != (last_revision or 0) + 1


def read_flow(
    source: str,
    *,
    catalogue: TaskCatalogue,
    tenant_id: str = DEFAULT_TENANT,
    revision: int | None = None,
    defaults: ScopedDefaults = NO_DEFAULTS,
    allow_unknown_types: bool = False,
) -> Flow:
    """Return the flow that a source describes.

    Args:
        source: YAML (or JSON) of one flow.
        catalogue: the task and trigger types at hand.
        tenant_id: whose it is.
        revision: its number; None while it has none.
        defaults: plugin defaults of the server and its namespaces; the flow's own come on top.
            They show in `Flow.effective` only, and count when the flow is checked.
        allow_unknown_types: keep tasks and triggers of types we do not know, as they are written.

    Raises:
        InvalidFlow: with every violation.
    """
    reading = parse_flow(
        source,
        catalogue=catalogue,
        tenant_id=tenant_id,
        revision=revision,
        defaults=defaults,
        allow_unknown_types=allow_unknown_types,
    )
    if reading.flow is None:
        raise InvalidFlow((reading.constraints or "").rstrip("\n"), reading.violations)
    return reading.flow


def parse_flow(
    source: str,
    *,
    catalogue: TaskCatalogue,
    tenant_id: str = DEFAULT_TENANT,
    revision: int | None = None,
    defaults: ScopedDefaults = NO_DEFAULTS,
    allow_unknown_types: bool = False,
    hints: bool = False,
    limits: YamlLimits = DEFAULT_LIMITS,
) -> FlowReading:
    """Read a source and tell everything about it; see `read_flow`. Raises nothing.

    With `hints`, look for what is allowed and probably not meant, too.
    """
    try:
        document = read_yaml(source, limits)
    except YamlError as error:
        return FlowReading(flow=None, violations=(source_violation(error),))
    return flow_of_document(
        document,
        catalogue=catalogue,
        tenant_id=tenant_id,
        revision=revision,
        defaults=defaults,
        allow_unknown_types=allow_unknown_types,
        hints=hints,
    )


def flow_of_document(
    document: Document,
    *,
    catalogue: TaskCatalogue,
    tenant_id: str = DEFAULT_TENANT,
    revision: int | None = None,
    defaults: ScopedDefaults = NO_DEFAULTS,
    allow_unknown_types: bool = False,
    hints: bool = False,
) -> FlowReading:
    """Read a flow from YAML that was read already; see `parse_flow`."""
    reading = Reading(document, catalogue, allow_unknown_types=allow_unknown_types)
    content = document.value
    if not isinstance(content, dict):
        reading.shape((), "A flow is a mapping", "Write id, namespace and tasks.")
        return FlowReading(flow=None, violations=tuple(reading.violations))
    flow = _read_flow(content, reading, tenant_id, revision)
    effective = flow
    outer = defaults.of(flow.namespace) if isinstance(flow.namespace, str) else ()
    if outer or flow.plugin_defaults:
        reading = _with_defaults(content, (*outer, flow.plugin_defaults), reading)
        effective = _read_flow(reading.document.value, reading, tenant_id, revision)
    flow.run_as(effective, defaults.number)
    check_flow(effective, reading, _read_listeners(content.get("listeners"), reading))
    written = content.get("revision")
    is_valid = not reading.violations
    return FlowReading(
        flow=flow if is_valid else None,
        violations=tuple(reading.violations),
        deprecations=tuple(reading.deprecations),
        infos=tuple(reading.infos),
        warnings=tuple(reading.warnings),
        hints=find_hints(reading.document.value, effective, document.spot, catalogue)
        if hints and is_valid
        else (),
        id=flow.id if isinstance(flow.id, str) else None,
        namespace=flow.namespace if isinstance(flow.namespace, str) else None,
        revision=written if isinstance(written, int) and not isinstance(written, bool) else None,
        spot=document.spot,
    )


def parse_task(
    content: dict[str, Any], *, catalogue: TaskCatalogue
) -> tuple[Task | None, tuple[FlowViolation, ...]]:
    """Read one task by itself, as `validate/task` does; None when there is any violation."""
    reading = Reading(Document(content, Spot(0, 0)), catalogue, allow_unknown_types=False)
    task = read_task(content, (), reading)
    if isinstance(task, Task):
        check_task(task, (), reading)
        return (None if reading.violations else task), tuple(reading.violations)
    return None, tuple(reading.violations)


def parse_trigger(
    content: dict[str, Any], *, catalogue: TaskCatalogue
) -> tuple[Trigger | None, tuple[FlowViolation, ...]]:
    """Read one trigger by itself, as `validate/trigger` does; None when there is any violation."""
    reading = Reading(Document(content, Spot(0, 0)), catalogue, allow_unknown_types=False)
    trigger = read_trigger(content, (), reading)
    if isinstance(trigger, Trigger):
        check_trigger(trigger, (), reading)
        return (None if reading.violations else trigger), tuple(reading.violations)
    return None, tuple(reading.violations)


def source_violation(error: YamlError) -> FlowViolation:
    """Return what a text that is not YAML is reported as."""
    return FlowViolation(
        message=error.message,
        path="$",
        line=error.line,
        column=error.column,
        remedy=error.remedy,
        kind="source",
    )


def _read_flow(
    content: dict[str, Any], reading: Reading, tenant_id: str, revision: int | None
) -> Flow:
    readable = {key: value for key, value in content.items() if key not in _IGNORED}
    values = read_fields(
        plan_of(Flow), readable, (), reading, skip=_SERVER_SIDE, class_name=FLOW_CLASS
    )
    return Flow(**{**values, "tenant_id": tenant_id, "revision": revision})


def _with_defaults(
    content: dict[str, Any], places: Sequence[Sequence[PluginDefault]], before: Reading
) -> Reading:
    """Return a new reading, of the same document with defaults applied."""
    catalogue = before.catalogue

    def canonical(name: str) -> str:
        for aliases in (TASK_ALIASES, TRIGGER_ALIASES, CONDITION_ALIASES):
            if name in aliases:
                return aliases[name]
        spec = catalogue.task(name) or catalogue.trigger(name)
        return spec.type if spec is not None else name

    def known(type_: str) -> Collection[str] | None:
        struct = FLOWABLES.get(type_) or TRIGGERS.get(type_) or CONDITIONS.get(type_)
        if struct is not None:
            plan = plan_of(struct)
            return {*plan.fields, *plan.aliases}
        task, trigger = catalogue.task(type_), catalogue.trigger(type_)
        if task is not None:
            return {*plan_of(Task).fields, *plan_of(Task).aliases, *task.properties}
        if trigger is not None:
            return {*plan_of(Trigger).fields, *plan_of(Trigger).aliases, *trigger.properties}
        return None

    def spellings(type_: str) -> Mapping[str, str]:
        struct = FLOWABLES.get(type_) or TRIGGERS.get(type_) or CONDITIONS.get(type_)
        if struct is None:
            struct = Trigger if catalogue.trigger(type_) is not None else Task
        return plan_of(struct).aliases

    warnings: list[str] = []

    def dropped(type_: str, name: str) -> None:
        warnings.append(
            f"pluginDefaults: `{name}` is left out for {type_}, which has no such property"
        )

    usable = [[default for default in place if isinstance(default.type, str)] for place in places]
    value = inject_defaults(content, usable, canonical, known, spellings, dropped)
    after = Reading(
        Document(value, before.document.spot),
        catalogue,
        allow_unknown_types=before.allow_unknown_types,
    )
    for text in warnings:
        after.warn(text)
    return after


def _read_listeners(value: Any, reading: Reading) -> tuple[Task, ...]:
    """Read the tasks of listeners, which 1.x ignores: they are checked and never run."""
    if value is None:
        return ()
    reading.deprecate(("listeners",))
    reading.warn("`listeners` are ignored: use a Flow trigger or `afterExecution` instead")
    found: list[Task] = []
    if isinstance(value, list):
        for index, listener in enumerate(value):
            tasks = listener.get("tasks") if isinstance(listener, dict) else None
            for position, item in enumerate(tasks if isinstance(tasks, list) else ()):
                task = read_task(item, ("listeners", index, "tasks", position), reading)
                if isinstance(task, Task):
                    found.append(task)
    return tuple(found)
