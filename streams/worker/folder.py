"""Working directories: a folder of its own for an attempt, made when it is first asked for."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from domain.errors import InvalidInput
from streams.worker.globs import file_pattern


class WorkingFolder:
    """The working directory of an attempt. Paths are confined to it."""

    __slots__ = ("_count", "_parent", "_root", "_scratch")

    def __init__(self, parent: str) -> None:
        self._parent = parent
        self._root: Path | None = None
        self._scratch: Path | None = None
        self._count = 0

    @property
    def root(self) -> Path:
        """The folder, which now exists."""
        if self._root is None:
            self._root = self._new("task-")
        return self._root

    def scratch(self) -> Path:
        """Return a free path outside the folder, for what a task needs while it runs."""
        if self._scratch is None:
            self._scratch = self._new("scratch-")
        self._count += 1
        return self._scratch / str(self._count)

    @property
    def exists(self) -> bool:
        """Whether anybody asked for the folder."""
        return self._root is not None

    def path(self, relative: str) -> Path:
        """Return a path inside the folder, its parent folders made.

        Raises:
            InvalidInput: the path is absolute or leads outside.
        """
        path = (self.root / relative).resolve() if "\x00" not in relative else None
        if path is None or relative.startswith("/") or not path.is_relative_to(self.root):
            raise InvalidInput(f"The path {relative!r} is not inside the working directory.")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def glob(self, patterns: list[str]) -> list[str]:
        """Return the files that match any pattern, relative and sorted; links out are left out."""
        wanted = [file_pattern(pattern.removeprefix("/")) for pattern in patterns]
        root = self.root
        found: set[str] = set()
        for file in root.rglob("*"):
            if file.is_file() and file.resolve().is_relative_to(root):
                name = file.relative_to(root).as_posix()
                if any(pattern.fullmatch(name) for pattern in wanted):
                    found.add(name)
        return sorted(found)

    def remove(self) -> None:
        """Delete the folder with all in it."""
        for folder in (self._root, self._scratch):
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
        self._root = self._scratch = None

    def _new(self, prefix: str) -> Path:
        if self._parent:
            Path(self._parent).mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=prefix, dir=self._parent or None)).resolve()
