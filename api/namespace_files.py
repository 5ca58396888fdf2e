"""The files of a namespace as a tree: files are kept, folders are there because files are."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable
from datetime import datetime
from typing import Any, BinaryIO

from api import flows
from api.context import Context
from api.errors import illegal_argument, not_found
from domain.ids import DEFAULT_TENANT
from domain.ports.files import FileVersion

_LARGEST_ZIP = 1024 * 1024 * 1024
_NAMESPACE_LINE = re.compile(r"^namespace:.*$", re.MULTILINE)


def clean(path: str) -> str:
    """Return a path as files have it; raises ApiError 422 when it leaves the tree."""
    if ".." in path.replace("\\", "/").split("/"):
        raise illegal_argument(
            "File should be accessed with their full path and not using relative '..' path."
        )
    return "/" + path.strip("/")


def require(own: Context, namespace: str, path: str, version: int | None = None) -> FileVersion:
    """Return a file; raises ApiError 404."""
    found = own.ports.files.find(DEFAULT_TENANT, namespace, clean(path), version)
    if found is None:
        raise not_found(f"File '{clean(path)}' was not found in namespace '{namespace}'.")
    return found


def listing(own: Context, namespace: str, path: str) -> list[dict[str, Any]]:
    """Return what lies directly in a folder; raises ApiError 404 when there is no such folder."""
    folder = clean(path)
    prefix = folder.rstrip("/") + "/"
    below = own.ports.files.below(DEFAULT_TENANT, namespace, folder)
    if not below and folder != "/":
        raise not_found(f"Directory not found: {folder}")
    inner: dict[str, list[FileVersion]] = {}
    views = []
    for file in below:
        name, slash, _ = file.path.removeprefix(prefix).partition("/")
        if slash:
            inner.setdefault(name, []).append(file)
        else:
            views.append(_file_view(own, file))
    return [_folder_view(name, files) for name, files in inner.items()] + views


def stats(own: Context, namespace: str, path: str | None) -> dict[str, Any]:
    """Return what is known of a file or folder; raises ApiError 404."""
    folder = clean(path or "")
    if folder == "/":
        below = own.ports.files.below(DEFAULT_TENANT, namespace)
        return _folder_view("_files", below)
    found = own.ports.files.find(DEFAULT_TENANT, namespace, folder)
    if found is not None:
        return _file_view(own, found)
    below = own.ports.files.below(DEFAULT_TENANT, namespace, folder)
    if not below:
        raise not_found(f"File '{folder}' was not found in namespace '{namespace}'.")
    return _folder_view(folder.rpartition("/")[2], below)


def move(own: Context, namespace: str, source: str, target: str) -> None:
    """Move a file, or a folder with all in it; nothing happens when there is none."""
    old, new = clean(source), clean(target)
    files = own.ports.files
    found = files.find(DEFAULT_TENANT, namespace, old)
    for file in [found] if found else files.below(DEFAULT_TENANT, namespace, old):
        with own.ports.blobs.open(file.uri) as data:
            files.put(DEFAULT_TENANT, namespace, new + file.path.removeprefix(old), data)
        files.delete(DEFAULT_TENANT, namespace, file.path)


def export(own: Context, namespace: str) -> bytes:
    """Return the files and flows of a namespace as a ZIP."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in own.ports.files.below(DEFAULT_TENANT, namespace):
            with own.ports.blobs.open(file.uri) as data:
                archive.writestr(file.path.lstrip("/"), data.read())
        for flow in own.ports.flows.latest(DEFAULT_TENANT):
            if flow.namespace == namespace:
                archive.writestr(f"_flows/{flow.id}.yml", flow.source)
    return buffer.getvalue()


def unpack(own: Context, namespace: str, data: BinaryIO) -> list[flows.Checked]:
    """Store the files of a ZIP; return the flows that it holds, rewritten to the namespace.

    Raises:
        ApiError: 422 the ZIP cannot be read, is too large or leaves the tree.
        InvalidFlow: one of its flows is not valid. Nothing is stored then.
    """
    try:
        with zipfile.ZipFile(data) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if sum(entry.file_size for entry in entries) > _LARGEST_ZIP:
                raise illegal_argument("The ZIP is too large when it is unpacked")
            contents = [(clean(entry.filename), archive.read(entry)) for entry in entries]
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise illegal_argument(f"The ZIP cannot be read: {error}") from error
    checked = []
    for path, content in contents:
        if path.startswith("/_flows/"):
            text = content.decode(errors="replace")
            line = f"namespace: {namespace}"
            checked.append(flows.check(own, _NAMESPACE_LINE.sub(line, text, count=1)))
    for path, content in contents:
        if not path.startswith("/_flows/"):
            own.ports.files.put(DEFAULT_TENANT, namespace, path, content)
    return checked


def _file_view(own: Context, file: FileVersion) -> dict[str, Any]:
    created = file.modified
    if file.version > 1:
        versions = own.ports.files.versions(DEFAULT_TENANT, file.namespace, file.path)
        created = min(version.modified for version in versions)
    return _view("File", file.path.rpartition("/")[2], file.size, file.modified, created)


def _folder_view(name: str, files: Iterable[FileVersion]) -> dict[str, Any]:
    dates = [file.modified for file in files]
    first = min(dates, default=None)
    return _view("Directory", name, 0, first, first)


def _view(
    kind: str, name: str, size: int, modified: datetime | None, created: datetime | None
) -> dict[str, Any]:
    return {
        "type": kind,
        "size": size,
        "fileName": name,
        "lastModifiedTime": _milliseconds(modified),
        "creationTime": _milliseconds(created),
        "metadata": {},
    }


def _milliseconds(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.timestamp() * 1000)
