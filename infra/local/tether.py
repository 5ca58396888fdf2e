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
    os.execvp(command[0], command)  # noqa: S606 - replacing this process is the point


if __name__ == "__main__":
    tether(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
