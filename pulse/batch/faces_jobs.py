"""The pictures of `pulse depixelize` shared by several processes of this machine."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

from pulse.batch.faces import FacesRun
from pulse.batch.faces_order import FacesOrder
from pulse.batch.order import EXPECTED, Report, sentence
from pulse.batch.plan import Job
from pulse.generators import device_of
from pulse.options import SearchOptions
from stylegan.common import console, ending
from stylegan.common.files import is_full
from stylegan.common.processes import LostError, as_done
from stylegan.gaussian_fit import fit_gaussian


@dataclass
class _Done:
    """What a process gives back for a picture.

    Attributes:
        report, facts: of this picture alone, as `FacesRun` has them.
        said: lines that are to be printed, and whether each goes to stdout.
        full: whether the disk was full.
    """

    report: Report
    facts: list[dict[str, Any]]
    said: list[tuple[bool, str]]
    full: bool = False


def do_in_processes(
    jobs: Sequence[Job],
    order: FacesOrder,
    report: Report,
    sources: set[str],
    on_share: Callable[[float], object],
    processes: int,
) -> list[dict[str, Any]]:
    """Does what `FacesRun` does in this process in several ones, each with one thread.

    Files are the same to the last bit as those of one process with one thread. Lines are printed as pictures are done;
    the report has the order of the jobs. After a signal, pictures that are not done are not begun.

    Args:
        jobs, order, report, sources, on_share: as of `FacesRun` and `do_each`.
        processes: how many at most.

    Returns:
        What was found for each picture, for a program.

    Raises:
        ValueError: the generator is on a GPU, which several processes would have to share.
    """
    if order.G is not None:
        if device_of(order.G).type != "cpu":
            raise ValueError("The generator is on a GPU, which several processes do not share; leave --jobs out.")
        fits = order.given.get("space", SearchOptions.space) in ("gaussianized", "pulse")
        if fits and int(getattr(order.G, "c_dim", 0)) == 0 and getattr(order.G, "gaussian_fit", None) is None:
            # Once here, not in each process.
            fit_gaussian(order.G)
    parts: dict[int, _Done] = {}
    with ending.steps() as check:
        try:
            check()
            for number, done in as_done(_do, (order, sources), jobs, processes, check):
                if isinstance(done, LostError):
                    failed = Report(failures=[sentence(done, jobs[number].source)])
                    done = _Done(failed, [], [])
                parts[number] = done
                on_share(1)
                for on_stdout, line in done.said:
                    (console.say if on_stdout else console.warn)(line)
                if done.full:
                    break
        except KeyboardInterrupt:
            report.interrupted = True
    for number in sorted(parts):
        report.join(parts[number].report)
    report.leave(job for number, job in enumerate(jobs) if number not in parts)
    return [fact for number in sorted(parts) for fact in parts[number].facts]


def _do(shared: tuple[FacesOrder, set[str]], job: Job) -> _Done:
    """One picture; runs in a process of its own."""
    order, sources = shared
    done = _Done(Report(), [], [])
    run = FacesRun(order, done.report, sources, lambda share: None)
    warnings.showwarning = lambda message, *where, **more: console.warn(str(message))
    with redirect_stdout(_Lines(True, done.said)), redirect_stderr(_Lines(False, done.said)):
        try:
            run.do(job, lambda: None)
        except EXPECTED as error:
            done.report.failures.append(sentence(error, job.source))
            done.full = isinstance(error, OSError) and is_full(error)
    done.facts = run.done
    return done


class _Lines:
    """A stream that keeps lines, for `print`."""

    encoding = "utf-8"

    def __init__(self, on_stdout: bool, said: list[tuple[bool, str]]) -> None:
        self.on_stdout, self.said = on_stdout, said

    def write(self, text: str) -> int:
        # `print` writes the end of a line by itself.
        self.said += [(self.on_stdout, line) for line in text.splitlines() if line]
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""
