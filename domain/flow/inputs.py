"""What an execution is given -> its inputs, typed and checked; and the same for its outputs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from domain.errors import InvalidInput, InvalidInputs, Violation
from domain.expression import (
    NO_LOOKUPS,
    ExpressionError,
    Lookups,
    Scope,
    compile_template,
    is_truthy_text,
    render_deep,
)
from domain.flow.common import Output
from domain.flow.input_limits import check_choice, check_limits, parse_secret
from domain.flow.input_types import (
    EnumInput,
    FormInput,
    Input,
    MultiselectInput,
    SelectInput,
)
from domain.flow.input_values import BadValue, array_item_type, parse_items, parse_value
from domain.flow.violations import as_text
from domain.sealed import Encrypt

_MISSING: Final = object()
MASK: Final = "******"
"""What stands for a secret."""
_TEXTS: Final = frozenset({"STRING", "SECRET", "EMAIL"})
"""Types of which an empty text is a value."""
_PARSED: Final = frozenset(
    {"ARRAY", "DATE", "DATETIME", "DURATION", "FLOAT", "INT", "ION", "JSON", "TIME", "YAML"}
)
"""Types that no empty text can be read as: it is as good as none, even where one is required."""


class InputValue(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one input."""

    input: Input
    """A leaf; the children of a FORM stand for it, under their full id. Values that come from an
    `expression` stand in its place."""
    name: str
    value: Any = None
    enabled: bool = True
    """False: its condition does not hold, or an input that it depends on is switched off. Nobody
    asks for it; `value` is what was given all the same, and counts for nothing."""
    is_default: bool = False
    errors: tuple[str, ...] = ()
    """Whole sentences, as clients see them."""


class ResolvedInputs(msgspec.Struct, frozen=True):
    """All inputs of an execution."""

    items: tuple[InputValue, ...]
    """In order of declaration."""

    @property
    def errors(self) -> tuple[str, ...]:
        """Every mistake that counts, in order of declaration."""
        return tuple(error for item in self.items if item.enabled for error in item.errors)

    @property
    def values(self) -> dict[str, Any]:
        """Values by name, dotted names nested; inputs that are switched off are left out."""
        nested: dict[str, Any] = {}
        for item in self.items:
            if item.enabled:
                put_nested(nested, item.name, item.value)
        return nested

    def checked(self) -> dict[str, Any]:
        """Return the values.

        Raises:
            InvalidInputs: there is a mistake; the text is the first, the violations are all.
        """
        if self.errors:
            violations = tuple(
                Violation(message=error, path=f"$.inputs.{item.name}")
                for item in self.items
                if item.enabled
                for error in item.errors
            )
            raise InvalidInputs(self.errors[0], violations)
        return self.values


def resolve_inputs(
    inputs: Sequence[Input],
    raw: Mapping[str, Any],
    variables: Mapping[str, Any],
    *,
    lookups: Lookups = NO_LOOKUPS,
    encrypt: Encrypt | None = None,
    hides_secrets: bool = False,
) -> ResolvedInputs:
    """Read, fill in and check the inputs of an execution (or of a resume).

    Args:
        inputs: as declared.
        raw: what was given, by full name or nested; what nobody declared is ignored. A FILE is the
            URI of a file that is stored already.
        variables: what defaults, conditions and `expression` see besides `inputs`.
        lookups: answers their functions; its exceptions pass through.
        encrypt: seals SECRET values.
        hides_secrets: whether `secret()` gives stars in defaults, for who only wants to look.

    Returns:
        Every input with its value or its mistakes; `checked()` gives the values.
    """
    leaves = list(_leaves(inputs))
    known: dict[str, Any] = {}
    found: dict[str, InputValue] = {}
    for declared in _in_order(leaves):
        scope = Scope({**variables, "inputs": known}, lookups)
        if any(not found[other].enabled for other in _wanted(declared) if other in found):
            item = _switched_off(declared, raw)
        else:
            default_scope = (
                Scope(scope.variables, _HiddenSecrets(lookups)) if hides_secrets else scope
            )
            item = _resolve(declared, raw, scope, default_scope, encrypt)
        found[declared.id] = item
        if item.enabled and not item.errors:
            put_nested(known, declared.id, item.value)
    return ResolvedInputs(tuple(found[declared.id] for declared in leaves))


def resolve_outputs(
    outputs: Sequence[Output],
    variables: Mapping[str, Any],
    *,
    lookups: Lookups = NO_LOOKUPS,
    encrypt: Encrypt | None = None,
) -> dict[str, Any]:
    """Render and type the outputs of an execution.

    Args:
        outputs: as declared.
        variables: what their templates see.
        lookups: answers functions; its exceptions pass through.
        encrypt: seals SECRET values.

    Raises:
        InvalidInput: an output that is required cannot be rendered or is refused by its type.
    """
    scope = Scope(variables, lookups)
    found: dict[str, Any] = {}
    for output in outputs:
        try:
            value = output.value
            if isinstance(value, str):
                value = compile_template(value).render_typed(scope)
            else:
                value = render_deep(value, scope)
            found[output.id] = typed_output(output, value, encrypt)
        except (ExpressionError, InvalidInput):
            if output.required:
                raise
            found[output.id] = None
    return found


def typed_output(output: Output, value: Any, encrypt: Encrypt | None = None) -> Any:
    """Return a rendered output as a value of its type.

    Raises:
        InvalidInput: its type refuses it, or it is required and null.
    """
    if value is None or output.type is None:
        return value
    try:
        if output.type == "SECRET":
            return parse_secret(Input(id=output.id, type=output.type), value, encrypt)
        if output.type in ("ARRAY", "MULTISELECT"):
            return parse_items("ANY", value, commas=output.type == "MULTISELECT")
        return parse_value(output.type, value)
    except BadValue as error:
        raise InvalidInput(
            f"Invalid value for output `{output.id}`. Cause: {'; '.join(error.causes)}"
        ) from None


def put_nested(target: dict[str, Any], name: str, value: Any) -> None:
    """Put a value under a dotted name, making the mappings on the way."""
    *parents, last = name.split(".")
    for parent in parents:
        inner = target.get(parent)
        if not isinstance(inner, dict):
            inner = {}
            target[parent] = inner
        target = inner
    if isinstance(value, dict) and isinstance(target.get(last), dict):
        target[last] = {**target[last], **value}
    else:
        target[last] = value


def _leaves(inputs: Sequence[Input], prefix: str = "") -> Iterator[Input]:
    for declared in inputs:
        name = prefix + declared.id
        if isinstance(declared, FormInput):
            yield from _leaves(declared.inputs, name + ".")
        else:
            yield msgspec.structs.replace(declared, id=name) if prefix else declared


def _in_order(leaves: Sequence[Input]) -> list[Input]:
    """Return the inputs so that each comes after those it depends on; cycles break anywhere."""
    by_name = {declared.id: declared for declared in leaves}
    ordered: list[Input] = []
    state: dict[str, int] = {}
    for first in leaves:
        waiting = [first.id]
        while waiting:
            name = waiting[-1]
            declared = by_name[name]
            if state.get(name) is None:
                state[name] = 1
                waiting.extend(
                    other
                    for other in reversed(_wanted(declared))
                    if other in by_name and other not in state
                )
                continue
            waiting.pop()
            if state[name] == 1:
                state[name] = 2
                ordered.append(declared)
    return ordered


def _wanted(declared: Input) -> Sequence[str]:
    return declared.depends_on.inputs if declared.depends_on is not None else ()


class _HiddenSecrets:
    """Answers as another does, but shows no secret."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    def call(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        value = self._lookups.call(name, arguments, scope)
        if name != "secret":
            return value
        return {**value, "value": MASK} if isinstance(value, Mapping) else MASK


def _resolve(
    declared: Input,
    raw: Mapping[str, Any],
    scope: Scope,
    default_scope: Scope,
    encrypt: Encrypt | None,
) -> InputValue:
    name = declared.id
    is_default = False
    try:
        is_asked_for = _is_asked_for(declared, scope)
    except ExpressionError as error:
        return _switched_off(declared, raw, _sentence(declared, f"Invalid condition: {error}"))
    if not is_asked_for:
        return _switched_off(declared, raw)
    try:
        try:
            declared = _with_choices(declared, scope)
        except ExpressionError as error:
            return _wrong(declared, f"Cannot render 'expression'. Cause: {error}")
        choices = _choices(declared)
        given = _given(declared, raw)
        if given is _MISSING:
            is_default = declared.defaults is not None
            given = _default(declared, choices, default_scope)
    except ExpressionError as error:
        return _wrong(declared, str(error))
    except BadValue as error:
        return _wrong(declared, *error.causes)
    if given is None:
        if declared.required:
            return InputValue(input=declared, name=name, errors=(f"Missing required input:{name}",))
        return InputValue(input=declared, name=name)
    try:
        value = _parsed(declared, given, choices, encrypt)
    except BadValue as error:
        return _wrong(declared, *error.causes)
    except InvalidInput as error:
        return _wrong(declared, str(error))
    return InputValue(input=declared, name=name, value=value, is_default=is_default)


def _wrong(declared: Input, *causes: str) -> InputValue:
    return InputValue(
        input=declared,
        name=declared.id,
        errors=tuple(_sentence(declared, cause) for cause in causes),
    )


def _sentence(declared: Input, cause: str) -> str:
    return f"Invalid value for input `{declared.id}`. Cause: {cause}"


def _switched_off(declared: Input, raw: Mapping[str, Any], *errors: str) -> InputValue:
    given = _given(declared, raw)
    is_shown = given is not _MISSING and declared.type != "SECRET"
    return InputValue(
        input=declared,
        name=declared.id,
        value=given if is_shown else None,
        enabled=False,
        errors=errors,
    )


def _is_asked_for(declared: Input, scope: Scope) -> bool:
    condition = declared.depends_on.condition if declared.depends_on is not None else None
    return condition is None or is_truthy_text(compile_template(condition).render(scope))


def _given(declared: Input, raw: Mapping[str, Any]) -> Any:
    """Return what was given under the full name or nested, or _MISSING."""
    value = raw.get(declared.id, _MISSING)
    if value is _MISSING and "." in declared.id:
        value = raw
        for part in declared.id.split("."):
            value = value.get(part, _MISSING) if isinstance(value, Mapping) else _MISSING
    if value is None:
        return _MISSING
    is_undefined = declared.type == "BOOLEAN" and value == "undefined"
    is_blank = value == "" and declared.type not in _TEXTS
    counts = declared.required and declared.type not in _PARSED
    return _MISSING if is_undefined or (is_blank and not counts) else value


def _default(declared: Input, choices: list[str] | None, scope: Scope) -> Any:
    value = declared.defaults
    if value is None:
        first = isinstance(declared, SelectInput | MultiselectInput) and declared.auto_select_first
        if not first or not choices:
            return None
        return choices[0] if isinstance(declared, SelectInput) else choices[:1]
    if isinstance(value, str):
        return compile_template(value).render(scope)
    return render_deep(value, scope)


def _with_choices(declared: Input, scope: Scope) -> Input:
    """Return an input with the values that its expression gives, where it has one.

    Raises:
        BadValue: the expression gives no list.
    """
    if not isinstance(declared, SelectInput | MultiselectInput) or declared.expression is None:
        return declared
    value = compile_template(declared.expression).render_typed(scope)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, list | tuple):
        raise BadValue("Invalid expression result. Expected a list of strings")
    values = tuple(
        item if isinstance(item, Mapping) else _choice(item) for item in value if item is not None
    )
    return msgspec.structs.replace(declared, values=values, expression=None)


def _choices(declared: Input) -> list[str] | None:
    """Return the values to choose from, or None for inputs without."""
    if isinstance(declared, EnumInput | SelectInput | MultiselectInput):
        return [_choice(item) for item in declared.values]
    return None


def _choice(item: Any) -> str:
    if isinstance(item, Mapping):
        item = item.get("value", item.get("label"))
    return as_text(item)


def _parsed(declared: Input, given: Any, choices: list[str] | None, encrypt: Encrypt | None) -> Any:
    if declared.type == "SECRET":
        return parse_secret(declared, given, encrypt)
    if declared.type == "ARRAY":
        return parse_items(array_item_type(declared), given, commas=False)
    if isinstance(declared, MultiselectInput):
        items = parse_items(declared.item_type, given, commas=True)
        if not declared.allow_custom_value:
            _check_all(items, choices or [])
        return items
    value = parse_value(declared.type, given)
    if isinstance(declared, EnumInput) or (
        isinstance(declared, SelectInput) and not declared.allow_custom_value
    ):
        check_choice(value, choices or [])
    check_limits(declared, value)
    return value


def _check_all(items: Sequence[Any], choices: list[str]) -> None:
    shown = f"`[{', '.join(choices)}]`"
    texts = [as_text(item) for item in items]
    causes = [
        f"value `{text}` doesn't match the values {shown}" for text in texts if text not in choices
    ]
    if causes:
        raise BadValue(*causes)
