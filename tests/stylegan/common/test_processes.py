"""Jobs in several processes, Ctrl-C while these begin, and torch's number of threads."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from stylegan.common.processes import Helpers, as_done, in_processes, one_thread, usual_threads, with_threads

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


def _weigh(shared: int, job: int) -> int:
    if job < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    if job == 0:
        raise ZeroDivisionError("nothing to weigh")
    return shared * job


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_lost_process_costs_its_own_job_alone() -> None:
    found = dict(as_done(_weigh, 10, [1, -1, 2, 3], 2))
    assert {number: one for number, one in found.items() if number != 1} == {0: 10, 2: 20, 3: 30}
    assert str(found[1]).startswith("its process was lost (signal 9), perhaps for want of memory; run the same again")


@pytest.fixture
def no_child_left() -> Iterator[None]:
    """All processes that a test starts have ended with it; a server of other tests may keep its own."""
    before = {*multiprocessing.active_children()}
    yield
    assert {*multiprocessing.active_children()} <= before


@pytest.mark.usefixtures("no_child_left")
def test_what_a_job_or_a_look_raises_ends_all() -> None:
    def check() -> None:
        looks.append(1)
        if len(looks) == 2:
            raise KeyboardInterrupt

    looks: list[int] = []
    with pytest.raises(ZeroDivisionError, match="nothing to weigh"):
        list(as_done(_weigh, 10, [0], 1))
    with pytest.raises(KeyboardInterrupt):
        list(as_done(_sleep, None, [60.0], 1, check))


def _sleep(shared: None, job: float) -> None:
    time.sleep(job)


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


def _whose(job: int) -> tuple[int, int]:
    return job, os.getpid()


@pytest.mark.usefixtures("no_child_left")
def test_helpers_do_their_share_and_may_be_lost() -> None:
    helpers = Helpers(1)
    try:
        done = helpers.map(_whose, range(5))
        assert [job for job, _ in done] == list(range(5))
        (helper,) = {pid for _, pid in done[:2]}
        assert helper != os.getpid()
        assert {pid for _, pid in done[2:]} == {os.getpid()}
        assert helpers.map(_whose, [7]) == [(7, os.getpid())]
        os.kill(helper, getattr(signal, "SIGKILL", signal.SIGTERM))
        for _ in range(2):
            assert helpers.map(_whose, range(4)) == [(job, os.getpid()) for job in range(4)]
    finally:
        helpers.close()


def test_blocks_of_one_thread_may_overlap_and_leave_the_number_as_it_was() -> None:
    def number() -> int:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(torch.get_num_threads).result()

    entered, left = threading.Event(), threading.Event()

    def hold() -> tuple[int, int]:
        with one_thread():
            entered.set()
            assert left.wait(20)
            inside = torch.get_num_threads()
        return inside, torch.get_num_threads()

    with with_threads(3), ThreadPoolExecutor(1) as pool:
        with one_thread():
            # It begins while this block runs, and ends after it.
            other = pool.submit(hold)
            assert entered.wait(20)
            assert torch.get_num_threads() == 1
            assert usual_threads() == 3
            with one_thread(), with_threads(2):
                assert torch.get_num_threads() == 2
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        left.set()
        assert other.result() == (1, 3)
        assert number() == usual_threads() == 3
