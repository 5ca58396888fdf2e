"""Which requests of a partition are done, in a form that fits beside a committed offset.

The committed offset is the lowest one not done. Beside it stand, as run lengths, the offsets above
it that are done, so that whoever takes the partition over skips those; and which open ones run on
which worker, so that they are not started again while that one lives. A partition given back in
good order says so: what is open and runs nowhere was not begun.
"""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from binascii import Error
from collections import deque
from urllib.parse import quote, unquote

from domain.errors import BrokenInvariant, UnreadableRecord

_VERSION = "1:"
_GIVEN_BACK = "!"
"""Stands among the workers: the owner begins nothing more."""


class Offsets:
    """Progress of one assigned partition. Not thread-safe: its owner holds the lock.

    Args:
        committed: the committed next offset; None when nothing was ever committed.
        metadata: what stood beside it.
        end: the next offset to be written, at the assignment: what lies before may have been
            delivered to another owner.

    Raises:
        UnreadableRecord: the metadata are not of our making.
    """

    def __init__(self, committed: int | None = None, metadata: str = "", end: int = 0) -> None:
        text, _, held = metadata.partition(";")
        runs = decode_runs(text)
        parts = held.split(";")
        self._given_back = _GIVEN_BACK in parts
        self._first_own = end
        self._end = committed or 0
        self._open: dict[int, None] = {}  # offsets not done, ascending
        for index, length in enumerate(runs):
            if index % 2 == 0:
                self._open.update(dict.fromkeys(range(self._end, self._end + length)))
            self._end += length
        self._held = _decode_held(parts, committed or 0)
        self._awaited = deque(self._open)  # open ones of an earlier owner, not delivered to us yet
        self._written = (self._end, "") if not runs and not held else None
        # nobody may believe it any more, for from now on something is begun again
        self._changed = self._given_back

    def take(self, offset: int) -> bool:
        """Note that a record was delivered; return False when it was done before."""
        awaited = self._awaited
        while awaited and awaited[0] < offset:  # no longer in the log
            gone = awaited.popleft()
            self._open.pop(gone, None)
            self._held.pop(gone, None)
        if awaited and awaited[0] == offset:
            awaited.popleft()
            return True
        if offset < self._end:
            return False
        self._open[offset] = None
        self._end = offset + 1
        self._changed = True
        return True

    def holder(self, offset: int) -> str | None:
        """Return the worker on which an open request runs, as far as is known."""
        return self._held.get(offset)

    def is_doubtful(self, offset: int, *, at_most_once: bool = False) -> bool:
        """Tell whether an earlier owner may have begun an open request.

        Args:
            offset: which.
            at_most_once: believe nobody's word.
        """
        if offset in self._held:
            return True
        return offset < self._first_own and (at_most_once or not self._given_back)

    def hold(self, offset: int, worker_id: str) -> None:
        """Note that an open request runs on a worker."""
        self._held[offset] = worker_id
        self._changed = True

    def done(self, offset: int) -> None:
        """Note that a record taken needs no more work."""
        self._held.pop(offset, None)
        if self._open.pop(offset, 0) == 0:
            raise BrokenInvariant(f"offset {offset} is done but was not open")
        self._changed = True

    @property
    def open_count(self) -> int:
        """Records taken, or left by an earlier owner, that are not done."""
        return len(self._open)

    def commit(self, limit_bytes: int, *, gives_back: bool = False) -> tuple[int, str] | None:
        """Return the next offset and metadata to commit; None when nothing changed since last time.

        Args:
            limit_bytes: room for the metadata; what does not fit is left out and would run again.
            gives_back: nothing more will be begun here.
        """
        if not self._changed and not gives_back:
            return None
        self._changed = False
        low = next(iter(self._open), self._end)
        held = encode_held(self._held, low)
        if gives_back:
            held += f";{_GIVEN_BACK}"
        if len(held) > limit_bytes // 2:
            held = ""
        current = (low, encode_runs(self._runs(low), limit_bytes - len(held)) + held)
        if current == self._written:
            return None
        self._written = current
        return current

    def _runs(self, low: int) -> list[int]:
        """Lengths of open, done, open, done ... runs from the lowest open offset on."""
        runs: list[int] = []
        at = low
        for offset in self._open:
            if offset > at:
                runs.append(offset - at)
                at = offset
            if len(runs) % 2 == 0:
                runs.append(0)
            runs[-1] += 1
            at += 1
        if at < self._end:
            runs.append(self._end - at)
        return runs


def encode_runs(runs: list[int], limit_bytes: int) -> str:
    """Return run lengths (open, done, open, ...) as text, cut in pairs to fit."""
    kept = len(runs) - len(runs) % 2  # open ones at the end are delivered anyhow
    body = bytearray()
    room = (limit_bytes - len(_VERSION)) * 3 // 4 - 3
    for index in range(0, kept, 2):
        pair = _varint(runs[index]) + _varint(runs[index + 1])
        if len(body) + len(pair) > room:
            break
        body += pair
    return _VERSION + urlsafe_b64encode(body).decode() if body else ""


def decode_runs(metadata: str) -> list[int]:
    """Return the run lengths of commit metadata; none when it is empty.

    Raises:
        UnreadableRecord: not written by `encode_runs`.
    """
    if not metadata:
        return []
    try:
        if not metadata.startswith(_VERSION):
            raise ValueError
        body = b64decode(metadata[len(_VERSION) :], altchars=b"-_", validate=True)
    except (Error, ValueError) as error:
        raise UnreadableRecord(f"commit metadata {metadata[:40]!r} cannot be read") from error
    runs: list[int] = []
    number = shift = 0
    for byte in body:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            runs.append(number)
            number = shift = 0
    if shift or len(runs) % 2:
        raise UnreadableRecord(f"commit metadata {metadata[:40]!r} is cut short")
    return runs


def encode_held(held: dict[int, str], low: int) -> str:
    """Return who runs what as text: `;worker=1,5`, offsets counted from the lowest open one."""
    by_worker: dict[str, list[str]] = {}
    for offset, worker in held.items():
        by_worker.setdefault(worker, []).append(str(offset - low))
    return "".join(f";{quote(name)}={','.join(places)}" for name, places in by_worker.items())


def _decode_held(parts: list[str], low: int) -> dict[int, str]:
    held: dict[int, str] = {}
    try:
        for part in parts:
            if part in ("", _GIVEN_BACK):
                continue
            name, _, places = part.partition("=")
            held.update({low + int(place): unquote(name) for place in places.split(",")})
    except ValueError as error:
        text = ";".join(parts)[:40]
        raise UnreadableRecord(f"commit metadata {text!r} cannot be read") from error
    return held


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
