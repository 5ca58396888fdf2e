"""Rules that input declarations must obey."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from domain.expression import Fault
from domain.expression.regexes import compiled
from domain.flow.cycles import cyclic
from domain.flow.input_limits import parse_bound, read_schema
from domain.flow.input_types import (
    ArrayInput,
    DateInput,
    DateTimeInput,
    DurationInput,
    EnumInput,
    FileInput,
    FloatInput,
    FormInput,
    Input,
    IntInput,
    JsonInput,
    MultiselectInput,
    ReusableInputs,
    SecretInput,
    SelectInput,
    StringInput,
    TimeInput,
)
from domain.flow.input_values import BadValue
from domain.flow.reading import Path, Reading, is_template

_INPUT_ID: Final = r"^[a-zA-Z0-9][.a-zA-Z0-9_-]*"
_LONGEST_ID: Final = 256
_LOCAL_FILE: Final = ("file:/", "nsfile:/", "kestra:///")
ITEM_TYPES: Final = (
    "STRING",
    "INT",
    "FLOAT",
    "BOOLEAN",
    "BOOL",
    "DATETIME",
    "DATE",
    "TIME",
    "DURATION",
    "JSON",
    "YAML",
    "URI",
    "EMAIL",
    "FILE",
    "ENUM",
)
"""Types that the items of an ARRAY or MULTISELECT may have."""
_NO_ITEM_TYPES: Final = frozenset({"ARRAY", "MULTISELECT", "SECRET", "SELECT"})


def check_inputs(inputs: Sequence[Input], path: Path, reading: Reading) -> None:
    """Report every rule that a list of inputs breaks."""
    known: dict[str, Input] = {}
    repeated: dict[str, Path] = {}
    for declared, name, place in flattened(inputs, path):
        if name in known:
            repeated.setdefault(name, place)
        known[name] = declared
        _check_input(declared, place, reading)
    if repeated:
        reading.rule(
            (),
            f"Invalid Flow: Duplicate input with name [{', '.join(repeated)}]",
            "Give each its own id.",
            at=(*next(iter(repeated.values())), "id"),
        )
    _check_dependencies(inputs, path, known, reading)


def flattened(
    inputs: Sequence[Input], path: Path, prefix: str = ""
) -> Iterator[tuple[Input, str, Path]]:
    """Yield inputs with their full name and path; the children of a FORM follow it."""
    for index, declared in enumerate(inputs):
        if not isinstance(declared.id, str):
            continue
        place = (*path, index)
        yield declared, prefix + declared.id, place
        if isinstance(declared, FormInput):
            yield from flattened(declared.inputs, (*place, "inputs"), f"{prefix}{declared.id}.")


def _check_input(declared: Input, path: Path, reading: Reading) -> None:
    if not 1 <= len(declared.id) <= _LONGEST_ID:
        reading.rule((*path, "id"), f"size must be between 1 and {_LONGEST_ID}", "Shorten it.")
    if not re.fullmatch(_INPUT_ID, declared.id, re.ASCII):
        reading.rule(
            (*path, "id"),
            f'must match "{_INPUT_ID}"',
            "Use letters, digits, dots, dashes and underscores.",
            declared.id,
        )
    if declared.defaults is not None:
        if not declared.required:
            reading.rule(
                path,
                "Inputs with a default value must be required, since the default is always "
                "applied.",
                "Remove `required: false`, or use `prefill` in place of `defaults`.",
                at=(*path, "required"),
            )
        if declared.prefill is not None:
            reading.rule(
                path,
                "Inputs with a default value cannot also have a prefill.",
                "Keep one of `defaults` and `prefill`.",
                at=(*path, "prefill"),
            )
    if isinstance(declared, StringInput | SecretInput):
        _check_pattern(declared.validator, path, reading)
    elif isinstance(declared, EnumInput | SelectInput | MultiselectInput):
        _check_values(declared, path, reading)
    elif isinstance(declared, ArrayInput):
        _check_item_type(declared.item_type, path, reading)
    elif isinstance(declared, FileInput):
        _check_file(declared, path, reading)
    elif isinstance(declared, JsonInput):
        _check_schema(declared, path, reading)
    elif isinstance(declared, FormInput):
        _check_form(declared, path, reading)
    elif isinstance(declared, ReusableInputs):
        reading.rule(
            path,
            f"Input '{declared.id}' of type REUSABLE_INPUTS is not supported",
            "Write the inputs out, in a FORM.",
            at=(*path, "type"),
        )
    elif isinstance(declared, IntInput | FloatInput | DurationInput):
        _check_bounds(declared.min, declared.max, path, reading)
    elif isinstance(declared, DateInput | DateTimeInput | TimeInput):
        _check_dates(declared, path, reading)
    if isinstance(declared, MultiselectInput):
        _check_item_type(declared.item_type, path, reading)


def _check_pattern(pattern: str | None, path: Path, reading: Reading) -> None:
    if pattern is None:
        return
    try:
        compiled(pattern)
    except Fault as error:
        reading.rule(
            (*path, "validator"),
            f"invalid pattern [{pattern}]",
            f"Mend the regular expression: {error}.",
            pattern,
        )


def _check_values(
    declared: EnumInput | SelectInput | MultiselectInput, path: Path, reading: Reading
) -> None:
    expression = getattr(declared, "expression", None)
    if not declared.values and expression is None:
        reading.rule(
            (*path, "values"),
            "must not be empty"
            if isinstance(declared, EnumInput)
            else "values or expression must be set",
            "List the values to choose from.",
        )
    if declared.values and expression is not None:
        reading.rule(path, "`values` and `expression` exclude one another", "Keep one of them.")


def _check_item_type(item_type: Any, path: Path, reading: Reading) -> None:
    if not isinstance(item_type, str):
        return
    if item_type in _NO_ITEM_TYPES:
        reading.rule(
            path,
            f"`itemType` cannot be {item_type}",
            "Choose a scalar type.",
            at=(*path, "itemType"),
        )
    elif item_type not in ITEM_TYPES:
        meant = reading.nearest(item_type, ITEM_TYPES)
        reading.shape(
            (*path, "itemType"),
            f"Invalid type: {item_type}",
            f"Did you mean {meant}?" if meant else f"Write one of {', '.join(ITEM_TYPES)}.",
        )


def _check_file(declared: FileInput, path: Path, reading: Reading) -> None:
    if declared.extension is not None:
        reading.deprecate((*path, "extension"))
    default = declared.defaults
    if not isinstance(default, str) or is_template(default):
        return
    if not default.startswith(_LOCAL_FILE):
        reading.rule(
            path,
            "inputs of type 'FILE' only support `defaults` as local files using a file URI or as "
            "namespace files using a nsfile URI",
            "Name a namespace file: nsfile:///data.csv.",
            default,
            at=(*path, "defaults"),
        )


def _check_schema(declared: JsonInput, path: Path, reading: Reading) -> None:
    try:
        read_schema(declared)
    except BadValue as error:
        reading.rule(
            (*path, "jsonSchema"), str(error), "Write a JSON Schema.", declared.json_schema
        )


def _check_form(form: FormInput, path: Path, reading: Reading) -> None:
    if not form.inputs:
        reading.rule((*path, "inputs"), "must not be empty", "Add the inputs of the form.")
    for index, child in enumerate(form.inputs):
        if isinstance(child, FormInput):
            reading.rule(
                (*path, "inputs", index), "a FORM cannot stand in a FORM", "Move it to the top."
            )


def _check_bounds(
    least: float | timedelta | None, most: float | timedelta | None, path: Path, reading: Reading
) -> None:
    if isinstance(least, timedelta):
        wrong = isinstance(most, timedelta) and least > most
    else:
        wrong = least is not None and isinstance(most, int | float) and least > most
    if wrong:
        reading.rule(path, "`min` must not be more than `max`", "Swap them.")


def _check_dates(
    declared: DateInput | DateTimeInput | TimeInput, path: Path, reading: Reading
) -> None:
    found: list[Any] = []
    for name, text in (("after", declared.after), ("before", declared.before)):
        if text is None:
            continue
        try:
            found.append(parse_bound(declared, text))
        except BadValue as error:
            reading.shape(
                (*path, name),
                f"Cannot read '{text[:100]}' as {declared.type}: {error}",
                f"Write a {declared.type} such as {_EXAMPLES[declared.type]}.",
            )
    if len(found) == 2 and found[0] > found[1]:
        reading.rule(path, "`after` must not be later than `before`", "Swap them.")


_EXAMPLES: Final = {
    "DATE": "2024-01-31",
    "DATETIME": "2024-01-31T09:00:00Z",
    "TIME": "09:00:00",
}


def _check_dependencies(
    inputs: Sequence[Input], path: Path, known: dict[str, Input], reading: Reading
) -> None:
    depends: dict[str, tuple[str, ...]] = {}
    for declared, name, place in flattened(inputs, path):
        wanted = declared.depends_on.inputs if declared.depends_on is not None else ()
        depends[name] = wanted
        where = (*place, "dependsOn")
        for other in wanted:
            if other == name:
                reading.rule(where, f"Input `{name}` cannot depend on itself", "Remove it.")
            elif other not in known:
                meant = reading.nearest(other, known)
                reading.rule(
                    where,
                    f"Input with id '{name}' depends on a non-existent input '{other}'.",
                    f"Did you mean `{meant}`?" if meant else "Name another input of this flow.",
                )
    found = [name for name in cyclic(depends) if name not in depends[name]]
    if found:
        reading.rule(
            path,
            f"Cycle dependency detected for input with id '{found[0]}': [{', '.join(found[:20])}]",
            "Remove one of the dependencies.",
        )
    _check_nesting(known, path, reading)


def _check_nesting(known: dict[str, Input], path: Path, reading: Reading) -> None:
    """A value cannot be a mapping of others and something of its own at once."""
    for name, declared in known.items():
        parts = name.split(".")
        for length in range(1, len(parts)):
            above = ".".join(parts[:length])
            if above in known and not isinstance(known[above], FormInput):
                reading.rule(
                    path,
                    f"Input path '{above}' conflicts with '{name}'; one cannot be nested under the "
                    "other.",
                    f"Rename `{declared.id}`.",
                )
