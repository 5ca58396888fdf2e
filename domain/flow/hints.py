"""What a flow may say and will hardly mean: found from its text, told, never refused.

Clients save such flows, and they fail when they run. So these are warnings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from domain.duration import InvalidDuration, parse_duration
from domain.expression import TemplateSyntaxError, compile_template
from domain.expression.references import references
from domain.expression.unknown import unknown_names
from domain.flow.input_checker import flattened
from domain.flow.input_limits import check_limits
from domain.flow.input_types import (
    EnumInput,
    FileInput,
    FormInput,
    Input,
    MultiselectInput,
    SecretInput,
    SelectInput,
)
from domain.flow.input_values import BadValue, parse_value
from domain.flow.model import Flow
from domain.flow.reading import Path, is_template
from domain.flow.triggers import Schedule, Trigger, Webhook
from domain.flow.violations import as_text, field_path
from domain.json_schema import InvalidSchema, schema_faults
from domain.plugin import PropertySpec, TaskCatalogue, nearest
from domain.yaml.document import Spot

_MOST: Final = 100
_PLAIN: Final = frozenset(
    {"id", "type", "description", "displayName", "namespace", "validator", "jsonSchema", "version"}
)
"""Properties whose text is no template."""
_SPANS: Final = ("timeout", "pauseDuration")
_WITHOUT_EFFECT: Final = ("quotas", "policyRefs", "draft", "assets", "version")
"""Properties that are understood and do nothing here."""


class Hint(msgspec.Struct, frozen=True):
    """Something that is probably not meant."""

    message: str
    path: str
    """As the API shows it: `tasks[0].message`; empty: the flow."""
    line: int
    column: int


def find_hints(
    content: Mapping[str, Any], flow: Flow, spot: Spot, catalogue: TaskCatalogue
) -> tuple[Hint, ...]:
    """Return the hints about a flow that reads well, in order of reading.

    Args:
        content: the flow as plain values, with plugin defaults.
        flow: what it was read as, with plugin defaults.
        spot: the places of everything.
        catalogue: the types at hand.
    """
    found: dict[tuple[Path, str], Hint] = {}
    for path, message in _all(content, flow, catalogue):
        place = spot.at(path)
        hint = Hint(message, field_path(path), place.line, place.column)
        found.setdefault((path, message), hint)
        if len(found) >= _MOST:
            break
    return tuple(sorted(found.values(), key=lambda hint: (hint.line, hint.column)))


_Found = Iterator[tuple[Path, str]]


def _all(content: Mapping[str, Any], flow: Flow, catalogue: TaskCatalogue) -> _Found:
    yield from _Walk(flow, catalogue).values(content, ())
    yield from _input_hints(flow)
    for index, trigger in enumerate(flow.triggers):
        yield from _trigger_hints(flow, trigger, ("triggers", index))
    for name, keys in (
        ("sla", [one.id for one in flow.sla]),
        ("labels", [one.key for one in flow.labels]),
    ):
        for key in dict.fromkeys(key for key in keys if keys.count(key) > 1):
            yield (name,), f"`{key}` is there more than once"


class _Walk:
    """One pass over all values of a flow."""

    def __init__(self, flow: Flow, catalogue: TaskCatalogue) -> None:
        self._catalogue = catalogue
        self._inputs = {name.split(".")[0] for _, name, _ in flattened(flow.inputs, ())}
        self._tasks = set(flow.placements)

    def values(self, value: Any, path: Path) -> _Found:
        """Yield what is to be told about a value and what it contains."""
        if isinstance(value, str):
            if is_template(value):
                yield from self._template(value, path)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.values(item, (*path, index))
        elif isinstance(value, Mapping):
            specs = self._specs(value)
            if specs is not None or not path:
                yield from _without_effect(value, path)
            for key, item in value.items():
                if key in _PLAIN:
                    continue
                spec = (specs or {}).get(key)
                if spec is not None:
                    message = _literal_fault(item, spec)
                    if message is not None:
                        yield (*path, key), message
                    if not spec.dynamic:
                        continue
                elif specs is not None and key in _SPANS and _is_no_span(item):
                    yield (*path, key), f"'{str(item)[:100]}' is not a duration, such as PT5M"
                yield from self.values(item, (*path, key))

    def _specs(self, value: Mapping[str, Any]) -> Mapping[str, PropertySpec] | None:
        """Return the properties of the type that a mapping names; None: it names none."""
        written = value.get("type")
        if not isinstance(written, str) or "." not in written or "id" not in value:
            return None
        spec = self._catalogue.task(written) or self._catalogue.trigger(written)
        return {} if spec is None else spec.properties

    def _template(self, text: str, path: Path) -> _Found:
        try:
            compile_template(text)
        except TemplateSyntaxError as error:
            yield path, f"the expression cannot be read: {error}"
            return
        for kind, called, known in unknown_names(text):
            meant = nearest(called, known)
            yield path, f"there is no {kind} `{called}`" + (f": `{meant}`?" if meant else "")
        for name, *keys in sorted(references(text).paths, key=str):
            if not keys or not isinstance(keys[0], str) or _sees_another_flow(path):
                continue
            if name == "inputs" and keys[0] not in self._inputs:
                yield path, f"the flow has no input `{keys[0]}`"
            elif name == "outputs" and keys[0] not in self._tasks:
                yield path, f"the flow has no task `{keys[0]}`"


def _sees_another_flow(path: Path) -> bool:
    """Tell whether `inputs` and `outputs` may be those of another flow, or of a resume."""
    return path[0] == "triggers" or "onResume" in path or "outputs" in path[2:]


def _without_effect(value: Mapping[str, Any], path: Path) -> _Found:
    for name in _WITHOUT_EFFECT:
        if value.get(name):
            yield (*path, name), f"`{name}` is understood and has no effect here"


def _literal_fault(value: Any, spec: PropertySpec) -> str | None:
    """Return why a value that is no template does not fit its property; None: it may."""
    schema = spec.schema
    if not schema or (isinstance(value, str) and is_template(value)):
        return None
    if isinstance(value, str):
        return _text_fault(value, schema)
    if isinstance(value, list | dict):
        wanted = schema.get("type")
        kind = "array" if isinstance(value, list) else "object"
        if wanted is not None and kind != wanted:
            return f"{kind} found, {wanted} expected"
        return None
    if "enum" in schema and schema.get("type") == "string":
        return _text_fault(as_text(value), schema)
    return None


def _text_fault(text: str, schema: Mapping[str, Any]) -> str | None:
    if "enum" in schema:
        try:
            faults = schema_faults(text, {"enum": schema["enum"]})
        except InvalidSchema:
            return None
        choices = ", ".join(map(str, schema["enum"]))
        return f"'{text[:100]}' is none of {choices}" if faults else None
    kind, form = schema.get("type"), schema.get("format")
    if form == "duration" and not _is_span(text):
        return f"'{text[:100]}' is not a duration, such as PT5M"
    try:
        if kind == "integer":
            int(text)
        elif kind == "number":
            float(text)
    except ValueError:
        return f"'{text[:100]}' is not a number"
    if kind == "boolean" and text.strip().lower() not in ("true", "false"):
        return f"'{text[:100]}' is neither true nor false"
    return None


def _is_span(text: str) -> bool:
    try:
        parse_duration(text)
    except InvalidDuration:
        return False
    return True


def _is_no_span(value: Any) -> bool:
    return isinstance(value, str) and not is_template(value) and not _is_span(value)


def _input_hints(flow: Flow) -> _Found:
    for declared, name, path in flattened(flow.inputs, ("inputs",)):
        cause = _refused(declared, declared.defaults)
        if cause is not None:
            yield (*path, "defaults"), f"the default of input `{name}` is refused: {cause}"


def _trigger_hints(flow: Flow, trigger: Trigger, path: Path) -> _Found:
    if not isinstance(trigger, Schedule | Webhook):
        return
    given = trigger.inputs or {}
    missing: list[str] = []
    for declared, name, _ in flattened(flow.inputs, ()):
        if isinstance(declared, FormInput):
            continue
        value = _given(given, name)
        if value is None:
            if declared.required and declared.defaults is None and not _picks_first(declared):
                depends = declared.depends_on
                if depends is None or depends.condition is None:
                    missing.append(name)
            continue
        cause = _refused(declared, value)
        if cause is not None:
            yield (*path, "inputs"), f"the value for input `{name}` is refused: {cause}"
    if missing:
        names = ", ".join(f"`{name}`" for name in missing)
        yield (
            path,
            f"required inputs without a value: {names}; executions start without them"
            if isinstance(trigger, Schedule)
            else f"required inputs without a value: {names}",
        )


def _given(given: Mapping[str, Any], name: str) -> Any:
    if name in given:
        return given[name]
    value: Any = given
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _picks_first(declared: Input) -> bool:
    return isinstance(declared, SelectInput | MultiselectInput) and declared.auto_select_first


def _refused(declared: Input, value: Any) -> str | None:
    """Return why a literal value is refused; None: it is not, or only a run can tell."""
    if value is None or isinstance(value, list | dict):
        return None
    if isinstance(value, str) and is_template(value):
        return None
    if isinstance(declared, MultiselectInput | FileInput | SecretInput | FormInput):
        return None
    if declared.type in ("ARRAY", "REUSABLE_INPUTS"):
        return None
    try:
        parsed = parse_value(declared.type, value)
        check_limits(declared, parsed)
    except BadValue as error:
        return error.causes[0].splitlines()[0]
    if isinstance(declared, SelectInput | EnumInput):
        choices = [
            as_text(one.get("value", one.get("label")) if isinstance(one, Mapping) else one)
            for one in declared.values
        ]
        custom = isinstance(declared, SelectInput) and declared.allow_custom_value
        if choices and not custom and as_text(value) not in choices:
            return f"it must match the values `[{', '.join(choices)}]`"
    return None
