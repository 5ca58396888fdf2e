"""A member of a consumer group, on a thread of its own.

The law: only that thread calls the client, which lets one caller in at a time and would starve any
other behind a poll. What other threads ask for is noted and done between two polls. Assignment is
cooperative: partitions that stay are not disturbed by a rebalance. Commits are gathered and sent at
most every 50 ms, and always before a partition is given away.

A member with a stable id can be thrown out by a request of its own that a broker, away for longer
than a session, answers late. So whoever is thrown out joins again, as somebody new; a second
process with the same id is told from that by its doing so again and again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from queue import Empty, SimpleQueue

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from domain.errors import LogUnavailable
from domain.ports.log import AT_ONCE, METADATA_BYTES, ConsumerEvents, Failed
from domain.record.envelope import Record
from infra.kafka.client import (
    Fenced,
    attempt,
    consumer_configuration,
    gathering,
    insist,
    milliseconds,
    record_of,
    unavailable,
)
from infra.kafka.reader import check, take
from infra.log_options import LogOptions

_LOGGER = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
_PAUSED_POLL_SECONDS = 0.005
"""While something is paused, `resume` is waited for, which can not end a poll."""
_COMMIT_SECONDS = 0.05
_ASK_SECONDS = 3.0
"""For one answer: what a connection lost is asked anew."""
_AWAY_SECONDS = 30.0
"""How long a broker may be away before a question is given up."""
_FENCED_TIMES = 3
_FENCED_SECONDS = 60.0
"""Thrown out so often within so long: another process has our id."""
_MOVED = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError._NO_OFFSET,  # noqa: SLF001 (librdkafka's own codes)
        KafkaError._ASSIGNMENT_LOST,  # noqa: SLF001
    }
)
"""The partition is no longer ours: whoever has it now goes on from the last commit."""

Place = tuple[str, int]


class KafkaConsumer:
    """A member of a group."""

    def __init__(
        self,
        options: LogOptions,
        group: str,
        topics: Sequence[str],
        events: ConsumerEvents,
        member: str,
        failed: Failed | None,
        gather: timedelta = AT_ONCE,
    ) -> None:
        self._options = options
        self._group = group
        self._topics = [options.prefix + topic for topic in topics]
        self._events = events
        self._failed = failed
        session_ms = milliseconds(options.session_timeout)
        special = {
            "group.id": options.prefix + group,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": session_ms,
            # members learn of a rebalance by their heartbeats
            "heartbeat.interval.ms": min(1000, session_ms // 4),
            # a member whose callback runs for long must leave in the end
            "max.poll.interval.ms": max(300_000, session_ms),
            "on_commit": self._on_commit,
            **gathering(gather),
        }
        if member:
            special["group.instance.id"] = member
        self._configuration = consumer_configuration(options, **special)
        self._consumer = Consumer(self._configuration)
        self._fenced: deque[float] = deque(maxlen=_FENCED_TIMES)
        self._owned: set[Place] = set()
        self._pending: dict[Place, tuple[int, str]] = {}
        self._sent: dict[Place, tuple[int, str]] = {}
        self._committed_at = 0.0
        self._to_pause: set[Place] = set()
        self._paused: set[Place] = set()
        self._questions: SimpleQueue[tuple[Place, Future[tuple[int | None, str]]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._stopping = False
        self.ended = False
        """Whether the thread is over."""
        self._thread = threading.Thread(target=self._run, name=f"kafka-{group}", daemon=True)

    def start(self) -> None:
        """Join the group and begin to deliver."""
        self._join()
        self._thread.start()

    def _join(self) -> None:
        self._consumer.subscribe(
            self._topics, on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lose
        )

    def commit(self, topic: str, partition: int, next_offset: int, metadata: str = "") -> None:
        """Record the next offset wanted, if the partition is ours."""
        if len(metadata.encode()) > METADATA_BYTES:
            raise ValueError(f"commit metadata is limited to {METADATA_BYTES} bytes")
        place = (topic, partition)
        with self._lock:
            if place in self._owned:
                self._pending[place] = (next_offset, metadata)

    def committed(self, topic: str, partition: int) -> tuple[int | None, str]:
        """Return the committed next offset (None: nothing yet) and its metadata."""
        with self._lock:
            pending = self._pending.get((topic, partition))
        if pending is not None:
            return pending
        if self._thread.ident is None or self._thread is threading.current_thread():
            return self._ask_committed((topic, partition))
        question: Future[tuple[int | None, str]] = Future()
        self._questions.put(((topic, partition), question))
        if self.ended:
            self._refuse_questions()
        try:
            return question.result(2 * _AWAY_SECONDS)
        except TimeoutError:
            raise LogUnavailable(f"the consumer of {self._group} is busy") from None

    def _ask_committed(self, place: Place) -> tuple[int | None, str]:
        topic, partition = place
        asked = [TopicPartition(self._options.prefix + topic, partition)]
        found = insist(
            f"ask what {self._group} has committed of {topic}/{partition}",
            lambda: self._committed_now(asked),
            _AWAY_SECONDS,
        )
        return (None if found.offset == OFFSET_INVALID else found.offset), found.metadata or ""

    def _committed_now(self, asked: list[TopicPartition]) -> TopicPartition:
        try:
            found = self._consumer.committed(asked, timeout=_ASK_SECONDS)[0]
        except KafkaException:
            # a client that lost its broker may go on waiting for the coordinator: another one asks
            plain = {"group.id": self._options.prefix + self._group}
            other = Consumer(consumer_configuration(self._options, **plain))
            try:
                found = other.committed(asked, timeout=_ASK_SECONDS)[0]
            finally:
                other.close()
        if found.error is not None:
            raise KafkaException(found.error)
        return found

    def pause(self, topic: str, partition: int) -> None:
        """Deliver nothing more of a partition until `resume`."""
        with self._lock:
            if (topic, partition) in self._owned:
                self._to_pause.add((topic, partition))

    def resume(self, topic: str, partition: int) -> None:
        """Undo `pause`."""
        with self._lock:
            self._to_pause.discard((topic, partition))

    def close(self) -> None:
        """Leave the group after `revoked` was called and the last commits are written.

        A member with a stable id keeps its partitions for the session timeout: it may come back.
        """
        self._stopping = True
        if self._thread.ident is None:
            self._consumer.close()
            self.ended = True
        elif self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        try:
            try:
                while not self._stopping:
                    try:
                        self._turn()
                    except Fenced as error:
                        self._join_again(error)
            finally:
                # also calls `_revoke`, which writes the last commits
                self._consumer.close()
                self.ended = True
                self._refuse_questions()
                self._abandon()
        except Exception as error:
            if self._failed is None:
                raise
            _LOGGER.exception("the consumer of %s ended", self._group)
            self._failed(error)

    def _turn(self) -> None:
        """Do what was asked for, then deliver what is there."""
        self._answer()
        batch: list[Record] = []
        for message in take(
            self._consumer, _PAUSED_POLL_SECONDS if self._paused else _POLL_SECONDS
        ):
            error = message.error()
            if error is None:
                batch.append(record_of(message, self._options.prefix))
            else:
                check(f"consume as {self._group}", error)
        if batch and not self._stopping:
            self._events.records(batch)

    def _join_again(self, error: Fenced) -> None:
        """Be somebody new in the group, unless another process has our id."""
        self._fenced.append(now := time.monotonic())
        if len(self._fenced) == _FENCED_TIMES and now - self._fenced[0] < _FENCED_SECONDS:
            raise error
        _LOGGER.warning("%s: joins again", error)
        self._consumer.close()
        self._abandon()
        self._consumer = Consumer(self._configuration)
        self._join()

    def _abandon(self) -> None:
        """Forget the partitions; a member that failed was not asked to give them back."""
        with self._lock:
            lost = sorted(self._owned)
            self._disown(lost)
            self._pending.clear()
        if lost:
            self._events.revoked(lost)

    def _answer(self) -> None:
        """Do what was asked for since the last poll."""
        if self._to_pause != self._paused:
            with self._lock:
                begin, end = self._to_pause - self._paused, self._paused - self._to_pause
                self._paused = set(self._to_pause)
            attempt("pause", lambda: self._consumer.pause(self._places(begin)))
            attempt("resume", lambda: self._consumer.resume(self._places(end)))
        while not self._questions.empty():
            place, question = self._questions.get()
            try:
                question.set_result(self._ask_committed(place))
            except LogUnavailable as error:
                question.set_exception(error)
        if self._pending and time.monotonic() > self._committed_at + _COMMIT_SECONDS:
            self._commit_pending()

    def _refuse_questions(self) -> None:
        with suppress(Empty):
            while True:
                _, question = self._questions.get_nowait()
                question.set_exception(LogUnavailable(f"the consumer of {self._group} is closed"))

    def _commit_pending(self) -> None:
        with self._lock:
            pending, self._pending = self._pending, {}
            self._sent.update(pending)
        self._committed_at = time.monotonic()
        offsets = self._offsets(pending)
        attempt(
            f"commit for {self._group}",
            lambda: self._consumer.commit(offsets=offsets, asynchronous=True),
        )

    def _on_commit(self, error: KafkaError | None, places: list[TopicPartition]) -> None:
        """Try a failed commit again, unless a newer one waits or the partition has moved."""
        for place in places:
            reason = place.error or error
            if reason is None:
                continue
            key = (place.topic.removeprefix(self._options.prefix), place.partition)
            _LOGGER.warning("commit of %s for %s: %s", key, self._group, reason.str())
            if reason.code() not in _MOVED:
                with self._lock:
                    last = self._sent.get(key)
                    if key in self._owned and last is not None and last[0] == place.offset:
                        self._pending.setdefault(key, last)

    def _assign(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        consumer.incremental_assign(places)
        gained = self._keys(places)
        with self._lock:
            self._owned.update(gained)
        if gained:
            self._events.assigned(gained)

    def _revoke(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        lost = self._keys(places)
        if lost:
            self._events.revoked(lost)
        with self._lock:
            self._disown(lost)
            last = {place: self._pending.pop(place) for place in lost if place in self._pending}
        if last:
            try:
                consumer.commit(offsets=self._offsets(last), asynchronous=False)
            except KafkaException as error:
                # The next owner begins earlier: it meets records that are already done.
                _LOGGER.warning("%s", unavailable(f"last commit for {self._group}", error))
        if places:
            consumer.incremental_unassign(places)

    def _lose(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        """Take note that others have our partitions already: nothing can be committed."""
        lost = self._keys(places)
        with self._lock:
            self._disown(lost)
            for place in lost:
                self._pending.pop(place, None)
        if lost:
            self._events.revoked(lost)
        consumer.incremental_unassign(places)

    def _disown(self, lost: list[Place]) -> None:
        """Forget what belongs to partitions; needs the lock."""
        self._owned.difference_update(lost)
        self._to_pause.difference_update(lost)
        self._paused.difference_update(lost)

    def _keys(self, places: list[TopicPartition]) -> list[Place]:
        prefix = self._options.prefix
        return sorted((place.topic.removeprefix(prefix), place.partition) for place in places)

    def _places(self, keys: set[Place]) -> list[TopicPartition]:
        prefix = self._options.prefix
        return [TopicPartition(prefix + topic, partition) for topic, partition in keys]

    def _offsets(self, commits: dict[Place, tuple[int, str]]) -> list[TopicPartition]:
        return [
            TopicPartition(self._options.prefix + topic, partition, offset, metadata)
            for (topic, partition), (offset, metadata) in commits.items()
        ]
