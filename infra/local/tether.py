"""Become another program that can't outlive its parent.

Run as a script, `python -I -S tether.py PARENT_PID USER COMMAND...`: asks Linux for a SIGKILL when
the parent dies (also when it is SIGKILLed itself), becomes USER (`-`: stays who it is), and
replaces itself by COMMAND under the same process id. A script between fork and exec, because a hook
there is unsafe in a program with threads. Imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1


def tether(parent: int, user: str, command: list[str]) -> None:
    """Replace this process by `command`; returns only by an exception or by dying.

    Args:
        parent: process id of the starter; when it is gone already, this process ends at once.
        user: login name to become, `-` for none.
        command: program (searched in PATH) and arguments.
    """
    program = find(command[0])  # first: another user may not read what Python would still import
    if user != "-":
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    if sys.platform == "linux":
        # after the change of user: that change would take the request back
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    os.execv(program, command)  # noqa: S606 - replacing this process is the point


def find(program: str) -> str:
    """Return the path of `program`, searched in PATH unless it is a path already."""
    if os.sep in program:
        return program
    for folder in os.get_exec_path():
        path = os.path.join(folder, program)  # noqa: PTH118 - pathlib would cost the start 10 ms
        if os.access(path, os.X_OK):
            return path
    sys.exit(f"{program}: no such program in PATH")


if __name__ == "__main__":
    tether(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
