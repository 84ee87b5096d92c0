"""Signals end a command at once and quietly, its children too, or after the step where a search has something to save.

Each test runs a child process that imports nothing heavy, and sends it a signal once it says that it is ready.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs the signals of Unix")

_BEGIN = """
import os, subprocess, sys, time
from stylegan.common import console, ending
def ready(): print("ready", flush=True)
"""
_SLEEPS = """
def command():
    ready(); time.sleep(20)
"""
# What torch does where it finds out about its optional parts.
_IMPORTS = """
open("slow.py", "w").write("import time, sys; print('ready', flush=True); time.sleep(20)")
sys.path.insert(0, ".")
def command():
    try:
        import slow
    except BaseException:
        pass
    time.sleep(20)
"""
_SEARCHES = """
def command():
    with ending.steps() as check:
        best = None
        try:
            for step in range(200):
                best = step
                time.sleep(0.1)
                check()
                if step == 0: ready()
        except KeyboardInterrupt:
            open("best", "w").write(str(best))
    return 0
"""
_HAS_CHILDREN = """
def command():
    child = subprocess.Popen([sys.executable, "-c", "import subprocess; subprocess.Popen(['sleep', '20']).wait()"])
    while not (found := ending._descendants(os.getpid())) or len(found) < 2: time.sleep(0.01)
    open("children", "w").write(" ".join(map(str, found)))
    ready()
    child.wait()
    time.sleep(20)
"""


def _run(script: str, folder: Path, *signals: int, how: str = "raise SystemExit(console.guarded(command))") -> int:
    process = subprocess.Popen(
        [sys.executable, "-c", f"{_BEGIN}{script}\n{how}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    began = time.monotonic()
    for number in signals:
        process.send_signal(number)
        time.sleep(0.02)
    out, err = process.communicate(timeout=15)
    assert time.monotonic() - began < 5
    assert (out, err) == ("", "")
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_its_number(number: int, tmp_path: Path) -> None:
    assert _run(_SLEEPS, tmp_path, number) == 128 + number


def test_an_import_cannot_swallow_it(tmp_path: Path) -> None:
    assert _run(_IMPORTS, tmp_path, signal.SIGINT) == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_search_keeps_its_best(number: int, tmp_path: Path) -> None:
    assert _run(_SEARCHES, tmp_path, number) == 128 + number
    assert int((tmp_path / "best").read_text()) >= 1


def test_the_second_one_does_not_wait(tmp_path: Path) -> None:
    slow = _SEARCHES.replace("time.sleep(0.1)", "time.sleep(0.1 if step == 0 else 20)")
    assert _run(slow, tmp_path, signal.SIGINT, signal.SIGINT) == 130
    assert not (tmp_path / "best").exists()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are found through /proc")
def test_children_and_theirs_end_too(tmp_path: Path) -> None:
    assert _run(_HAS_CHILDREN, tmp_path, signal.SIGTERM) == 143
    for process in (tmp_path / "children").read_text().split():
        status = Path(f"/proc/{process}/stat")
        assert not status.exists() or status.read_text().split()[2] == "Z"


def test_temporary_files_are_removed(tmp_path: Path) -> None:
    script = """
from stylegan.common.files import whole_file
def command():
    with whole_file("half") as part:
        ready(); time.sleep(20)
"""
    assert _run(script, tmp_path, signal.SIGTERM) == 143
    assert list(tmp_path.iterdir()) == []


def test_temporary_files_are_removed_in_the_middle_of_an_import(tmp_path: Path) -> None:
    # Pillow, for one, imports parts of itself when it writes the first frame of a film.
    (tmp_path / "slow.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(20)")
    (tmp_path / "out").mkdir()
    script = """
from pathlib import Path
from stylegan.common.files import whole_file
sys.path.insert(0, ".")
def command():
    with whole_file("out/half") as part, ending.unfinished(Path("out/folder")):
        os.makedirs("out/folder/in")
        import slow
"""
    assert _run(script, tmp_path, signal.SIGTERM) == 143
    assert list((tmp_path / "out").iterdir()) == []


def test_temporary_files_are_removed_by_the_second_one(tmp_path: Path) -> None:
    script = """
from stylegan.common.files import whole_file
def command():
    with ending.steps() as check, whole_file("half") as part:
        check(); ready(); time.sleep(20)
"""
    assert _run(script, tmp_path, signal.SIGINT, signal.SIGINT) == 130
    assert list(tmp_path.iterdir()) == []


def test_a_child_leaves_what_its_parent_writes(tmp_path: Path) -> None:
    script = """
from stylegan.common.files import whole_file
def command():
    with whole_file("whole") as part:
        if os.fork() == 0:
            ending._end_here(signal.SIGTERM)
        os.wait()
        part.write_text("kept"); ready(); time.sleep(0.3)
    return 0
"""
    assert _run(f"import signal\n{script}", tmp_path) == 0
    assert (tmp_path / "whole").read_text() == "kept"


def test_what_was_ignored_stays_ignored(tmp_path: Path) -> None:
    script = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
def command():
    ready(); time.sleep(0.5); return 3
"""
    assert _run(script, tmp_path, signal.SIGHUP) == 3


def test_handlers_are_put_back_for_a_caller(tmp_path: Path) -> None:
    from stylegan.common import console

    before = signal.getsignal(signal.SIGINT)
    assert console.guarded(lambda: 5, whole_process=False) == 5
    assert signal.getsignal(signal.SIGINT) is before


def test_a_closed_pipe_ends_it_quietly(tmp_path: Path) -> None:
    for speaking in ("console.say('line')", "print('line')", "print('line' * 100000)"):
        script = f"{_BEGIN}\ndef command():\n    while True: {speaking}\nraise SystemExit(console.guarded(command))"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        child = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.read(4)
        child.stdout.close()
        assert child.wait(10) == 141
        assert child.stderr.read() == b""
        child.stderr.close()
