"""Costs of the log on both engines: `python -m tests.bench.bench_log [embedded] [always] [kafka]`.

Prints, for records of 400 bytes: the time of one hop (send to received by a group's consumer, one
record at a time), the same while another thread keeps the interpreter busy, records per second flat
out through a consumer, and the CPU time of this process for each record (with Kafka the broker's
comes on top).
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from domain.ports.log import Log
from domain.record.envelope import Outgoing, Position, Record
from infra.embedded.log import EmbeddedLog
from infra.kafka.log import KafkaLog
from infra.local.kafka import KafkaServer
from infra.log_options import LogOptions, Sync

TOPIC = "execution.commands"
VALUE = b"x" * 400
HOPS = 2000
BUSY_HOPS = 200
FLOOD = 200_000


class Sink:
    """Counts what arrives; one record at a time it also notes when."""

    def __init__(self) -> None:
        self.count = 0
        self.wanted = 0
        self.arrived_ns = 0
        self.ready = threading.Event()
        self.done = threading.Event()

    def assigned(self, partitions: Sequence[tuple[str, int]]) -> None:
        self.ready.set()

    def revoked(self, partitions: Sequence[tuple[str, int]]) -> None:
        pass

    def records(self, batch: Sequence[Record]) -> None:
        self.arrived_ns = time.perf_counter_ns()
        self.count += len(batch)
        if self.count >= self.wanted:
            self.done.set()

    def expect(self, more: int) -> None:
        self.wanted = self.count + more
        self.done.clear()


def ignore(position: Position | None, error: Exception | None) -> None:
    """A delivery report that is asked for, as all components do, and not looked at."""
    if error is not None:
        raise error


def hops(log: Log, sink: Sink, count: int) -> tuple[float, float]:
    """Return median and 99th percentile of a hop in milliseconds."""
    taken = []
    for number in range(count):
        sink.expect(1)
        sent = time.perf_counter_ns()
        log.writer.send(Outgoing(TOPIC, f"execution-{number}", VALUE), ignore)
        sink.done.wait()
        taken.append((sink.arrived_ns - sent) / 1e6)
    taken.sort()
    return taken[count // 2], taken[int(count * 0.99)]


def flood(log: Log, sink: Sink, count: int) -> tuple[float, float, float]:
    """Return records/s sent, records/s received, CPU microseconds of this process per record."""
    sink.expect(count)
    cpu, begin = time.process_time(), time.perf_counter()
    for number in range(count):
        log.writer.send(Outgoing(TOPIC, f"execution-{number}", VALUE), ignore)
    log.writer.flush()
    sent = time.perf_counter() - begin
    sink.done.wait()
    received = time.perf_counter() - begin
    return count / sent, count / received, (time.process_time() - cpu) / count * 1e6


def burn(stop: threading.Event) -> None:
    """Keep the interpreter busy."""
    number = 0
    while not stop.is_set():
        number += 1


def measure(name: str, log: Log) -> None:
    """Print the figures of one log."""
    log.ensure_topics([TOPIC])
    sink = Sink()
    consumer = log.consumer("bench", [TOPIC], sink)
    consumer.start()
    sink.ready.wait()
    hops(log, sink, 100)
    median, worst = hops(log, sink, HOPS)
    print(f"{name:16} hop, idle            median {median:7.3f} ms   p99 {worst:7.3f} ms")
    stop = threading.Event()
    thread = threading.Thread(target=burn, args=(stop,))
    thread.start()
    for interval in (0.005, 0.0005):
        sys.setswitchinterval(interval)
        median, worst = hops(log, sink, BUSY_HOPS)
        print(
            f"{name:16} hop, busy, {interval * 1e3:3.1f} ms    "
            f"median {median:7.3f} ms   p99 {worst:7.3f} ms"
        )
    stop.set()
    thread.join()
    sys.setswitchinterval(0.005)
    sent, received, cpu = flood(log, sink, FLOOD)
    print(
        f"{name:16} flat out {sent:9,.0f} sent/s {received:9,.0f} received/s "
        f"{cpu:6.1f} us CPU per record"
    )
    consumer.close()
    begin, cpu_begin = time.perf_counter(), time.process_time()
    count = 0
    for partition in range(log.reader.partitions(TOPIC)):
        first, end = log.reader.bounds(TOPIC, partition)
        for _ in log.reader.read(TOPIC, partition, first, end):
            count += 1
    taken, cpu = time.perf_counter() - begin, time.process_time() - cpu_begin
    print(
        f"{name:16} reading back {count / taken:9,.0f} records/s "
        f"{cpu / count * 1e6:6.1f} us CPU per record"
    )
    begin = time.perf_counter()
    found = sum(1 for _ in log.reader.by_key(TOPIC, "execution-77"))
    print(
        f"{name:16} {found} records of a key among {count:,}: "
        f"{(time.perf_counter() - begin) * 1e3:.1f} ms"
    )


def main(names: Sequence[str]) -> None:
    """Measure the engines named."""
    for name in names:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            log: Log
            if name == "kafka":
                server = stack.enter_context(KafkaServer.start())
                log = KafkaLog(LogOptions(bootstrap_servers=server.bootstrap_servers))
            else:
                sync = Sync.ALWAYS if name == "always" else Sync.INTERVAL
                log = EmbeddedLog(folder / "log", LogOptions(sync=sync))
            measure(name, log)
            log.close()
            if name != "kafka":
                begin = time.perf_counter()
                EmbeddedLog(folder / "log", LogOptions()).close()
                print(f"{name:16} opening and closing {(time.perf_counter() - begin) * 1e3:.0f} ms")


if __name__ == "__main__":
    main(sys.argv[1:] or ["embedded", "always", "kafka"])
