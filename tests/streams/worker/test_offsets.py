from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import UnreadableRecord
from streams.worker.offsets import Offsets, decode_runs, encode_runs


def test_the_lowest_open_offset_is_committed() -> None:
    offsets = Offsets(10)
    for offset in (10, 11, 12):
        assert offsets.take(offset)
    offsets.done(11)
    next_offset, metadata = offsets.commit(4096) or (0, "")
    assert next_offset == 10
    assert decode_runs(metadata) == [1, 1]


def test_nothing_new_is_not_committed_again() -> None:
    offsets = Offsets(0)
    offsets.take(0)
    offsets.done(0)
    assert offsets.commit(4096) == (1, "")
    assert offsets.commit(4096) is None


def test_an_offset_below_the_committed_one_is_skipped() -> None:
    offsets = Offsets(5)
    assert not offsets.take(4)
    assert offsets.take(5)


def test_gaps_of_a_compacted_or_transactional_log_are_no_open_offsets() -> None:
    offsets = Offsets(0)
    offsets.take(0)
    offsets.take(7)
    offsets.done(7)
    offsets.done(0)
    assert offsets.commit(4096) == (8, "")


def test_an_open_offset_that_the_log_no_longer_holds_blocks_nothing() -> None:
    first = Offsets(0)
    for offset in range(4):
        first.take(offset)
    first.done(1)
    first.done(3)
    commit = first.commit(4096)
    assert commit is not None
    second = Offsets(*commit)
    assert second.take(2)  # 0 was deleted by retention
    second.done(2)
    assert second.commit(4096) == (4, "")


@pytest.mark.parametrize("metadata", ["x", "2:AQE=", "1:%%%", "1:AQ==", "1:gICA"])
def test_metadata_of_others_are_refused(metadata: str) -> None:
    with pytest.raises(UnreadableRecord):
        Offsets(0, metadata)


@given(st.lists(st.integers(1, 10_000), max_size=4_000), st.integers(10, 4096))
def test_runs_always_fit_and_decode_to_a_beginning_of_what_was_encoded(
    runs: list[int], limit: int
) -> None:
    text = encode_runs(runs, limit)
    assert len(text) <= limit
    back = decode_runs(text)
    assert back == runs[: len(back)]
    if limit == 4096 and len(runs) < 900:
        assert len(back) == len(runs) - len(runs) % 2


@given(st.sets(st.integers(0, 60)), st.integers(1, 61), st.booleans())
def test_a_takeover_runs_exactly_what_was_not_done(done: set[int], count: int, twice: bool) -> None:
    """Any set of ended offsets, one takeover or two: nothing runs again, nothing is left out."""
    offsets = Offsets(None)
    for offset in range(count):
        offsets.take(offset)
    for offset in sorted(done & set(range(count))):
        offsets.done(offset)
    commit = offsets.commit(4096)
    for _ in range(2 if twice else 1):
        next_offset, metadata = commit or (0, "")
        successor = Offsets(next_offset, metadata)
        taken = [offset for offset in range(next_offset, count) if successor.take(offset)]
        if not twice:
            assert taken == [offset for offset in range(count) if offset not in done]
        successor._changed = True
        commit = successor.commit(4096) or commit
    assert commit is None or commit[0] == min(
        (o for o in range(count) if o not in done), default=count
    )


def test_what_another_owner_may_have_begun_is_in_doubt() -> None:
    offsets = Offsets(4, "", end=6)
    assert [offsets.is_doubtful(offset) for offset in (4, 5, 6)] == [True, True, False]


def test_what_was_open_and_not_begun_when_a_partition_was_given_back_is_in_no_doubt() -> None:
    first = Offsets(0)
    first.take(0)
    first.take(1)
    first.hold(0, "w1")
    commit = first.commit(4096, gives_back=True)
    assert commit == (0, ";w1=0;!")
    second = Offsets(*commit, end=3)
    assert [second.is_doubtful(offset) for offset in (0, 1, 2)] == [True, False, False]
    assert second.is_doubtful(1, at_most_once=True)


def test_the_next_owner_takes_the_word_of_the_last_one_back_at_once() -> None:
    first = Offsets(0)
    first.take(0)
    second = Offsets(*(first.commit(4096, gives_back=True) or (0, "")), end=1)
    assert second.commit(4096) == (0, "")


def test_who_runs_what_is_kept_when_ended_offsets_take_too_much_room() -> None:
    offsets = Offsets(0)
    for offset in range(400):
        offsets.take(offset)
    offsets.hold(0, "w1")
    for offset in range(1, 400, 2):
        offsets.done(offset)
    _, metadata = offsets.commit(100) or (0, "")
    assert len(metadata) <= 100
    assert Offsets(0, metadata).holder(0) == "w1"
