"""`storage.*`: files of internal storage."""

from __future__ import annotations

import mmap
import shutil
from pathlib import Path
from typing import Any, Final

import msgspec

from domain.errors import InvalidInput, NotFound
from infra.storage.split import Splitter, lines_of, parse_size
from streams.worker.context import RunContext
from streams.worker.errors import TaskFailed
from streams.worker.files import keep_files, put_files
from streams.worker.plugin import TaskPlugin


class FileOutputs(msgspec.Struct):
    """Outputs of tasks that make one file."""

    uri: str


class WriteProperties(msgspec.Struct):
    """Properties of `storage.Write`."""

    content: str
    extension: str | None = None


def write(context: RunContext, properties: WriteProperties) -> FileOutputs:
    """Write a text to a file."""
    return FileOutputs(context.store(properties.content.encode(), _suffix(properties.extension)))


class ConcatProperties(msgspec.Struct):
    """Properties of `storage.Concat`."""

    files: list[str] | str
    """URIs, or a JSON text of a list of them."""
    separator: str | None = None
    """Follows every file, the last one too."""
    extension: str | None = ".tmp"


def concat(context: RunContext, properties: ConcatProperties) -> FileOutputs:
    """Join files."""
    files = properties.files
    if isinstance(files, str):
        text = files.strip()
        files = msgspec.json.decode(text, type=list[str]) if text.startswith("[") else [text]
    path = context.folder.scratch()
    with path.open("wb") as target:
        for uri in files:
            context.check()
            if uri:
                with context.open(uri) as source:
                    shutil.copyfileobj(source, target)
                target.write((properties.separator or "").encode())
    return FileOutputs(context.store(path, _suffix(properties.extension)))


class SplitProperties(msgspec.Struct, rename={"from_": "from", "regex_pattern": "regexPattern"}):
    """Properties of `storage.Split`; the first of bytes, partitions, rows, regexPattern counts."""

    from_: str
    bytes: str | None = None
    partitions: int | None = None
    rows: int | None = None
    separator: str = "\n"
    regex_pattern: str | None = None


class FilesOutputs(msgspec.Struct):
    """Outputs of tasks that make several files."""

    uris: list[str]


def split(context: RunContext, properties: SplitProperties) -> FilesOutputs:
    """Cut a file of lines into parts."""
    folder = context.folder.scratch()
    folder.mkdir()
    splitter = Splitter(folder, _suffix_of(properties.from_), context.check)
    with context.open(properties.from_) as file:
        lines = lines_of(file, properties.separator.encode() or b"\n")
        if properties.bytes is not None:
            parts = splitter.by_bytes(lines, parse_size(properties.bytes))
        elif properties.partitions is not None:
            parts = splitter.into(lines, properties.partitions)
        elif properties.rows is not None:
            parts = splitter.by_rows(lines, properties.rows)
        elif properties.regex_pattern is not None:
            parts = splitter.by_pattern(lines, properties.regex_pattern)
        else:
            raise InvalidInput("Give one of `bytes`, `partitions`, `rows` and `regexPattern`.")
    return FilesOutputs([context.store(part, part.name) for part in parts])


class UriProperties(msgspec.Struct, rename="camel"):
    """Properties of `storage.Size` and `storage.Delete`."""

    uri: str
    error_on_missing: bool = False


def size(context: RunContext, properties: UriProperties) -> dict[str, int]:
    """Measure a file."""
    return {"size": context.size(properties.uri)}


def delete(context: RunContext, properties: UriProperties) -> dict[str, Any]:
    """Delete a file."""
    deleted = context.services.blobs.delete(context.resolve(properties.uri)) > 0
    if not deleted and properties.error_on_missing:
        raise TaskFailed(f"Unable to find file '{properties.uri}'")
    return {"uri": properties.uri, "deleted": deleted}


class ReverseProperties(msgspec.Struct, rename={"from_": "from"}):
    """Properties of `storage.Reverse`."""

    from_: str
    separator: str = "\n"
    charset: str = "UTF-8"


def reverse(context: RunContext, properties: ReverseProperties) -> FileOutputs:
    """Turn the lines of a file around; every line ends in the separator."""
    try:
        separator = properties.separator.encode(properties.charset)
    except LookupError as error:
        raise InvalidInput(f"There is no charset {properties.charset!r}.") from error
    source = context.folder.scratch()
    with context.open(properties.from_) as file, source.open("wb") as copy:
        shutil.copyfileobj(file, copy)
    target = context.folder.scratch()
    _reverse(source, target, separator or b"\n")
    return FileOutputs(context.store(target, _suffix_of(properties.from_)))


class LocalFilesProperties(msgspec.Struct):
    """Properties of `storage.LocalFiles`."""

    inputs: Any = None
    outputs: list[str] | None = None


def local_files(context: RunContext, properties: LocalFilesProperties) -> dict[str, Any]:
    """Bring files into the working directory, and keep others of it."""
    if properties.inputs:
        put_files(context, properties.inputs)
    return {"uris": keep_files(context, properties.outputs or [])}


class NoProperties(msgspec.Struct):
    """No properties."""


def purge_execution(context: RunContext, properties: NoProperties) -> FilesOutputs:
    """Delete the files of this execution."""
    del properties
    blobs = context.services.blobs
    uris = list(blobs.list(context.execution_uri))
    try:
        blobs.delete(context.execution_uri)
    except NotFound:
        return FilesOutputs([])
    return FilesOutputs(uris)


def _reverse(source: Path, target: Path, separator: bytes) -> None:
    """Write the lines of a file in reverse, from its end, without holding them all."""
    with source.open("rb") as file, target.open("wb") as out:
        length = source.stat().st_size
        if length == 0:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            end = length
            if data[max(0, length - len(separator)) :] == separator:
                end -= len(separator)
            while True:
                start = data.rfind(separator, 0, end)
                line = start + len(separator) if start >= 0 else 0
                out.write(data[line:end])
                out.write(separator)
                if start < 0:
                    return
                end = start


def _suffix(extension: str | None) -> str:
    if not extension:
        return ""
    return extension if extension.startswith(".") else "." + extension


def _suffix_of(uri: str) -> str:
    name = uri.rsplit("/", 1)[-1]
    return "." + name.rsplit(".", 1)[1] if "." in name else ""


_PACKAGE: Final = "io.kestra.plugin.core.storage."
PLUGINS: Final = (
    TaskPlugin(name=_PACKAGE + "Write", properties=WriteProperties, run=write),
    TaskPlugin(name=_PACKAGE + "Concat", properties=ConcatProperties, run=concat),
    TaskPlugin(name=_PACKAGE + "Split", properties=SplitProperties, run=split),
    TaskPlugin(name=_PACKAGE + "Size", properties=UriProperties, run=size),
    TaskPlugin(name=_PACKAGE + "Delete", properties=UriProperties, run=delete),
    TaskPlugin(name=_PACKAGE + "Reverse", properties=ReverseProperties, run=reverse),
    TaskPlugin(
        name=_PACKAGE + "LocalFiles",
        properties=LocalFilesProperties,
        run=local_files,
        raw=frozenset({"inputs"}),
    ),
    TaskPlugin(
        name=_PACKAGE + "PurgeCurrentExecutionFiles", properties=NoProperties, run=purge_execution
    ),
)
