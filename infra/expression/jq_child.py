"""A process that runs jq programs: no environment, little memory, killed when it takes too long.

Speaks in frames on its standard streams: four bytes of length, then JSON. A request is
`[program, input]`, the input as JSON text; an answer `[results, null]` or `[null, error]`. It ends
with its parent: no more input, no process.
"""

from __future__ import annotations

import json
import resource
import struct
import sys
from functools import lru_cache
from typing import Any, BinaryIO

import jq

_MEMORY_BYTES = 512 * 1024 * 1024


@lru_cache(maxsize=256)
def _compiled(program: str) -> Any:
    # `env` and `$ENV` would show the environment; the line break ends a comment of the program's
    return jq.compile(f"def env: {{}}; {{}} as $ENV | ({program}\n)")


def _answer(program: str, text: str) -> list[Any]:
    try:
        return [_compiled(program).input_text(text).all(), None]
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return [None, str(error) or type(error).__name__]


def _read(stream: BinaryIO, size: int) -> bytes:
    chunks: list[bytes] = []
    while size:
        chunk = stream.read(size)
        if not chunk:
            sys.exit(0)
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def main() -> None:
    """Answer requests until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while True:
        (size,) = struct.unpack(">I", _read(requests, 4))
        program, text = json.loads(_read(requests, size))
        frame = json.dumps(_answer(program, text)).encode()
        answers.write(struct.pack(">I", len(frame)) + frame)
        answers.flush()


if __name__ == "__main__":
    main()
