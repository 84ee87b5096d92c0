"""One function over many jobs in several processes. Small tensors gain more from a second process than a thread."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

import torch

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")
# Seconds between two looks for signals.
_LOOK = 0.2


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def with_threads(count: int | None) -> Iterator[None]:
    """While the block runs, torch computes with `count` threads; None leaves their number as it is."""
    before = torch.get_num_threads() if _mine.blocks else usual_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)


class _Mine(threading.local):
    """How many blocks of `one_thread` a thread is in."""

    blocks = 0


_mine = _Mine()
_guard = threading.Lock()
# How many threads are in a block of `one_thread`, and torch's number of threads when the first of them came.
_inside, _before = 0, 1


def usual_threads() -> int:
    """torch's number of threads, as if nobody were in a block of `one_thread`."""
    with _guard:
        return _before if _inside else _number()


@contextmanager
def one_thread() -> Iterator[None]:
    """While the block runs, torch computes with one thread here; several threads may be in such blocks at once.

    After the last of them, torch's number of threads is what it was before the first, also for new threads.
    """
    global _inside, _before
    with _guard:
        if not _mine.blocks:
            _before = _before if _inside else _number()
            _inside += 1
        _mine.blocks += 1
        have_one_thread()
    try:
        yield
    finally:
        with _guard:
            _mine.blocks -= 1
            if not _mine.blocks:
                _inside -= 1
                torch.set_num_threads(_before)


def have_one_thread() -> None:
    """Has torch compute with one thread in this thread: the initializer of a pool within `one_thread`."""
    # A thread that has never asked takes the number of the whole process at its first operation, whatever it has set.
    torch.get_num_threads()
    torch.set_num_threads(1)


def _number() -> int:
    """torch's number of threads: this thread's, or that of new threads.

    A thread that first computed while another was in a block has kept one since.
    """
    with ThreadPoolExecutor(1) as pool:
        return max(torch.get_num_threads(), pool.submit(torch.get_num_threads).result())


def in_processes(function: Callable[[_Job], _Result], jobs: Iterable[_Job], processes: int) -> Iterator[_Result]:
    """Yields the results of `function` for all `jobs`, in their order.

    The processes end with this one, however it ends.

    Args:
        function: importable by name, because each process imports it. What it raises is raised here.
        jobs: its arguments; they must be picklable.
        processes: how many, each with one thread. 1 computes in this process, with all its threads. A program that
            asks for more must start behind `if __name__ == "__main__"`.

    Raises:
        ValueError: if `processes` is less than 1.
    """
    if processes < 1:
        raise ValueError(f"The number of processes is {processes}; give one or more.")
    if processes == 1:
        yield from map(function, jobs)
        return
    # A forked child inherits locks of PyTorch's threads and may wait for them for ever.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, initializer=_begin)
    try:
        rest = iter(jobs)
        # Few at a time, because results that are computed ahead are kept in memory.
        waiting: list[Future[_Result]] = []
        for job in islice(rest, 2 * processes):
            waiting.append(_submit(pool, function, job))
        while waiting:
            result = waiting.pop(0).result()
            waiting += [_submit(pool, function, job) for job in islice(rest, 1)]
            yield result
    except BaseException:
        # A shutdown would wait for running jobs, whose results are no longer wanted.
        for process in list((pool._processes or {}).values()):
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


class Helpers:
    """Processes that stay, each with one thread, and do their share of short calls.

    Threads of one process wait for each other's Python; these do not. They end with this process, however it ends. If
    one is lost, this process does everything itself from then on.

    Args:
        count: how many. A program that asks for one must start behind `if __name__ == "__main__"`.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_begin)
        self._lost = False

    def map(self, function: Callable[[_Job], _Result], jobs: Sequence[_Job]) -> list[_Result]:
        """`[function(job) for job in jobs]`, the last of them in this process and the others in the helpers.

        Args:
            function: importable by name.
            jobs: its arguments; they and the results must be picklable.
        """
        theirs = 0 if self._lost else len(jobs) - -(-len(jobs) // (self.count + 1))
        try:
            asked = [_submit(self._pool, function, job) for job in jobs[:theirs]]
            mine = [function(job) for job in jobs[theirs:]]
            return [*(one.result() for one in asked), *mine]
        except BrokenProcessPool:
            self._lost = True
            return [function(job) for job in jobs]

    def close(self) -> None:
        """Ends the processes."""
        self._pool.shutdown(cancel_futures=True)


class LostError(RuntimeError):
    """A process ended while it had a job: somebody killed it, or the system did, for want of memory."""


def as_done(
    function: Callable[[Any, _Job], _Result],
    shared: Any,
    jobs: Sequence[_Job],
    processes: int,
    check: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, _Result | LostError]]:
    """Yields what `function(shared, job)` gives for each job as soon as it is there, with the job's number.

    A process that is lost costs its own job alone, for which a `LostError` is yielded; another process takes its place.
    Processes end with this one, and where the loop ends early.

    Args:
        function: importable by name, because each process imports it. What it raises is raised here.
        shared: sent to each process once. It, the jobs and the results must be picklable.
        jobs: what is to be done.
        processes: how many at most, each with one thread, and all of them new ones.
        check: called several times a second; what it raises ends all.
    """
    context = multiprocessing.get_context("spawn")
    first, left = pickle.dumps((function, shared)), list(enumerate(jobs))[::-1]
    busy: dict[Connection, tuple[int, BaseProcess]] = {}
    started: list[BaseProcess] = []

    def begin(connection: Connection, process: BaseProcess, *messages: bytes) -> None:
        number, job = left.pop()
        busy[connection] = number, process
        # Of a process that is lost by now the connection says so.
        with suppress(OSError):
            for message in (*messages, pickle.dumps(job)):
                connection.send_bytes(message)

    def start() -> None:
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there,), daemon=True)
        with _without_ctrl_c():
            process.start()
        there.close()
        started.append(process)
        begin(here, process, first)

    try:
        for _ in range(min(processes, len(jobs))):
            start()
        while busy:
            check()
            for connection in wait(list(busy), _LOOK):
                assert isinstance(connection, Connection)
                number, process = busy.pop(connection)
                try:
                    failed, result = pickle.loads(connection.recv_bytes())
                except (EOFError, OSError):
                    process.join()
                    yield number, LostError(_how_it_ended(process.exitcode))
                    if left:
                        start()
                    continue
                if failed:
                    raise result
                if left:
                    begin(connection, process)
                else:
                    connection.close()
                yield number, result
    finally:
        for process in started:
            process.kill()
            process.join()


def _serve(connection: Connection) -> None:
    """Does jobs until no more come; runs in a process of its own."""
    _begin()
    with suppress(EOFError, OSError):
        function, shared = pickle.loads(connection.recv_bytes())
        while True:
            job = pickle.loads(connection.recv_bytes())
            try:
                done = False, function(shared, job)
            except Exception as error:
                done = True, error
            connection.send_bytes(pickle.dumps(done))


def _how_it_ended(code: int | None) -> str:
    how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    return f"its process was lost ({how}), perhaps for want of memory; run the same again, with fewer processes"


def _submit(pool: ProcessPoolExecutor, function: Callable[[_Job], _Result], job: _Job) -> Future[_Result]:
    with _without_ctrl_c():
        return pool.submit(function, job)


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Blocks Ctrl-C while the block runs; a process started in it inherits that, so its imports are not interrupted."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    torch.set_num_threads(1)
    # A terminal sends Ctrl-C to every process; the first process ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
