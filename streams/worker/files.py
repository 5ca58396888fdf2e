"""Files that come into a working directory before a task, and those that are kept after it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from typing import Any

import msgspec

from domain.errors import InvalidInput
from streams.worker.context import RunContext
from streams.worker.globs import file_pattern


class NamespaceFilesWanted(msgspec.Struct, rename="camel"):
    """Which files of which namespaces come into the working directory."""

    enabled: bool = True
    include: list[str] = []
    exclude: list[str] = []
    namespaces: list[str] = []
    if_exists: str = "OVERWRITE"
    """OVERWRITE, FAIL, WARN or IGNORE."""
    folder_per_namespace: bool = False


def put_files(context: RunContext, files: Any) -> None:
    """Write input files into the working directory.

    Args:
        context: whose directory.
        files: name -> text or URI, or the JSON text of such a map; templates are rendered.

    Raises:
        InvalidInput: no map, or a name that leads outside.
        NotFound: a URI without a file.
    """
    if isinstance(files, str):
        files = context.render_typed(files)
        if isinstance(files, str):
            files = msgspec.json.decode(files)
    if not isinstance(files, Mapping):
        raise InvalidInput("Input files are a map of names to contents.")
    for name, content in context.render_deep(dict(files)).items():
        path = context.folder.path(str(name).removeprefix("/"))
        text = content if isinstance(content, str) else msgspec.json.encode(content).decode()
        if re.match(r"(kestra|nsfile)://\S+$", text):
            with context.open(text) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
        else:
            path.write_text(text, encoding="utf-8")


def put_namespace_files(context: RunContext, wanted: NamespaceFilesWanted) -> None:
    """Write files of namespaces into the working directory; a later namespace overwrites.

    Raises:
        InvalidInput: a file is there already and `if_exists` is FAIL.
    """
    files = context.services.files
    for namespace in wanted.namespaces or [context.namespace]:
        for file in files.below(context.tenant, namespace):
            if not chosen(file.path, wanted.include, wanted.exclude):
                continue
            name = file.path.removeprefix("/")
            path = context.folder.path(
                f"{namespace}/{name}" if wanted.folder_per_namespace else name
            )
            if path.exists():
                if wanted.if_exists == "FAIL":
                    raise InvalidInput(f"The file {name} exists already.")
                if wanted.if_exists == "WARN":
                    context.out.warn(f"The file {name} exists already, it is left as it is.")
                if wanted.if_exists in ("WARN", "IGNORE"):
                    continue
            with context.services.blobs.open(file.uri) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)


def chosen(path: str, include: list[str], exclude: list[str]) -> bool:
    """Tell whether a namespace file (`/a/b.txt`) is included (none: all are) and not excluded."""
    if include and not any(_matches(path, pattern) for pattern in include):
        return False
    return not any(_matches(path, pattern) for pattern in exclude)


def keep_files(context: RunContext, patterns: list[str]) -> dict[str, str]:
    """Put files of the working directory into internal storage.

    Args:
        context: whose directory.
        patterns: globs, relative to it.

    Returns:
        Relative path -> URI.
    """
    root = context.folder.root
    return {
        name: context.store(root / name, name.rsplit("/", 1)[-1])
        for name in context.folder.glob(patterns)
    }


def _matches(path: str, pattern: str) -> bool:
    if pattern.startswith(("glob:", "regex:")):
        return file_pattern(pattern).fullmatch(path) is not None
    if pattern.startswith("/"):
        return file_pattern(pattern).fullmatch(path) is not None
    return file_pattern("**/" + pattern).fullmatch(path) is not None
