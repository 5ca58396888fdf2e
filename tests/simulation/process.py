"""A process of a simulation: it has a memory to lose, a clock that may be wrong, and jobs to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from random import Random
from typing import Any, Final

import msgspec

from domain.record.envelope import instant_of
from tests.simulation.broker import Broker, Follower, Member, ProcessLog

Job = Callable[[], None]


class Died(BaseException):
    """The process is dead, wherever in its code it was. No handler may catch it."""


class Faults(msgspec.Struct):
    """How likely things go wrong, each per opportunity. All zero: nothing does."""

    crash: float = 0.0
    """Before one of the sends of a step."""
    refused: float = 0.0
    """A record is not written, and that is said."""
    unknown: float = 0.0
    """A record is written, and the acknowledgement is lost."""
    twice: float = 0.0
    """A record is written twice."""


NO_FAULTS: Final = Faults()


class Clock:
    """Clock port: the virtual time, as this process sees it."""

    def __init__(self, broker: Broker, skew_ms: int) -> None:
        self._broker = broker
        self.skew_ms = skew_ms

    def ms(self) -> int:
        return self._broker.now_ms + self.skew_ms

    def now(self) -> datetime:
        return instant_of(self.ms())


class Process:
    """Root of the processes. `boot` begins anew with what is durable."""

    def __init__(
        self, name: str, broker: Broker, random: Random, *, instant: bool, skew_ms: int
    ) -> None:
        self.name = name
        self.broker = broker
        self.random = random
        self.instant = instant
        self.clock = Clock(broker, skew_ms)
        self.faults = NO_FAULTS
        self.alive = False
        self.stalled_until_ms = 0
        self.boots = 0
        self.batch = 4
        """Most records handed over at once."""
        self.error: BaseException | None = None
        self.log = ProcessLog(self)

    # --- life

    def boot(self) -> None:
        """Start with an empty memory."""
        self.boots += 1
        self.error = None
        self.log = ProcessLog(self)
        self.alive = True
        try:
            self.start()
        except Died:
            self.kill()

    def kill(self) -> None:
        """End without any goodbye."""
        self.alive = False
        self.log.crash(self.random)
        for member in self.log.members:
            self.broker.group(member.group_name).leave(member)
        self.buried()

    def stop(self) -> None:
        """End in good order."""
        try:
            self.goodbye()
            self.log.flush()
            for member in list(self.log.members):
                member.close()
        except Died:
            pass
        self.kill()

    def fatal(self, error: BaseException) -> None:
        """Whatever forbids to go on ends the process at once."""
        self.error = error
        raise Died(str(error)) from error

    def start(self) -> None:
        """Build the parts and join the groups."""

    def goodbye(self) -> None:
        """Do what is done before an orderly end."""

    def buried(self) -> None:
        """The memory is gone."""

    # --- faults

    def before_send(self) -> None:
        """Maybe die before a record is sent."""
        if self.faults.crash and self.random.random() < self.faults.crash:
            raise Died("in the middle of a step")

    def fate_of_send(self) -> str:
        """Return what becomes of a record that the broker is to take."""
        faults = self.faults
        if faults is NO_FAULTS:
            return ""
        chance = self.random.random()
        if chance < faults.refused:
            return "refused"
        chance -= faults.refused
        if chance < faults.unknown:
            return "unknown"
        chance -= faults.unknown
        return "twice" if chance < faults.twice else ""

    # --- work

    def jobs(self) -> Iterator[Job]:
        """Yield what could be done now."""
        log = self.log
        for place in log.flights:
            yield lambda place=place: self._land(place)  # type: ignore[misc]
        for place in log.reports:
            yield lambda place=place: log.report(place)  # type: ignore[misc]
        sources: list[Member | Follower] = [*log.members, *log.followers]
        for source in sources:
            for place in source.unread:
                yield lambda source=source, place=place: self._feed(source, place)  # type: ignore[misc]
        yield from self.own_jobs()

    def own_jobs(self) -> Iterable[Job]:
        """Yield what this kind of process could do now."""
        return ()

    def wake_ms(self) -> int | None:
        """Return when something is due by the process's clock, in the world's time."""
        return None

    def _land(self, place: Any) -> None:
        waiting = self.log.flights[place]
        self.log.land(place, self.random.randint(1, len(waiting)))

    def _feed(self, source: Member | Follower, place: Any) -> None:
        source.feed(place, self.random.randint(1, self.batch))
