"""A worker whose tasks take virtual time. It keeps the contract of the real one, with its parts.

A request is done when its result is durable; what is not done is delivered again to whoever owns
the partition next; offsets above the committed one stand in the commit's metadata; kills are
remembered, for they may overtake what they are meant for.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from random import Random
from typing import Any

import msgspec

from domain.execution.commands import RecordTaskResult, RecordTaskStart
from domain.execution.lifecycle import StateType
from domain.execution.requests import AnyWorkerSignal, KillSignal, TaskRequest
from domain.ids import attempt_id, task_run_id
from domain.ports.log import Delivery
from domain.record.codec import Codec, encode
from domain.record.envelope import Outgoing, Position, Record
from domain.record.topics import EXECUTION_COMMANDS, TASK_REQUESTS, WORKER_SIGNALS
from streams.worker.kills import Kills
from streams.worker.offsets import Offsets
from tests.simulation.broker import Broker, Place
from tests.simulation.flows import script_of
from tests.simulation.process import Job, Process

_REQUESTS: Codec[TaskRequest] = Codec(TaskRequest)
_SIGNALS: Codec[AnyWorkerSignal] = Codec(AnyWorkerSignal)
_REPORT_START_MS = 25
_METADATA = 300
S = StateType


class _Attempt(msgspec.Struct):
    request: TaskRequest
    token: tuple[Offsets, int]
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
    ) -> None:
        super().__init__(name, broker, random, instant=instant, skew_ms=skew_ms)
        self._slots = slots
        self.runs = 0
        """Attempts begun in all."""

    def start(self) -> None:
        """Learn of the kills so far, and join."""
        self._offsets: dict[Place, Offsets] = {}
        self._running: dict[tuple[int, int], _Attempt] = {}
        self._ends: list[tuple[int, int, tuple[int, int]]] = []
        self._waiting: list[tuple[tuple[Offsets, int], Record]] = []
        self._count = 0
        self._changed = False
        self._paused = False
        self._kills = Kills(1_000)
        reader = self.log.reader
        starts = dict.fromkeys(range(reader.partitions(WORKER_SIGNALS)), 0)
        follower = self.log.tail(WORKER_SIGNALS, starts, self._heard)
        for place in follower.unread:
            follower.feed(place, 1_000_000)
        self._member = self.log.consumer("worker", [TASK_REQUESTS], self)
        self._member.start()

    def buried(self) -> None:
        """Nothing runs any more."""
        self._running = {}
        self._waiting = []
        self._ends = []

    # --- what the consumer tells

    def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        for topic, number in partitions:
            committed, metadata = self._member.committed(topic, number)
            self._offsets[topic, number] = Offsets(committed, metadata)
            if self._paused:
                self._member.pause(topic, number)

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        self._commit()
        for place in partitions:
            self._offsets.pop(place, None)

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

    def wake_ms(self) -> int | None:
        """Return when the next attempt ends, or is to be told of."""
        untold = (attempt for attempt in self._running.values() if not attempt.told)
        times = [_ms(attempt.began) + _REPORT_START_MS for attempt in untold]
        times += [entry[0] for entry in self._ends[:1]]
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
        if not self._owns(token[0]):
            return  # taken away while it waited: its new owner has it
        request = _REQUESTS.decode(record)
        self._count += 1
        self.runs += 1
        name = (id(token[0]), token[1])
        seconds = script_of(request.task).seconds
        if seconds == 0:
            seconds = self.random.choice((0, 0, 0.001, 0.05))
        now = self.clock.ms()
        attempt = _Attempt(request, token, self.clock.now(), now + round(seconds * 1000))
        timeout = request.task.get("timeout")
        if timeout == "PT2S" and seconds > 2:
            attempt.ends_ms = now + 2_000
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
            command_id=f"{attempt_id(request.task_run_id, request.attempt)}.start.{self.name}",
            issuer=self.name,
            task_run_id=request.task_run_id,
            attempt=request.attempt,
            worker_id=self.name,
            started_at=attempt.began,
        )
        self._send(command, self._or_die)

    def _end_next(self) -> None:
        ends_ms, _, name = heapq.heappop(self._ends)
        attempt = self._running.get(name)
        if attempt is None or attempt.ends_ms != ends_ms:
            return
        # reported as often as the broker says that it was not heard
        del self._running[name]
        command = self._result(attempt)

        def delivered(position: Position | None, error: Exception | None) -> None:
            del position
            if error is not None:
                self.fatal(error)
            attempt.token[0].done(attempt.token[1])
            self._changed = True

        self._send(command, delivered)

    def _send(self, command: RecordTaskResult | RecordTaskStart, delivered: Delivery) -> None:
        outgoing = Outgoing(EXECUTION_COMMANDS, command.execution_id, encode(command))
        self.log.send(outgoing, delivered)

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
            if not isinstance(signal, KillSignal):
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
            issuer=self.name,
            task_run_id=request.task_run_id,
            attempt=request.attempt,
            state=state,
            worker_id=self.name,
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
        if request.attempt <= script.failures:
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
            fails = request.attempt <= script_of(child).failures
            children.append(
                RecordTaskResult(
                    execution_id=request.execution_id,
                    command_id=f"{attempt_id(run_id, request.attempt)}.result",
                    task_run_id=run_id,
                    attempt=request.attempt,
                    state=S.FAILED if fails else S.SUCCESS,
                    worker_id=self.name,
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
