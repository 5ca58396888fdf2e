"""Reads configuration, a TOML file and the environment, into Structs; tells every error."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

import msgspec

from domain.duration import parse_duration
from domain.errors import InvalidInput, Violation

PREFIX = "TIDEWHEEL_"
_T = TypeVar("_T", bound=msgspec.Struct)


def load(kind: type[_T], environment: Mapping[str, str], file: Path | None = None) -> _T:
    """Return a configuration Struct of sections.

    A field `port` of section `api` is `[api] port` in the file and `TIDEWHEEL_API_PORT` in the
    environment, which wins; a field of the top is `TIDEWHEEL_ENGINE`. Durations are ISO-8601 or
    seconds; lists, maps and records are JSON in the environment.

    Raises:
        InvalidInput: an unreadable file, an unknown key or a value of the wrong type; all at once.
    """
    data = _read(file) if file is not None else {}
    known: dict[str, tuple[str, ...]] = {}
    for name, hint in get_type_hints(kind).items():
        if _is_section(hint):
            for field in msgspec.structs.fields(hint):
                known[f"{PREFIX}{name}_{field.name}".upper()] = (name, field.name)
        else:
            known[f"{PREFIX}{name}".upper()] = (name,)
    for variable, path in known.items():
        if variable in environment:
            target = data
            for step in path[:-1]:
                target = target.setdefault(step, {})
            target[path[-1]] = environment[variable]
    return _convert(kind, data)


def _is_section(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise InvalidInput(f"the configuration file {file} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"the configuration file {file} is not TOML: {error}") from error


def _convert(kind: type[_T], data: dict[str, Any]) -> _T:
    violations: list[Violation] = []
    values: dict[str, Any] = {}
    hints = get_type_hints(kind)
    for name, value in data.items():
        hint = hints.get(name)
        if hint is None:
            violations.append(Violation(f"unknown key, known are {sorted(hints)}", f"$.{name}"))
        elif _is_section(hint) and isinstance(value, dict):
            fields = get_type_hints(hint)
            section: dict[str, Any] = {}
            for key, item in value.items():
                if key not in fields:
                    remedy = f"known are {sorted(fields)}"
                    violations.append(Violation("unknown key", f"$.{name}.{key}", remedy=remedy))
                    continue
                _put(section, key, item, fields[key], f"$.{name}.{key}", violations)
            values[name] = hint(**section)
        else:
            _put(values, name, value, hint, f"$.{name}", violations)
    if violations:
        text = "; ".join(f"{v.path}: {v.message}" for v in violations)
        raise InvalidInput(f"the configuration is wrong: {text}", tuple(violations))
    return kind(**values)


def _put(
    target: dict[str, Any], key: str, value: Any, hint: Any, path: str, wrong: list[Violation]
) -> None:
    try:
        if hint is timedelta:
            target[key] = parse_duration(value)
            return
        is_record = _is_section(hint)
        if isinstance(value, str) and (is_record or get_origin(hint) in {dict, list, tuple}):
            value = msgspec.json.decode(value)
        if is_record and (unknown := set(value) - set(get_type_hints(hint))):
            raise ValueError(f"unknown keys {sorted(unknown)}")
        target[key] = msgspec.convert(value, hint, strict=False, dec_hook=_hook)
    except (msgspec.MsgspecError, ValueError) as error:
        wrong.append(Violation(f"{value!r} does not fit: {error}", path))


def _hook(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(f"no conversion to {kind}")
