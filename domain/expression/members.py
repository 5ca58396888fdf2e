"""What `value.name`, `value[key]` and `value.name(arguments)` may reach.

Keys of maps, indexes of lists, and the members listed here; never attributes of Python objects. A
missing one is a `KeyError`, which the calling node reports as undefined.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.expression.errors import Fault
from domain.expression.member_tables import attributes_of, entry_of, methods_of
from domain.expression.runtime import Run
from domain.expression.text import java_text
from domain.expression.values import SEQUENCES


def read_member(value: Any, key: Any) -> Any:
    """Return an entry, element or attribute.

    Raises:
        KeyError: there is none of that name.
        Fault: the key cannot be a key, or the attribute is denied.
    """
    if isinstance(value, Mapping):
        return entry_of(value, key)
    if isinstance(value, SEQUENCES):
        return _element(value, key)
    if not isinstance(key, str):
        raise KeyError(key)
    if key == "class" and value is not None:
        raise Fault("Access to the class of a value is denied.")
    if key == "toString" and value is not None:
        return java_text(value)
    attributes = attributes_of(value)
    if key not in attributes:
        raise KeyError(key)
    return attributes[key](value)


def _element(value: Any, key: Any) -> Any:
    if isinstance(key, bool):
        raise KeyError(key)
    if isinstance(key, str):
        attributes = attributes_of(value)
        if key in attributes:
            return attributes[key](value)
        if key == "class":
            raise Fault("Access to the class of a value is denied.")
        if len(key) > 12 or not (key.isascii() and key.isdecimal()):
            raise KeyError(key)
        key = int(key)
    if not isinstance(key, int) or not 0 <= key < len(value):
        raise KeyError(key)
    return value[key]


def call_member(run: Run, value: Any, name: str, arguments: list[Any]) -> Any:
    """Return what a member returns for arguments.

    Raises:
        KeyError: the value has no such member, or not with so many arguments.
        Fault: the arguments do not fit, or the member is denied.
    """
    if name in ("getClass", "class"):
        raise Fault("Access to the class of a value is denied.")
    if not arguments and name == "toString":
        return java_text(value, run.scope.limits.output_characters)
    member = methods_of(value).get((name, len(arguments)))
    if member is not None:
        return member(run, value, *arguments)
    if arguments:
        raise KeyError(name)
    attributes = attributes_of(value)
    for spelling in (name, _property(name)):
        if spelling in attributes:
            return attributes[spelling](value)
    raise KeyError(name)


def _property(name: str) -> str:
    """Return `year` for `getYear`, `zero` for `isZero`."""
    for start in ("get", "is"):
        if name.startswith(start) and len(name) > len(start):
            return name[len(start)].lower() + name[len(start) + 1 :]
    return name
