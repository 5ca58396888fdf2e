"""What a task gets to work with: rendering, logging, files, stores, news that it must end."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from domain.errors import InvalidInput, NotFound
from domain.execution.commands import ExecutionCommand
from domain.execution.requests import TaskRequest
from domain.expression import (
    DEFAULT_LIMITS,
    Lookups,
    Scope,
    compile_template,
    is_truthy_text,
    render_deep,
)
from domain.log import LogEntry
from domain.ports.clock import Clock
from domain.ports.encryption import Encryption
from domain.ports.files import NamespaceFiles
from domain.ports.kv import KeyValues
from domain.ports.stores import Blobs
from domain.trigger.commands import TriggerCommand
from streams.worker.folder import WorkingFolder
from streams.worker.interruption import Interruption
from streams.worker.tasklog import TaskLog

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
_LONGEST_NAME = 150


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """The outside world of all attempts of a worker."""

    blobs: Blobs
    kv: KeyValues
    files: NamespaceFiles
    encryption: Encryption
    lookups: Callable[[RunContext], Lookups]
    """Makes what answers impure functions of an attempt's expressions."""
    logs: Callable[[str], Iterator[LogEntry]]
    """Log lines of an execution, in order, as far as they are on the log."""
    command: Callable[[ExecutionCommand], None]
    """Sends a command to an execution and waits until it is durable."""
    trigger_command: Callable[[TriggerCommand], None]
    """Sends a command to a trigger and waits until it is durable."""
    clock: Clock
    zone: tzinfo
    """The server's time zone, default of dates in expressions."""


class _Variables(dict[str, Any]):
    """The render context; the working directory is made when an expression asks for it."""

    __slots__ = ("_folder",)

    def __init__(self, variables: Mapping[str, Any], folder: WorkingFolder) -> None:
        super().__init__(variables)
        self._folder = folder

    def __missing__(self, name: str) -> Any:
        if name == "workingDir":
            return str(self._folder.root)
        if name == "outputDir":
            return str(self._folder.path("output-files/x").parent)
        raise KeyError(name)


class _Recording:
    """Lookups, made when first needed, that have every secret masked which they give away."""

    __slots__ = ("_context", "_lookups")

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._lookups: Lookups | None = None

    def call(self, name: str, arguments: Mapping[str, Any], scope: Scope) -> Any:
        """Answer as the lookups behind do."""
        context = self._context
        if self._lookups is None:
            self._lookups = context.services.lookups(context)
        value = self._lookups.call(name, arguments, scope)
        if name in ("secret", "credential", "decrypt"):
            context.out.redactor.add(value)
        return value


class RunContext:
    """One attempt of one task, as its code sees it.

    Attributes:
        request: what the executor asked for.
        task_id: the running task; a child of a WorkingDirectory has its own.
        task_run_id: its task run.
        out: the attempt's log lines and metrics.
        folder: the working directory, made on first use.
        interruption: tells when to end.
        services: stores and the rest of the world.
        variables: the render context; never changed by rendering.
    """

    __slots__ = (
        "_scope",
        "folder",
        "interruption",
        "out",
        "request",
        "services",
        "task_id",
        "task_run_id",
        "variables",
    )

    def __init__(
        self,
        request: TaskRequest,
        services: Services,
        out: TaskLog,
        folder: WorkingFolder,
        *,
        task_id: str,
        task_run_id: str,
        variables: Mapping[str, Any],
        interruption: Interruption,
    ) -> None:
        self.request = request
        self.services = services
        self.out = out
        self.folder = folder
        self.task_id = task_id
        self.task_run_id = task_run_id
        self.variables: Mapping[str, Any] = _Variables(variables, folder)
        self.interruption = interruption
        self._scope: Scope | None = None

    # -- who we are

    @property
    def tenant(self) -> str:
        """Tenant id."""
        return self.request.tenant

    @property
    def namespace(self) -> str:
        """Namespace of the flow."""
        return self.request.namespace

    @property
    def flow_id(self) -> str:
        """Flow id."""
        return self.request.flow_id

    @property
    def execution_id(self) -> str:
        """Execution id."""
        return self.request.execution_id

    # -- expressions

    @property
    def scope(self) -> Scope:
        """The surroundings of this attempt's renderings."""
        if self._scope is None:
            self._scope = self.scope_of(self.variables)
        return self._scope

    def scope_of(self, variables: Mapping[str, Any]) -> Scope:
        """Return a scope with the attempt's lookups and other variables."""
        return Scope(variables, _Recording(self), DEFAULT_LIMITS, zone=self.services.zone)

    def render(self, text: str) -> str:
        """Return a template's text. Raises ExpressionError."""
        return compile_template(text).render(self.scope) if "{" in text else text

    def render_typed(self, text: str) -> Any:
        """Return the value of a template that is one expression, else its text."""
        return compile_template(text).render_typed(self.scope) if "{" in text else text

    def render_deep(self, value: Any) -> Any:
        """Render every text inside a value."""
        return render_deep(value, self.scope)

    def is_true(self, text: str) -> bool:
        """Tell whether a template renders to something truthy."""
        return is_truthy_text(self.render(text))

    # -- metrics

    def counter(self, name: str, value: float, tags: dict[str, str] | None = None) -> None:
        """Measure an amount."""
        self.out.measure("counter", name, float(value), tags or {})

    def gauge(self, name: str, value: float, tags: dict[str, str] | None = None) -> None:
        """Measure a level."""
        self.out.measure("gauge", name, float(value), tags or {})

    def timer(self, name: str, span: timedelta, tags: dict[str, str] | None = None) -> None:
        """Measure a time."""
        self.out.measure("timer", name, span / timedelta(milliseconds=1), tags or {})

    # -- interruption

    @property
    def interrupted(self) -> bool:
        """Whether the attempt is to end now."""
        return self.interruption.is_told

    def check(self) -> None:
        """Raise Interrupted when the attempt is to end now. For loops that may take long."""
        self.interruption.check()

    def sleep(self, seconds: float) -> None:
        """Wait; raises Interrupted as soon as the attempt is to end."""
        self.interruption.wait(seconds)

    # -- files

    def store(self, data: BinaryIO | bytes | Path, name: str = "") -> str:
        """Put a file into internal storage as this task run's own.

        Args:
            data: bytes, an open binary file, or the path of one.
            name: last part of its name; an extension such as `.csv` is enough.

        Returns:
            Its URI; no two calls give the same.
        """
        safe = _UNSAFE.sub("-", name.replace("\\", "/").rsplit("/", 1)[-1])[-_LONGEST_NAME:]
        # nineteen digits: what clients have always seen there
        stem = 10**18 + uuid.uuid4().int % (9 * 10**18)
        ending = safe if safe.startswith(".") else f"-{safe}" if safe else ".tmp"
        uri = f"{self.task_uri}/{stem}{ending}"
        if isinstance(data, Path):
            with data.open("rb") as file:
                return self.services.blobs.put(uri, file)
        return self.services.blobs.put(uri, data)

    def open(self, uri: str) -> BinaryIO:
        """Open a file by URI: internal storage, or `nsfile:///path` of a namespace.

        Raises:
            InvalidInput: not such a URI, or a file that this execution may not read.
            NotFound: there is no such file.
        """
        return self.services.blobs.open(self.resolve(uri))

    def size(self, uri: str) -> int:
        """Return the bytes of a file. Raises as `open` does."""
        return self.services.blobs.size(self.resolve(uri))

    def resolve(self, uri: str) -> str:
        """Return the internal storage URI of a file that this execution may read.

        Raises:
            InvalidInput: not the URI of a file, or one that this execution may not read.
            NotFound: a namespace file that does not exist.
        """
        if uri.startswith("kestra:///"):
            self._permit(uri)
            return uri
        if uri.startswith("nsfile://"):
            namespace, _, path = uri.removeprefix("nsfile://").partition("/")
            found = self.services.files.find(self.tenant, namespace or self.namespace, "/" + path)
            if found is None:
                raise NotFound(f"There is no namespace file {uri!r}.")
            return found.uri
        raise InvalidInput(
            f"{uri!r} is not the URI of a file: it begins with kestra:/// or nsfile:///."
        )

    @property
    def flow_uri(self) -> str:
        """Folder of the flow in internal storage."""
        return f"kestra:///{self.namespace.replace('.', '/')}/{slug(self.flow_id)}"

    @property
    def execution_uri(self) -> str:
        """Folder of the execution in internal storage."""
        return f"{self.flow_uri}/executions/{self.execution_id}"

    @property
    def task_uri(self) -> str:
        """Folder of the task run in internal storage."""
        return f"{self.execution_uri}/tasks/{slug(self.task_id)}/{self.task_run_id}"

    def _permit(self, uri: str) -> None:
        """Own namespace, or an execution named by the trigger that started this one."""
        if ".." in uri.split("/"):
            raise InvalidInput(f"The URI {uri!r} has `..` in it.")
        if uri.startswith(f"kestra:///{self.namespace.replace('.', '/')}/"):
            return
        trigger = self.variables.get("trigger")
        source = trigger.get("executionId") if isinstance(trigger, Mapping) else None
        if isinstance(source, str) and source and f"/executions/{source}/" in uri:
            return
        raise InvalidInput(f"The file {uri!r} belongs to another namespace.")


def slug(name: str) -> str:
    """Return an id as it stands in paths of internal storage."""
    return "".join(c if c.isalnum() or c in "-." else "-" for c in name).lower()
