"""Internal storage in a local folder."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from domain.errors import InvalidInput, NotFound

SCHEME: Final = "kestra:///"
_LONGEST_PART: Final = 255
_PENDING: Final = ".pending-"


class LocalBlobs:
    """Blobs port on a folder: `kestra:///a/b` is the file `a/b` below `root/tenant`.

    A file appears whole or not at all, and has reached the disk when `put` returns.
    """

    def __init__(self, root: Path, tenant: str = "main", *, sync: bool = True) -> None:
        """Take a folder, made if missing.

        Args:
            root: the store's folder.
            tenant: whose files.
            sync: wait until bytes are on the disk; False survives a crash of the process only.
        """
        folder = root / tenant
        folder.mkdir(parents=True, exist_ok=True)
        self._root = folder.resolve()
        self._sync = sync

    def put(self, uri: str, data: BinaryIO | bytes) -> str:
        """Write a file whole or not at all; returns its URI.

        Raises:
            InvalidInput: no URI of this store, or a file stands where a folder would be needed.
        """
        target = self._path(uri)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._confine(target.parent, uri)
            self._write(target, data)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise InvalidInput(
                f"{uri[:200]!r} cannot be written: something is in the way."
            ) from error
        if self._sync:
            _sync_folder(target.parent)
        return uri

    def open(self, uri: str) -> BinaryIO:
        """Open a file for reading; raises NotFound."""
        try:
            return self._existing(uri).open("rb")
        except IsADirectoryError as error:
            raise NotFound(f"{uri!r} is a folder.") from error

    def size(self, uri: str) -> int:
        """Bytes of a file; raises NotFound."""
        return self._existing(uri).stat().st_size

    def exists(self, uri: str) -> bool:
        """True when there is such a file."""
        path = self._path(uri)
        return path.is_file() and self._is_inside(path)

    def list(self, uri: str) -> Iterator[str]:
        """URIs of the files below a folder, in order."""
        folder = self._path(uri)
        if not folder.is_dir() or not self._is_inside(folder):
            return
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith(_PENDING) and self._is_inside(path):
                yield SCHEME + path.relative_to(self._root).as_posix()

    def delete(self, uri: str) -> int:
        """Delete a file, or a folder with all in it; returns how many files."""
        path = self._path(uri)
        if path == self._root:
            raise InvalidInput("The whole store cannot be deleted.")
        if not path.exists() or not self._is_inside(path):
            return 0
        if path.is_dir():
            count = sum(1 for _ in self.list(uri))
            shutil.rmtree(path)
        else:
            count = 1
            path.unlink(missing_ok=True)
        self._prune(path.parent)
        return count

    def _write(self, target: Path, data: BinaryIO | bytes) -> None:
        """Write beside the target and rename."""
        pending = target.with_name(f"{_PENDING}{uuid.uuid4().hex}")
        try:
            with pending.open("xb") as file:
                if isinstance(data, bytes):
                    file.write(data)
                else:
                    shutil.copyfileobj(data, file, 1024 * 1024)
                if self._sync:
                    file.flush()
                    os.fsync(file.fileno())
            pending.replace(target)
        except BaseException:
            pending.unlink(missing_ok=True)
            raise

    def _existing(self, uri: str) -> Path:
        path = self._path(uri)
        if not path.exists() or not self._is_inside(path):
            raise NotFound(f"There is no file {uri!r}.")
        if path.is_dir():
            raise NotFound(f"{uri!r} is a folder.")
        return path

    def _path(self, uri: str) -> Path:
        """The place of a URI; nothing is looked at on the disk."""
        if not uri.startswith(SCHEME):
            raise InvalidInput(f"{uri[:200]!r} is not a URI of internal storage (kestra:///...).")
        name = uri.removeprefix(SCHEME).rstrip("/")
        if "\x00" in name or "\\" in name or name.startswith("/"):
            raise InvalidInput(f"The URI {uri[:200]!r} has a character that is not allowed.")
        parts = name.split("/") if name else []
        for part in parts:
            if part in ("", ".", "..") or part.startswith(_PENDING):
                raise InvalidInput(f"The URI {uri[:200]!r} is not a plain path.")
            if len(os.fsencode(part)) > _LONGEST_PART:
                raise InvalidInput(f"The URI {uri[:200]!r} has a part of more than 255 bytes.")
        return self._root.joinpath(*parts)

    def _is_inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self._root)

    def _confine(self, path: Path, uri: str) -> None:
        if not self._is_inside(path):
            raise InvalidInput(f"The URI {uri[:200]!r} leads out of the store.")

    def _prune(self, folder: Path) -> None:
        """Remove folders that became empty."""
        while folder != self._root:
            try:
                folder.rmdir()
            except OSError:
                return  # not empty, or somebody else was faster
            folder = folder.parent


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
