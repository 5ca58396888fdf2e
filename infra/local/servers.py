"""Kafka and OpenSearch together."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from infra.local.artifacts import resolve
from infra.local.kafka import LASTING, QUICK, KafkaServer
from infra.local.opensearch import OpenSearchServer


class Servers(msgspec.Struct, frozen=True):
    """Both servers, running."""

    kafka: KafkaServer
    opensearch: OpenSearchServer


@contextmanager
def running_servers(folder: Path | None = None) -> Iterator[Servers]:
    """Start both side by side on free ports; stop them in the end.

    Args:
        folder: keeps their data, in `kafka` and `opensearch`; None: temporary folders.

    Raises:
        LocalServerError: one can't be had or did not start.
    """
    jars = resolve()
    with ExitStack() as running, ThreadPoolExecutor(2, "start") as pool:
        kafka_folder = None if folder is None else folder / "kafka"
        opensearch_folder = None if folder is None else folder / "opensearch"
        options = QUICK if folder is None else LASTING
        first = pool.submit(KafkaServer.start, kafka_folder, java_options=options, artifacts=jars)
        second = pool.submit(OpenSearchServer.start, opensearch_folder, artifacts=jars)
        for start in (first, second):  # both are waited for, so that none is left alone
            if start.exception() is None:
                running.enter_context(start.result())
        yield Servers(first.result(), second.result())
