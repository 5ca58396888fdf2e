"""Input declarations, one Struct per type.

`INPUT_TYPES` maps the name in a flow to its Struct. What a value must look
like is in `domain.flow.inputs`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, Literal

from domain.flow.common import Model


class DependsOn(Model, frozen=True, kw_only=True):
    """Other inputs that must be known first, and when this one is asked for at all."""

    inputs: tuple[str, ...] = ()
    condition: str | None = None
    """Expression over `inputs`; falsy: the input is switched off and has no value."""


class Input(Model, frozen=True, kw_only=True):
    """What all input types share."""

    id: str
    """Dots nest: `a.b` is read as `inputs.a.b`."""
    type: str
    description: str | None = None
    depends_on: DependsOn | None = None
    required: bool = True
    defaults: Any = None
    """Value, or template over the inputs before it; None: no default."""
    prefill: Any = None
    """Offered to people, never applied by the server."""
    display_name: str | None = None


class StringInput(Input, frozen=True, kw_only=True):
    """STRING."""

    validator: str | None = None
    """Regular expression that the whole text must match."""


class EnumInput(Input, frozen=True, kw_only=True):
    """ENUM, the old SELECT."""

    values: tuple[Any, ...] = ()


class SelectInput(Input, frozen=True, kw_only=True):
    """SELECT: one of some texts."""

    values: tuple[Any, ...] = ()
    """Texts, or 2.0's mappings of `value` and `label`."""
    expression: str | None = None
    """Gives the values instead, as a list or as JSON text."""
    allow_custom_value: bool = False
    is_radio: bool = False
    auto_select_first: bool = False


class MultiselectInput(Input, frozen=True, kw_only=True):
    """MULTISELECT: some of some texts."""

    values: tuple[Any, ...] = ()
    expression: str | None = None
    item_type: str = "STRING"
    allow_custom_value: bool = False
    auto_select_first: bool = False


class IntInput(Input, frozen=True, kw_only=True):
    """INT: a whole number of 32 bits."""

    min: int | None = None
    max: int | None = None


class FloatInput(Input, frozen=True, kw_only=True):
    """FLOAT."""

    min: float | None = None
    max: float | None = None


class BooleanInput(Input, frozen=True, kw_only=True):
    """BOOL, and BOOLEAN, the old form that knows "undefined" too."""


class DateTimeInput(Input, frozen=True, kw_only=True):
    """DATETIME: an instant."""

    after: str | None = None
    before: str | None = None


class DateInput(Input, frozen=True, kw_only=True):
    """DATE."""

    after: str | None = None
    before: str | None = None


class TimeInput(Input, frozen=True, kw_only=True):
    """TIME of day."""

    after: str | None = None
    before: str | None = None


class DurationInput(Input, frozen=True, kw_only=True):
    """DURATION."""

    min: timedelta | None = None
    max: timedelta | None = None


class FileInput(Input, frozen=True, kw_only=True):
    """FILE: its value is the URI of a stored file."""

    extension: str | None = None
    """Deprecated: `allowed_file_extensions` takes its place."""
    allowed_file_extensions: tuple[str, ...] = ()
    """Such as `.csv`; empty: any. Written `accept` too."""


class JsonInput(Input, frozen=True, kw_only=True):
    """JSON: any value, as text or as it is."""

    json_schema: Any = None
    """2.0: what the value must obey."""


class YamlInput(Input, frozen=True, kw_only=True):
    """YAML: any value, written in YAML."""


class IonInput(Input, frozen=True, kw_only=True):
    """ION: a structured value or its text."""


class UriInput(Input, frozen=True, kw_only=True):
    """URI."""


class EmailInput(Input, frozen=True, kw_only=True):
    """EMAIL address."""


class SecretInput(Input, frozen=True, kw_only=True):
    """SECRET: encrypted as soon as it is read."""

    validator: str | None = None


class ArrayInput(Input, frozen=True, kw_only=True):
    """ARRAY of one scalar type."""

    item_type: str


class FormInput(Input, frozen=True, kw_only=True):
    """FORM: a group; its inputs travel and are read as `form.child`."""

    inputs: tuple[Input, ...] = ()


class ReusableInputs(Input, frozen=True, kw_only=True):
    """REUSABLE_INPUTS: a FORM that a namespace holds ready."""

    ref: str
    namespace: str | None = None
    revision: int | None = None


ItemType = Literal[
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
    "URI",
]

INPUT_TYPES: Final[dict[str, type[Input]]] = {
    "ARRAY": ArrayInput,
    "BOOL": BooleanInput,
    "BOOLEAN": BooleanInput,
    "DATE": DateInput,
    "DATETIME": DateTimeInput,
    "DURATION": DurationInput,
    "EMAIL": EmailInput,
    "ENUM": EnumInput,
    "FILE": FileInput,
    "FLOAT": FloatInput,
    "FORM": FormInput,
    "INT": IntInput,
    "ION": IonInput,
    "JSON": JsonInput,
    "MULTISELECT": MultiselectInput,
    "REUSABLE_INPUTS": ReusableInputs,
    "SECRET": SecretInput,
    "SELECT": SelectInput,
    "STRING": StringInput,
    "TIME": TimeInput,
    "URI": UriInput,
    "YAML": YamlInput,
}
"""Input types by the name a flow gives them."""
