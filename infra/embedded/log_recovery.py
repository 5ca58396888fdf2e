"""Opening the journal: the folder's lock, and the state that the files in it stand for.

The law: what is recovered is a prefix of what was written. SIGKILL leaves all of it. After a power
cut the journal ends at the first frame that is not whole, and every later segment is given up, so
that no record survives whose cause is gone.
"""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path
from zlib import crc32

import msgspec

from domain.errors import LogUnavailable
from infra.embedded.log_format import (
    CHECKPOINT,
    COMMIT,
    SEAL,
    START,
    TOPIC,
    VERSION,
    Checkpoint,
    CommitState,
    Frame,
    Lane,
    body_at,
    decode_checkpoint,
    decode_commit,
    decode_start,
    decode_topic,
    encode_index,
)
from infra.embedded.log_segment import (
    Sealed,
    frames_of,
    index_path,
    is_record,
    load,
    map_file,
    numbers_of,
    write_file,
)

_LOGGER = logging.getLogger(__name__)


class FolderLock:
    """The right of one process to a folder; the system takes it back when the process ends."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            LogUnavailable: another log, most likely of another process, has it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._fd, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._fd)
            raise LogUnavailable(
                f"the data folder {folder} is in use by process {owner}: "
                "stop that server, or choose another folder"
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Give the folder back."""
        os.close(self._fd)


class Recovered(msgspec.Struct):
    """What the files stand for."""

    state: Checkpoint
    sealed: list[Sealed]
    last: Path | None = None
    """The segment to go on writing; None: a new one is needed."""
    frames: list[Frame] = []
    """The frames of `last`."""


def recover(folder: Path) -> Recovered:
    """Read the state of a folder, and remove what a crash left behind.

    Raises:
        LogUnavailable: the folder is damaged or was written by a newer version.
    """
    paths = _tidy(folder)
    sealed: list[Sealed] = []
    last: Path | None = None
    frames: list[Frame] = []
    while paths:
        path = paths.pop(0)
        found = load(path, folder)
        if found is not None:
            sealed.append(found)
            continue
        frames = frames_of(path)
        original = numbers_of(path)[1] == 0
        if original and (not frames or frames[0].kind != CHECKPOINT):
            _give_up([path, *paths], "has no beginning")
            break
        if frames[-1].kind != SEAL:
            last = path
            _give_up(paths, "follows a segment that a power cut has torn")
            break
        sealed.append(_index(path, folder, frames))
    if last is not None:
        return Recovered(_state(last, frames), sealed, last, frames)
    if sealed:
        path = sealed[-1].path
        return Recovered(_state(path, frames_of(path)), sealed)
    return Recovered(Checkpoint(VERSION, 0, [], [], [], []), [])


def _tidy(folder: Path) -> list[Path]:
    """Return the newest generation of each segment in order; delete everything left half done."""
    for half in (*folder.glob("*.tmp"), *folder.glob("*.new")):
        half.unlink()
    newest: dict[int, Path] = {}
    for path in sorted(folder.glob("*.log"), key=numbers_of):
        older = newest.get(numbers_of(path)[0])
        if older is not None:
            older.unlink()
        newest[numbers_of(path)[0]] = path
    for index in folder.glob("*.idx"):
        if not index.with_suffix(".log").exists():
            index.unlink()
    return [newest[number] for number in sorted(newest)]


def _give_up(paths: list[Path], reason: str) -> None:
    for path in paths:
        _LOGGER.warning("segment %s %s: it is given up", path.name, reason)
        path.unlink()
        index_path(path).unlink(missing_ok=True)


def _index(path: Path, folder: Path, frames: list[Frame]) -> Sealed:
    """Write the index that a sealed segment lacks."""
    number, generation = numbers_of(path)
    lanes: dict[int, Lane] = {}
    for found in frames:
        if is_record(found):
            lane = lanes.get(found.partition)
            if lane is None:
                lane = Lane.fresh(found.partition, found.offset, gaps=generation > 0)
                lanes[found.partition] = lane
            lane.add(found.offset, found.position, found.size, found.timestamp_ms, crc32(found.key))
    size = frames[-1].position + frames[-1].size
    os.truncate(path, size)
    write_file(index_path(path), encode_index(list(lanes.values()), size))
    spans = {partition: lane.span for partition, lane in lanes.items()}
    return Sealed(number, generation, folder, size, spans)


def _state(path: Path, frames: list[Frame]) -> Checkpoint:
    """Fold the frames of the last segment over the checkpoint it begins with."""
    if not frames or frames[0].kind != CHECKPOINT:
        raise LogUnavailable(f"{path} does not begin with a checkpoint: the data is damaged")
    data = map_file(path)
    state = decode_checkpoint(body_at(data, 0))
    if state.version != VERSION:
        raise LogUnavailable(
            f"{path} has version {state.version}, this program reads version {VERSION}"
        )
    commits = {(commit.group, commit.partition): commit for commit in state.commits}
    for found in frames:
        if is_record(found):
            state.nexts[found.partition] = found.offset + 1
        elif found.kind == COMMIT:
            commit: CommitState = decode_commit(body_at(data, found.position))
            commits[commit.group, commit.partition] = commit
        elif found.kind == TOPIC:
            topic = decode_topic(body_at(data, found.position))
            state.topics.append(topic)
            state.starts.extend([0] * topic.partitions)
            state.nexts.extend([0] * topic.partitions)
        elif found.kind == START:
            start = decode_start(body_at(data, found.position))
            state.starts[start.partition] = start.offset
    state.commits[:] = commits.values()
    return state
