"""Jobs in several processes, and Ctrl-C while these begin."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stylegan.common.processes import in_processes

ROOT = Path(__file__).parents[3]
_PROGRAM = """
import signal, time
from stylegan.common.processes import in_processes
def jobs():
    yield 1.0
    print("the first process is starting", flush=True)
    time.sleep(20)
    yield 60.0
def told(*_):
    # So that the first process does not end the others before they could complain.
    time.sleep(1)
    raise KeyboardInterrupt
if __name__ == "__main__":
    signal.signal(signal.SIGINT, told)
    try:
        list(in_processes(time.sleep, jobs(), 2))
    except KeyboardInterrupt:
        print("told")
"""


def test_results_come_in_order() -> None:
    assert list(in_processes(abs, [-3, 2, -1], 1)) == [3, 2, 1]
    with pytest.raises(ValueError, match="give one or more"):
        list(in_processes(abs, [1], 0))


@pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX")
def test_ctrl_c_while_processes_begin_leaves_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(_PROGRAM)
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "the first process is starting\n"
        # It imports torch now. A terminal's Ctrl-C goes to all processes.
        time.sleep(0.6)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == "told\n"
        assert process.stderr.read() == ""
        assert process.wait(timeout=10) == 0
