"""Answers for every impure function, on a worker or webserver, by way of the ports."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from domain.errors import NotFound
from domain.expression.chance import ksuid, nano_id, random_int
from domain.expression.data import read_json
from domain.expression.errors import Fault
from domain.expression.filters.dates import format_now, moment_of
from domain.expression.scope import Scope
from domain.ids import DEFAULT_TENANT
from domain.ports.clock import Clock
from domain.ports.files import NamespaceFiles
from domain.ports.kv import KeyValues
from domain.ports.stores import Blobs, Secrets
from infra.expression import chance, cipher, web
from infra.expression.files import FileFunctions, Origin
from infra.expression.jq_pool import JqPool


class World(msgspec.Struct, frozen=True, kw_only=True):
    """The ports behind the functions; the same for every rendering of a process."""

    clock: Clock
    secrets: Secrets
    kv: KeyValues
    files: NamespaceFiles
    blobs: Blobs
    jq: JqPool
    envs: Mapping[str, str] = {}
    """What `env()` sees: names in lower case, without prefix."""
    is_http_allowed: bool = True
    """Whether expressions may send requests."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rendering happens."""

    tenant: str = DEFAULT_TENANT
    namespace: str = ""
    """Of the flow; default of secrets, key-value entries and files."""
    origins: tuple[Origin, ...] = ()
    """Executions whose files may be read."""
    error_logs: Callable[[], list[Mapping[str, Any]]] | None = None
    """Log entries of level ERROR of the execution, oldest first; None where there is none."""
    subflow: Callable[[Mapping[str, Any]], Any] | None = None
    """Runs a flow and waits; None anywhere but where a flow's inputs are rendered."""

    @classmethod
    def of(cls, variables: Mapping[str, Any], **others: Any) -> Place:
        """Return the place that the variables of an execution tell.

        Args:
            variables: with `flow`, `execution` and `trigger`, as far as they are there.
            others: further fields.
        """
        flow = _map(variables.get("flow"))
        trigger = _map(variables.get("trigger"))
        execution = _map(variables.get("execution"))
        namespace = str(flow.get("namespace") or "")
        origins: list[Origin] = []
        for owner, execution_id, flow_id in (
            (flow, execution.get("id"), flow.get("id")),
            (trigger, trigger.get("executionId"), trigger.get("flowId")),
        ):
            if execution_id and flow_id and owner.get("namespace"):
                origins.append(Origin(str(owner["namespace"]), str(flow_id), str(execution_id)))
        tenant = str(flow.get("tenantId") or DEFAULT_TENANT)
        fields = {"tenant": tenant, "namespace": namespace, "origins": tuple(origins)}
        return cls(**(fields | others))


class RuntimeLookups:
    """Answers impure functions as they are asked; nothing is kept between two calls."""

    __slots__ = ("_files", "_place", "_world")

    def __init__(self, world: World, place: Place) -> None:
        self._world = world
        self._place = place
        self._files = FileFunctions(
            world.blobs, world.files, place.tenant, place.namespace, place.origins
        )

    def call(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        """Return the function's value; see `domain.expression.Lookups`.

        Raises:
            Fault: it cannot be answered.
        """
        try:
            return self._answer(name, arguments, scope)
        except NotFound as error:
            raise Fault(str(error)) from None

    def _answer(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        match name:
            case "now":
                return format_now(self._world.clock.now(), arguments, scope)
            case "secret":
                return self._secret(arguments)
            case "kv":
                return self._kv(arguments)
            case "env":
                return self._env(arguments)
            case "http":
                return self._http(arguments, scope)
            case "errorLogs":
                return self._error_logs()
            case "subflow":
                return self._subflow(arguments, scope)
            case "isPublicHoliday":
                return self._is_public_holiday(arguments, scope)
            case "jq":
                return self._world.jq.run(arguments["expression"], arguments["input"])
            case "encrypt":
                return cipher.encrypt(arguments["key"], arguments["plaintext"])
            case "decrypt":
                return cipher.decrypt(arguments["key"], arguments["encrypted"])
            case "uuid":
                return chance.new_uuid()
            case "id":
                return chance.new_id()
            case "ksuid":
                return ksuid(self._world.clock.now(), secrets.randbelow)
            case "nanoId":
                return nano_id(arguments, secrets.randbelow)
            case "randomInt":
                return random_int(arguments, secrets.randbelow)
            case "randomPort":
                return chance.random_port()
            case _:
                return self._file(name, arguments, scope)

    def _file(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        namespace, files = arguments.get("namespace"), self._files
        match name:
            case "read":
                longest = scope.limits.output_characters
                return files.read(arguments["path"], namespace, arguments["version"], longest)
            case "fileURI":
                return files.uri(arguments["path"], namespace, arguments["version"])
            case "fileSize":
                return files.size(arguments["uri"], namespace)
            case "fileExists":
                return files.exists(arguments["uri"], namespace)
            case "isFileEmpty" | "fileEmpty":
                return files.size(arguments["uri"], namespace) == 0
            case _:
                raise Fault(f"Function [{name}] is not available on this server.")

    def line_count(self, uri: str, most: int, longest: int) -> int:
        """Return how many values a file has: see `FileFunctions.line_count`."""
        try:
            return self._files.line_count(uri, most, longest)
        except NotFound as error:
            raise Fault(str(error)) from None

    def lines(self, uri: str, at: int, most: int, longest: int) -> tuple[list[str], int]:
        """Return some values of a file: see `FileFunctions.lines`."""
        try:
            return self._files.lines(uri, at, most, longest)
        except NotFound as error:
            raise Fault(str(error)) from None

    def _secret(self, arguments: Mapping[str, Any]) -> Any:
        key, subkey = _text(arguments["key"], "key"), arguments["subkey"]
        value = self._found_secret(key, arguments["namespace"])
        if subkey is not None:
            members = read_json(value)
            if not isinstance(members, dict) or subkey not in members:
                raise Fault(f"Cannot find secret sub-key '{subkey}' in secret '{key}'.")
            value = members[subkey]
        return {"value": value, "metadata": {}} if arguments["full"] is True else value

    def _found_secret(self, key: str, namespace: Any) -> str:
        place = self._place.namespace if namespace is None else _text(namespace, "namespace")
        for candidate in _with_parents(place):
            try:
                return self._world.secrets.secret(self._place.tenant, candidate, key)
            except NotFound:
                continue
        raise Fault(f"Cannot find secret for key '{key}'.")

    def _kv(self, arguments: Mapping[str, Any]) -> Any:
        key, namespace = _text(arguments["key"], "key"), arguments["namespace"]
        own = self._place.namespace if namespace is None else _text(namespace, "namespace")
        # parents are looked into unless a namespace is named
        for candidate in _with_parents(own) if namespace is None else [own]:
            entry = self._world.kv.get(self._place.tenant, candidate, key)
            if entry is not None and not entry.is_expired(self._world.clock.now()):
                return entry.value
        if arguments["errorOnMissing"] is False:
            return None
        raise Fault(f"The key '{key}' does not exist in the namespace '{own}'.")

    def _http(self, arguments: Mapping[str, Any], scope: Scope) -> Any:
        if not self._world.is_http_allowed:
            raise Fault("Function [http] is not available on this server.")
        return web.request(arguments, scope.limits.output_characters)

    def _error_logs(self) -> Any:
        if self._place.error_logs is None:
            raise Fault("The 'errorLogs' function can only be used inside a task.")
        return [dict(entry) for entry in self._place.error_logs()]

    def _subflow(self, arguments: Mapping[str, Any], scope: Scope) -> Any:
        inside = "taskrun" in scope.variables or "trigger" in scope.variables
        if self._place.subflow is None or inside:
            raise Fault("The 'subflow' function can only be used at flow-input render time.")
        return self._place.subflow(arguments)

    def _env(self, arguments: Mapping[str, Any]) -> Any:
        name = _text(arguments["name"], "name")
        return self._world.envs.get(name.lower()) or arguments["default"]

    def _is_public_holiday(self, arguments: Mapping[str, Any], scope: Scope) -> Any:
        import holidays  # large: only for who asks

        moment = moment_of(arguments["date"], scope)
        # the condition PublicHoliday may leave the country to the server's locale
        country = arguments["country"] or scope.locale[-2:]
        division = str(arguments["subDivision"] or "").strip().rpartition("-")[2].upper()
        try:
            known = holidays.country_holidays(country, years=moment.year)
        except NotImplementedError as error:
            raise Fault(str(error)) from None
        if division in known.subdivisions:
            known = holidays.country_holidays(country, subdiv=division, years=moment.year)
        return moment.date() in known


def _with_parents(namespace: str) -> list[str]:
    """Return a namespace and those above it, nearest first."""
    parts = namespace.split(".")
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)]


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise Fault(f"A text is expected as argument '{name}'.")
    return value


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
