from __future__ import annotations

import logging

from infra.logs import Repeats


def line(text: str, name: str = "aiokafka.consumer", *arguments: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "", 0, text, arguments, None)


def test_what_a_client_repeats_is_written_once_in_a_while_and_counted() -> None:
    now = 0.0
    repeats = Repeats(10, lambda: now)
    assert repeats.filter(line("no node %s", "aiokafka.consumer", 1))
    for node in range(7):
        assert not repeats.filter(line("no node %s", "aiokafka.consumer", node))
    assert repeats.filter(line("something else"))
    now = 11.0
    again = line("no node %s", "aiokafka.consumer", 2)
    assert repeats.filter(again)
    assert again.getMessage() == "no node 2 (7 more like this were left out)"


def test_our_own_lines_are_never_left_out() -> None:
    repeats = Repeats()
    assert all(repeats.filter(line("dead letter", "streams.steps")) for _ in range(3))
