"""`namespace.*`: the files of namespaces."""

from __future__ import annotations

import shutil
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from domain.errors import InvalidInput, NotFound
from domain.ports.files import FileVersion
from infra.plugins.kv import in_namespaces
from streams.worker.context import RunContext
from streams.worker.errors import TaskFailed
from streams.worker.files import chosen, put_files
from streams.worker.plugin import TaskPlugin


class UploadProperties(msgspec.Struct, rename="camel"):
    """Properties of `namespace.UploadFiles`."""

    namespace: str | None = None
    files: list[str] | dict[str, Any] | None = None
    """Globs of the working directory, or name -> text or URI."""
    files_map: dict[str, Any] | None = None
    destination: str = "/"
    conflict: Literal["OVERWRITE", "ERROR", "SKIP"] = "OVERWRITE"


def upload(context: RunContext, properties: UploadProperties) -> dict[str, Any]:
    """Write namespace files."""
    namespace = properties.namespace or context.namespace
    wanted = properties.files
    named = dict(properties.files_map or (wanted if isinstance(wanted, dict) else {}))
    written: dict[str, str] = {}
    if named:
        put_files(context, named)
    patterns = [str(name).removeprefix("/") for name in named]
    patterns += wanted if isinstance(wanted, list) else []
    for name in context.folder.glob(patterns):
        path = f"{properties.destination.rstrip('/')}/{name}"
        files = context.services.files
        if files.find(context.tenant, namespace, path) is not None:
            if properties.conflict == "ERROR":
                raise TaskFailed(f"File {path} already exists and conflict is set to ERROR")
            if properties.conflict == "SKIP":
                context.out.debug(f"The file {path} exists, it is left as it is.")
                continue
        with (context.folder.root / name).open("rb") as file:
            written[path.lstrip("/")] = files.put(context.tenant, namespace, path, file).uri
    return {"files": written}


class SelectProperties(msgspec.Struct, rename="camel"):
    """Properties of `namespace.DownloadFiles` and `namespace.DeleteFiles`."""

    files: str | list[str]
    """A path or glob, or several."""
    namespace: str | None = None
    delete_parent_folder: bool = False
    """`namespace.DeleteFiles`: understood; folders without files do not exist anyway."""
    destination: str = ""
    """`namespace.DownloadFiles`: prefix of the names in the outputs."""


def download(context: RunContext, properties: SelectProperties) -> dict[str, Any]:
    """Copy namespace files into the execution."""
    copies: dict[str, str] = {}
    for file in _selected(context, properties):
        copy = context.folder.scratch()
        with context.services.blobs.open(file.uri) as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target)
        name = properties.destination + file.path.removeprefix("/")
        copies[name] = context.store(copy, name.rsplit("/", 1)[-1])
    return {"files": copies}


def delete(context: RunContext, properties: SelectProperties) -> dict[str, Any]:
    """Delete namespace files."""
    gone: dict[str, str] = {}
    for file in _selected(context, properties):
        context.services.files.delete(context.tenant, file.namespace, file.path)
        gone[file.path.removeprefix("/")] = file.uri
    return {"files": gone}


class PurgeProperties(msgspec.Struct, rename="camel"):
    """Properties of `namespace.PurgeFiles`."""

    namespaces: list[str] | None = None
    namespace_pattern: str | None = None
    file_pattern: str | None = None
    include_child_namespaces: bool = True
    behavior: dict[str, Any] | None = None
    """`{type: version, keepAmount: n}` or `{type: version, before: instant}`. Default: keep 1."""


def purge(context: RunContext, properties: PurgeProperties) -> dict[str, int]:
    """Delete old versions of namespace files, never the latest one."""
    behavior = properties.behavior or {"type": "version", "keepAmount": 1}
    keep, before = behavior.get("keepAmount"), behavior.get("before")
    if (keep is None) == (before is None):
        raise InvalidInput("Give either `before` or `keepAmount` in `behavior`.")
    limit = datetime.fromisoformat(str(before)) if before is not None else None
    size = 0
    for namespace in _namespaces(context, properties):
        for file in context.services.files.below(context.tenant, namespace):
            if properties.file_pattern and not chosen(file.path, [properties.file_pattern], []):
                continue
            versions = context.services.files.versions(context.tenant, namespace, file.path)
            if keep is not None:
                old = versions[: -max(1, int(keep))]
            else:
                old = [v for v in versions[:-1] if limit is not None and v.modified < limit]
            for version in old:
                size += context.services.files.delete(
                    context.tenant, namespace, file.path, version.version
                )
    return {"size": size}


def _namespaces(context: RunContext, properties: PurgeProperties) -> list[str]:
    """The namespaces with files that are meant; without a list or pattern, the flow's own."""
    listed = properties.namespaces
    if not listed and not properties.namespace_pattern:
        listed = [context.namespace]
    return [
        namespace
        for namespace in context.services.files.namespaces(context.tenant)
        if in_namespaces(
            namespace,
            listed,
            properties.namespace_pattern,
            children=properties.include_child_namespaces,
        )
    ]


def _selected(context: RunContext, properties: SelectProperties) -> list[FileVersion]:
    namespace = properties.namespace or context.namespace
    wanted = properties.files if isinstance(properties.files, list) else [properties.files]
    files = context.services.files.below(context.tenant, namespace)
    found = [file for file in files if chosen(file.path, wanted, [])]
    if not found and all(not any(c in name for c in "*?[{") for name in wanted):
        raise NotFound(f"There are no namespace files {', '.join(wanted)} in {namespace}.")
    return found


_PACKAGE: Final = "io.kestra.plugin.core.namespace."
PLUGINS: Final = (
    TaskPlugin(name=_PACKAGE + "UploadFiles", properties=UploadProperties, run=upload),
    TaskPlugin(name=_PACKAGE + "DownloadFiles", properties=SelectProperties, run=download),
    TaskPlugin(name=_PACKAGE + "DeleteFiles", properties=SelectProperties, run=delete),
    TaskPlugin(name=_PACKAGE + "PurgeFiles", properties=PurgeProperties, run=purge),
)
