"""Samples of what Python processes do while they are measured, by py-spy."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

_RATE = 100
_SHOWN = 12


class Profiles:
    """Records every process from entry to exit: collapsed stacks in files, a table on the screen.

    Only what holds the interpreter is counted, so waiting is left out. Recording costs a part of
    a core: figures that are taken meanwhile are not to be compared with others.
    """

    def __init__(self, processes: Mapping[str, int], folder: Path) -> None:
        self._processes = processes
        self._folder = folder
        self._recorders: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        program = Path(sys.executable).with_name("py-spy")
        for name, pid in self._processes.items():
            self._recorders[name] = subprocess.Popen(
                [
                    str(program), "record", "--pid", str(pid), "--rate", str(_RATE), "--gil",
                    "--threads", "--nonblocking", "--duration", "unlimited",
                    "--format", "raw", "--output", str(self._file(name)),
                ],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True,
            )  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name, recorder in self._recorders.items():
            recorder.send_signal(signal.SIGINT)
            output, _ = recorder.communicate(timeout=60)
            if self._file(name).exists():
                print(table(name, self._file(name).read_text()), flush=True)
            else:
                print(f"no profile of {name}: {output.strip()}", flush=True)
        print(f"collapsed stacks: {self._folder}/*.txt (speedscope.app reads them)", flush=True)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.txt"


def table(name: str, stacks: str) -> str:
    """Return the functions of most own time, and those of most time with what they call."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    total = 0
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        total += int(count)
        own[frames[-1]] += int(count)
        for frame in set(frames):
            whole[frame] += int(count)
    lines = [f"\n== profile of {name}: {total / _RATE:.1f} s with the interpreter"]
    for title, counter in (("own time", own), ("with what is called", whole)):
        lines.append(f"  {title}")
        lines += [
            f"    {100 * count / total:5.1f} %  {frame}"
            for frame, count in counter.most_common(_SHOWN if counter is own else 3 * _SHOWN)
        ]
    return "\n".join(lines)
