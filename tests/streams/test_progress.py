"""Which offset may be committed."""

from __future__ import annotations

from threading import Event

from hypothesis import given
from hypothesis import strategies as st

from streams.progress import Committer, Progress


def test_nothing_is_committed_before_anything_is_done() -> None:
    progress = Progress()
    progress.begin(5)

    assert progress.next_offset() is None


def test_offset_stays_below_the_first_record_that_is_not_done() -> None:
    progress = Progress()
    for offset in (5, 6, 7):
        progress.begin(offset)
    progress.done(6)
    progress.done(7)
    assert progress.next_offset() is None

    progress.done(5)

    assert progress.next_offset() == 8


@given(st.permutations(list(range(12))), st.integers(min_value=0, max_value=12))
def test_committed_offset_is_always_behind_every_unfinished_record(
    order: list[int], count: int
) -> None:
    progress = Progress()
    for offset in range(12):
        progress.begin(offset)
    for offset in order[:count]:
        progress.done(offset)

    unfinished = min(order[count:], default=12)
    assert (progress.next_offset() or 0) == unfinished


def test_committer_writes_progress_once_and_the_rest_when_it_closes() -> None:
    commits: list[tuple[int, int]] = []
    written = Event()

    def commit(partition: int, offset: int) -> None:
        commits.append((partition, offset))
        written.set()

    committer = Committer(commit, lambda error: None, 0.01)
    committer.assigned(0)
    committer.start()
    committer.begin(0, 0)()
    assert written.wait(10)
    done = committer.begin(0, 1)
    done()
    committer.close()

    assert commits[0] == (0, 1)
    assert commits[-1] == (0, 2)


def test_committer_tells_when_a_commit_fails() -> None:
    told: list[Exception] = []
    seen = Event()

    def commit(partition: int, offset: int) -> None:
        raise RuntimeError("away")

    def failed(error: Exception) -> None:
        told.append(error)
        seen.set()

    committer = Committer(commit, failed, 0.0)
    committer.assigned(0)
    committer.start()
    committer.begin(0, 0)()

    assert seen.wait(10)
    assert str(told[0]) == "away"
