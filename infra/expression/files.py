"""The functions on files: `read`, `fileURI`, `fileSize`, `fileExists`, `isFileEmpty`.

A file is the execution's own (or of the execution that started it), by `kestra:///` URI, or a
namespace file, by path or `nsfile://` URI. Anything else is refused, local files included.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import msgspec

from domain.errors import InvalidInput, NotFound
from domain.expression import to_text
from domain.expression.errors import Fault, LimitFault
from domain.expression.ion import read_ion
from domain.ports.files import FileVersion, NamespaceFiles
from domain.ports.stores import Blobs

_SCHEME: Final = "kestra:///"


class Origin(msgspec.Struct, frozen=True):
    """An execution, named by where its files are."""

    namespace: str
    flow_id: str
    execution_id: str


class FileFunctions:
    """Answers the functions on files.

    Args:
        blobs: internal storage.
        files: namespace files.
        tenant: whose.
        namespace: of the flow; default of every function.
        origins: executions whose files may be read.
    """

    def __init__(
        self,
        blobs: Blobs,
        files: NamespaceFiles,
        tenant: str,
        namespace: str,
        origins: tuple[Origin, ...],
    ) -> None:
        self._blobs = blobs
        self._files = files
        self._tenant = tenant
        self._namespace = namespace
        self._bases = tuple(map(_base, origins))

    def read(self, path: Any, namespace: Any, version: Any, longest: int) -> str:
        """Return a file's text.

        Raises:
            Fault: it does not exist or may not be read.
            LimitFault: it is longer than `longest` bytes.
        """
        uri = self._existing(path, namespace, version)
        if self._blobs.size(uri) > longest:
            raise LimitFault(f"The file '{path}' is too large to be read into an expression.")
        with self._blobs.open(uri) as file:
            return file.read().decode(errors="replace")

    def line_count(self, path: Any, most: int, longest: int) -> int:
        """Return how many values a file has, one a line; lines without any do not count.

        Raises:
            Fault: it does not exist or may not be read.
            LimitFault: it has more than `most` values, or one of more than `longest` bytes.
        """
        count = 0
        with self._blobs.open(self._existing(path, None, None)) as file:
            for _ in _lines(file, path, longest):
                count += 1
                if count > most:
                    raise LimitFault(
                        f"The file '{path}' has more than {most} values, the most that one loop"
                        " goes over: cut it into several (io.kestra.plugin.core.storage.Split)"
                        " and loop over their URIs"
                    )
        return count

    def lines(self, path: Any, at: int, most: int, longest: int) -> tuple[list[str], int]:
        """Return some values of a file, one a line, and the byte that follows them.

        A line of Ion (JSON is Ion) gives its value as text, that of a list or struct as JSON;
        any other line itself. Of all values together no more than `longest` bytes are read.

        Raises:
            Fault: it does not exist or may not be read, or there is no value from `at` on.
        """
        values: list[str] = []
        begin = following = at
        with self._blobs.open(self._existing(path, None, None)) as file:
            file.seek(at)
            for line in _lines(file, path, longest):
                end = file.tell()
                if len(values) == most or (values and end - begin > longest):
                    break
                values.append(_value_of(line))
                following = end
        if not values:
            raise Fault(f"The file '{path}' has no value at byte {at}.")
        return values, following

    def uri(self, path: Any, namespace: Any, version: Any) -> str:
        """Return the URI of a namespace file, also of one that does not exist.

        Raises:
            Fault: the path is none.
        """
        inner, place = self._namespace_file(path, namespace)
        found = self._find(place, inner, version)
        if found is not None:
            return found.uri
        return f"{_SCHEME}{place.replace('.', '/')}/_files{inner}"

    def size(self, uri: Any, namespace: Any) -> int:
        """Return a file's bytes.

        Raises:
            Fault: it does not exist or may not be read.
        """
        return self._blobs.size(self._existing(uri, namespace, None))

    def exists(self, uri: Any, namespace: Any) -> bool:
        """Tell whether a file exists.

        Raises:
            Fault: it may not be read.
        """
        found = self._located(uri, namespace, None)
        return found is not None and self._blobs.exists(found)

    def _existing(self, path: Any, namespace: Any, version: Any) -> str:
        found = self._located(path, namespace, version)
        try:
            if found is not None and self._blobs.exists(found):
                return found
        except (InvalidInput, NotFound) as error:
            raise Fault(str(error)) from None
        raise Fault(f"The file '{path}' does not exist.")

    def _located(self, path: Any, namespace: Any, version: Any) -> str | None:
        """Return a file's URI in internal storage; None for a namespace file that is not there."""
        text = _path(path)
        if text.startswith(_SCHEME):
            marker = f"{_SCHEME}{self._namespace.replace('.', '/')}/_files/"
            if text.startswith(marker):
                found = self._find(self._namespace, "/" + text.removeprefix(marker), version)
                return text if found is None else found.uri
            if text.startswith(self._bases) or self._is_of_a_neighbour(text):
                return text
            raise Fault(f"Unable to read the file '{text}': it is not a file of this execution.")
        if text.startswith("file:"):
            raise Fault(f"The path {text} is not authorized.")
        inner, place = self._namespace_file(text, namespace)
        found = self._find(place, inner, version)
        return None if found is None else found.uri

    def _is_of_a_neighbour(self, uri: str) -> bool:
        """Tell whether a file is there, and of an execution in the same namespace."""
        folder = f"{_SCHEME}{self._namespace.replace('.', '/')}/"
        place = uri.removeprefix(folder).split("/")
        if not uri.startswith(folder) or len(place) < 4 or place[1] != "executions":
            return False
        if place[2] == "executions":  # of a flow that is called so, in a namespace below
            return False
        return self._blobs.exists(uri)

    def _namespace_file(self, path: Any, namespace: Any) -> tuple[str, str]:
        """Return path, from `/`, and namespace of a namespace file."""
        text, place = _path(path), namespace
        if text.startswith("nsfile://"):
            host, _, inner = text.removeprefix("nsfile://").partition("/")
            place = place or host or None
            text = inner
        elif "://" in text:
            raise Fault(f"Cannot process the URI {text}: its scheme is not supported.")
        if place is None:
            place = self._namespace
        if not isinstance(place, str):
            raise Fault("A text is expected as argument 'namespace'.")
        return "/" + text.lstrip("/"), place

    def _find(self, namespace: str, path: str, version: Any) -> FileVersion | None:
        if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
            raise Fault("A whole number is expected as argument 'version'.")
        try:
            return self._files.find(self._tenant, namespace, path, version)
        except InvalidInput as error:
            raise Fault(str(error)) from None


_MARKED: Final = ("{", "[", "(", '"', "'")
"""How a line begins that may be more than it says."""


def _lines(file: BinaryIO, path: Any, longest: int) -> Iterator[str]:
    """Yield the lines that are not blank, one at a time in memory."""
    while line := file.readline(longest + 1):
        if len(line) > longest:
            raise LimitFault(f"The file '{path}' has a line of more than {longest} bytes.")
        text = line.decode(errors="replace").strip("\r\n")
        if text.strip():
            yield text


def _value_of(line: str) -> str:
    if not line.lstrip().startswith(_MARKED):
        return line
    try:
        values = read_ion(line)
    except Fault:
        return line
    return to_text(values[0]) if len(values) == 1 else line


def _path(path: Any) -> str:
    if not isinstance(path, str) or not path:
        raise Fault("A path or URI is expected.")
    if ".." in path.replace("\\", "/").split("/"):
        raise Fault("Path must not contain '../'")
    return path


def _base(origin: Origin) -> str:
    from streams.worker.context import slug

    namespace = origin.namespace.replace(".", "/")
    return f"{_SCHEME}{namespace}/{slug(origin.flow_id)}/executions/{origin.execution_id}/"
