"""A worker whose tasks take virtual time. It keeps the contract of the real one, with its parts.

A request is done when its result is durable; what is not done is delivered again to whoever owns
the partition next; offsets above the committed one stand in the commit's metadata; what may have
been begun by a worker that is gone is left to the executor; kills are remembered, for they may
overtake what they are meant for.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from random import Random
from typing import Any

import msgspec

from domain.execution.commands import (
    ExecutionCommand,
    RecordAttemptLost,
    RecordTaskResult,
    RecordTaskStart,
)
from domain.execution.lifecycle import StateType
from domain.execution.requests import (
    AnyWorkerSignal,
    AttemptEnded,
    Heartbeat,
    TaskRequest,
)
from domain.ids import attempt_id, task_run_id
from domain.ports.log import Delivery
from domain.record.codec import Codec, encode
from domain.record.envelope import Outgoing, Position, Record
from domain.record.topics import EXECUTION_COMMANDS, TASK_REQUESTS, WORKER_SIGNALS
from streams.worker.intake import Intake, Verdict
from streams.worker.kills import Kills
from streams.worker.offsets import Offsets
from streams.worker.peers import worker_id_of
from tests.simulation.broker import Broker, Place
from tests.simulation.flows import script_of
from tests.simulation.process import Job, Process

_REQUESTS: Codec[TaskRequest] = Codec(TaskRequest)
_SIGNALS: Codec[AnyWorkerSignal] = Codec(AnyWorkerSignal)
_REPORT_START_MS = 25
_METADATA = 300
_BEAT_MS = 3_000
_GONE_AFTER_SECONDS = 10
S = StateType


_Token = tuple[Offsets, int]
_Item = tuple[_Token, Record]


Begun = Callable[[TaskRequest, str], None]
"""Told of every attempt that begins, with the worker."""


class _Attempt(msgspec.Struct):
    request: TaskRequest
    token: _Token
    began: datetime
    ends_ms: int
    told: bool = False
    """Its start was reported."""
    killed: bool = False


class Worker(Process):
    """Takes requests in slots, lets time pass, reports."""

    def __init__(
        self,
        name: str,
        broker: Broker,
        random: Random,
        *,
        instant: bool,
        skew_ms: int,
        slots: int,
        begun: Begun,
    ) -> None:
        super().__init__(name, broker, random, instant=instant, skew_ms=skew_ms)
        self._slots = slots
        self._begun = begun
        self.runs = 0
        """Attempts begun in all."""

    def start(self) -> None:
        """Learn of the kills so far, and join."""
        self.id = worker_id_of(self.name, str(self.boots))
        self._offsets: dict[Place, Offsets] = {}
        self._running: dict[str, _Attempt] = {}
        self._ends: list[tuple[int, int, str]] = []
        self._waiting: list[_Item] = []
        self._intake: Intake[_Token, _Item] = Intake(self.id, _GONE_AFTER_SECONDS, 1_000)
        self._count = 0
        self._changed = False
        self._paused = False
        self._next_beat_ms = self.clock.ms()
        self._kills = Kills(1_000)
        reader = self.log.reader
        starts = dict.fromkeys(range(reader.partitions(WORKER_SIGNALS)), 0)
        follower = self.log.tail(WORKER_SIGNALS, starts, self._heard)
        for place in follower.unread:
            follower.feed(place, 1_000_000)
        self._member = self.log.consumer("worker", [TASK_REQUESTS], self)
        self._member.start()
        self._beat()

    def goodbye(self) -> None:
        """Take leave, so that nobody waits for what is left running."""
        self.log.flush()
        self._beat(leaving=True)

    def buried(self) -> None:
        """Nothing runs any more."""
        self._running = {}
        self._waiting = []
        self._ends = []

    # --- what the consumer tells

    def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        for topic, number in partitions:
            committed, metadata = self._member.committed(topic, number)
            _, end = self.log.reader.bounds(topic, number)
            self._offsets[topic, number] = Offsets(committed, metadata, end)
            if self._paused:
                self._member.pause(topic, number)
        self._commit()

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        for place in partitions:
            offsets = self._offsets.pop(place, None)
            commit = None if offsets is None else offsets.commit(_METADATA, gives_back=True)
            if commit is not None:
                self._member.commit(*place, *commit)
        self._intake.keep(lambda item: self._owns(item[0][0]))

    def records(self, batch: Sequence[Record]) -> None:
        for record in batch:
            offsets = self._offsets.get((record.topic, record.partition))
            if offsets is not None and offsets.take(record.offset):
                self._waiting.append(((offsets, record.offset), record))
        if not self._paused and len(self._waiting) > 2 * self._slots:
            self._paused = True
            for place in self._offsets:
                self._member.pause(*place)

    # --- work

    def own_jobs(self) -> Iterable[Job]:
        """Begin, report starts, end, commit."""
        if self._waiting and len(self._running) < self._slots:
            yield self._begin
        now = self.clock.ms()
        for attempt in self._running.values():
            if not attempt.told and now - _ms(attempt.began) >= _REPORT_START_MS:
                yield lambda attempt=attempt: self._tell_start(attempt)  # type: ignore[misc]
        if self._ends and self._ends[0][0] <= now:
            yield self._end_next
        if self._changed:
            yield self._commit
        if self._intake.holders:
            yield from (
                lambda holder=holder: self._look_after(holder)
                for holder in self._intake.holders
                if self._intake.seconds_left(holder, self.clock.now()) <= 0
            )
        if self._running and self._next_beat_ms <= now:
            yield self._beat

    def wake_ms(self) -> int | None:
        """Return when the next attempt ends, or is to be told of."""
        untold = (attempt for attempt in self._running.values() if not attempt.told)
        times = [_ms(attempt.began) + _REPORT_START_MS for attempt in untold]
        times += [entry[0] for entry in self._ends[:1]]
        if self._running:
            times.append(self._next_beat_ms)
        for holder in self._intake.holders:
            left = self._intake.seconds_left(holder, self.clock.now())
            times.append(self.clock.ms() + max(1, round(1000 * left) + 1))
        return min(times) - self.clock.skew_ms if times else None

    @property
    def owed(self) -> Iterator[str]:
        """Task runs that are in this worker's hands."""
        for attempt in self._running.values():
            yield attempt.request.task_run_id
        for _, record in self._waiting:
            yield record.key

    def _begin(self) -> None:
        token, record = self._waiting.pop(self.random.randrange(len(self._waiting)))
        if self._paused and len(self._waiting) < self._slots:
            self._paused = False
            for place in self._offsets:
                self._member.resume(*place)
        offsets, offset = token
        if not self._owns(offsets):
            return  # taken away while it waited: its new owner has it
        request = _REQUESTS.decode(record)
        name = attempt_id(request.task_run_id, request.attempt)
        match self._intake.judge(request, token, offsets, offset, self.clock.now()):
            case Verdict.RUN:
                self._run(name, request, token)
            case Verdict.JOINED:
                pass
            case Verdict.ENDED:
                self._done([token])
            case Verdict.WAIT:
                self._intake.park(offsets.holder(offset) or "", name, (token, record))
            case Verdict.LOST:
                self._hand_back(request, token)

    def _look_after(self, holder: str) -> None:
        self._waiting.extend(self._intake.release(holder))

    def _hand_back(self, request: TaskRequest, token: _Token) -> None:
        name = attempt_id(request.task_run_id, request.attempt)
        command = RecordAttemptLost(
            execution_id=request.execution_id,
            command_id=f"{name}.lost.{self.id}.{token[1]}",
            issuer=self.id,
            task_run_id=request.task_run_id,
            attempt=request.attempt,
            worker_id=token[0].holder(token[1]) or "",
        )
        self._send(command, lambda _, error: self._delivered(error, [token]))

    def _run(self, name: str, request: TaskRequest, token: _Token) -> None:
        self._intake.begun(name, token)
        token[0].hold(token[1], self.id)
        self._changed = True
        self._count += 1
        self.runs += 1
        seconds = script_of(request.task).seconds
        if seconds == 0:
            seconds = self.random.choice((0, 0, 0.001, 0.05))
        now = self.clock.ms()
        attempt = _Attempt(request, token, self.clock.now(), now + round(seconds * 1000))
        timeout = request.task.get("timeout")
        if timeout == "PT2S" and seconds > 2:
            attempt.ends_ms = now + 2_000
        if request.is_at_most_once:
            self._tell_start(attempt)
            self.log.flush()
        self._begun(request, self.id)
        self._running[name] = attempt
        if self._kills.hits(request):
            attempt.killed = True
            attempt.ends_ms = now
        heapq.heappush(self._ends, (attempt.ends_ms, self._count, name))

    def _tell_start(self, attempt: _Attempt) -> None:
        attempt.told = True
        request = attempt.request
        command = RecordTaskStart(
            execution_id=request.execution_id,
            command_id=f"{attempt_id(request.task_run_id, request.attempt)}.start.{self.id}",
            issuer=self.id,
            task_run_id=request.task_run_id,
            attempt=request.attempt,
            worker_id=self.id,
            started_at=attempt.began,
        )
        self._send(command, self._or_die)

    def _end_next(self) -> None:
        ends_ms, _, name = heapq.heappop(self._ends)
        attempt = self._running.get(name)
        if attempt is None or attempt.ends_ms != ends_ms:
            return
        # reported as often as the broker says that it was not heard
        command = self._result(attempt)
        del self._running[name]
        self._send(command, lambda _, error: self._delivered(error, [], name))

    def _delivered(self, error: Exception | None, tokens: list[_Token], ended: str = "") -> None:
        if error is not None:
            self.fatal(error)
        if ended:
            tokens = self._intake.ended(ended)
            if not all(self._owns(offsets) for offsets, _ in tokens):
                self._signal(AttemptEnded(attempt_id=ended, worker_id=self.id))
        self._done(tokens)

    def _done(self, tokens: list[_Token]) -> None:
        for offsets, offset in tokens:
            offsets.done(offset)
        self._changed = True

    def _send(self, command: ExecutionCommand, delivered: Delivery) -> None:
        outgoing = Outgoing(EXECUTION_COMMANDS, command.execution_id, encode(command))
        self.log.send(outgoing, delivered)

    def _signal(self, signal: AnyWorkerSignal) -> None:
        self.log.send(Outgoing(WORKER_SIGNALS, self.name, encode(signal)), self._or_die)

    def _beat(self, *, leaving: bool = False) -> None:
        self._next_beat_ms = self.clock.ms() + _BEAT_MS
        self._signal(Heartbeat(worker_id=self.id, sent_at=self.clock.now(), leaving=leaving))

    def _or_die(self, position: Position | None, error: Exception | None) -> None:
        del position
        if error is not None:
            self.fatal(error)

    def _commit(self) -> None:
        self._changed = False
        for place, offsets in self._offsets.items():
            commit = offsets.commit(_METADATA)
            if commit is not None:
                self._member.commit(*place, *commit)

    def _owns(self, offsets: Offsets) -> bool:
        return any(known is offsets for known in self._offsets.values())

    # --- signals

    def _heard(self, batch: list[Record]) -> None:
        for record in batch:
            signal = _SIGNALS.decode(record)
            if isinstance(signal, Heartbeat):
                for holder in self._intake.heard(signal):
                    self._look_after(holder)
                continue
            if isinstance(signal, AttemptEnded):
                self._done([token for token, _ in self._intake.ended_elsewhere(signal)])
                continue
            self._kills.remember(signal, record.timestamp_ms)
            for name, attempt in self._running.items():
                request = attempt.request
                if request.execution_id != signal.execution_id or not self._kills.hits(request):
                    continue
                attempt.killed = True
                attempt.ends_ms = min(attempt.ends_ms, self.clock.ms() + self.random.randrange(20))
                self._count += 1
                heapq.heappush(self._ends, (attempt.ends_ms, self._count, name))

    # --- outcomes

    def _result(self, attempt: _Attempt) -> RecordTaskResult:
        request = attempt.request
        ended = self.clock.now()
        state, outputs, children = self._outcome(attempt, ended)
        return RecordTaskResult(
            execution_id=request.execution_id,
            command_id=f"{attempt_id(request.task_run_id, request.attempt)}.result",
            issuer=self.id,
            task_run_id=request.task_run_id,
            attempt=request.attempt,
            state=state,
            worker_id=self.id,
            started_at=attempt.began,
            ended_at=max(ended, attempt.began),
            outputs=outputs,
            children=children,
        )

    def _outcome(
        self, attempt: _Attempt, ended: datetime
    ) -> tuple[StateType, dict[str, Any] | None, list[RecordTaskResult]]:
        if attempt.killed:
            return S.KILLED, None, []
        request = attempt.request
        task = request.task
        kind = str(task["type"]).rpartition(".")[2]
        match kind:
            case "Split":
                return S.SUCCESS, {"uris": ["kestra:///1", "kestra:///2"]}, []
            case "Write":
                return S.SUCCESS, {"uri": "kestra:///merged"}, []
            case "WorkingDirectory":
                return self._directory(attempt, ended)
            case _:
                pass
        script = script_of(task)
        if task.get("timeout") == "PT2S" and script.seconds > 2:
            return S.FAILED, None, []
        if request.attempt - request.lost_attempts <= script.failures:
            return S.FAILED, None, []
        return S.WARNING if script.warns else S.SUCCESS, {"value": task["id"]}, []

    def _directory(
        self, attempt: _Attempt, ended: datetime
    ) -> tuple[StateType, dict[str, Any] | None, list[RecordTaskResult]]:
        request = attempt.request
        children: list[RecordTaskResult] = []
        for child in request.task.get("tasks") or []:
            if child.get("disabled"):
                continue
            run_id = task_run_id(request.execution_id, child["id"], request.task_run_id, "", 0)
            fails = request.attempt - request.lost_attempts <= script_of(child).failures
            children.append(
                RecordTaskResult(
                    execution_id=request.execution_id,
                    command_id=f"{attempt_id(run_id, request.attempt)}.result",
                    task_run_id=run_id,
                    attempt=request.attempt,
                    state=S.FAILED if fails else S.SUCCESS,
                    worker_id=self.id,
                    started_at=attempt.began,
                    ended_at=max(ended, attempt.began),
                    outputs={"value": child["id"]},
                )
            )
            if fails:
                return S.FAILED, {}, children
        return S.SUCCESS, {}, children


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
