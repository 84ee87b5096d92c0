"""One function over many jobs in several processes. Small tensors gain more from a second process than a thread."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import wait
from typing import TypeVar

import torch

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def with_threads(count: int | None) -> Iterator[None]:
    """While the block runs, torch computes with `count` threads; None leaves their number as it is."""
    before = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)


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


def _submit(pool: ProcessPoolExecutor, function: Callable[[_Job], _Result], job: _Job) -> Future[_Result]:
    """Submits a job with Ctrl-C blocked; a process started for it inherits that, so its imports are not interrupted."""
    if not hasattr(signal, "pthread_sigmask"):
        return pool.submit(function, job)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(function, job)
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
