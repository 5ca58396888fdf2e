from __future__ import annotations

import os
import pwd
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

import infra.local.child
from infra.local.child import Child
from infra.local.errors import ChildDied, ChildNotReady

ROOT = Path(infra.local.child.__file__).parents[2]


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", code]


FOREVER = python("import time; print('up'); time.sleep(600)")


def test_a_line_of_the_output_is_waited_for(tmp_path: Path) -> None:
    with Child("it", FOREVER, log=tmp_path / "log") as child:
        child.wait_for_line("^up$", timeout=60)
        assert child.running


def test_the_output_goes_to_the_log_and_to_whoever_listens(tmp_path: Path) -> None:
    heard = []
    child = Child(
        "it",
        python("import sys; print('out'); print('err', file=sys.stderr)"),
        log=tmp_path / "log",
        on_line=lambda name, line: heard.append((name, line)),
    )
    with pytest.raises(ChildDied):
        child.wait_for_line("never", timeout=60)
    assert (tmp_path / "log").read_text() == "out\nerr\n"
    assert heard == [("it", "out"), ("it", "err")]


def test_the_end_of_a_child_is_told_with_the_tail_of_its_log(tmp_path: Path) -> None:
    child = Child("it", python("print('no such port'); exit(3)"), log=tmp_path / "log")
    with pytest.raises(ChildDied, match=r"(?s)it ended with exit code 3.*log.*no such port"):
        child.wait_for_line("up", timeout=60)


def test_a_child_that_says_nothing_in_time_is_not_ready(tmp_path: Path) -> None:
    with (
        Child("it", FOREVER, log=tmp_path / "log") as child,
        pytest.raises(ChildNotReady, match=r"it was not ready within 0\.01 s"),
    ):
        child.wait_for_line("ready", timeout=0.01)


def test_a_child_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    code = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
inner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("inner", inner.pid)
time.sleep(600)
"""
    child = Child("it", python(code), log=tmp_path / "log")
    child.wait_for_line("inner", timeout=60)
    found = re.search(r"inner (\d+)", child.tail())
    assert found is not None
    inner = psutil.Process(int(found[1]))
    assert child.stop(grace=0.1) == -signal.SIGKILL
    assert psutil.wait_procs([inner], timeout=30)[1] == []


def test_a_child_hears_no_ctrl_c_of_the_terminal(tmp_path: Path) -> None:
    with Child("it", FOREVER, log=tmp_path / "log") as child:
        child.wait_for_line("up", timeout=60)
        assert os.getpgid(child.pid) != os.getpgid(0)


def test_a_child_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    """Linux ties the parent-death signal to a thread."""
    started: list[Child] = []
    thread = threading.Thread(
        target=lambda: started.append(Child("it", FOREVER, log=tmp_path / "log"))
    )
    thread.start()
    thread.join()
    with started[0] as child:
        child.wait_for_line("up", timeout=60)
        assert child.wait(0.2) is None


def test_a_child_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = f"""
import sys, time
from pathlib import Path
from infra.local.child import Child
child = Child("it", {FOREVER!r}, log=Path({str(tmp_path / "log")!r}))
child.wait_for_line("up", timeout=60)
print(child.pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen(python(code), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    assert psutil.wait_procs([child], timeout=30)[1] == []


def test_a_child_of_root_can_be_another_user(tmp_path: Path) -> None:
    """Anyone else's child stays who it is."""
    user = "nobody" if os.geteuid() == 0 else None
    expected = user or pwd.getpwuid(os.geteuid()).pw_name
    child = Child("it", ["id", "-un"], log=tmp_path / "log", user=user, cwd=Path("/"))
    child.wait_for_line(f"^{expected}$", timeout=60)
    child.stop()


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    child = Child("it", ["no-such-program"], log=tmp_path / "log")
    with pytest.raises(ChildDied, match="no-such-program: no such program"):
        child.wait_for_line("up", timeout=60)
