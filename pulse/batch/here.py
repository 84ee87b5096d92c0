"""Many pictures on this machine, one after the other."""

from collections.abc import Callable, Sequence
from typing import Any

from pulse.batch.one import done_before, makers, search_one, tasks
from pulse.batch.order import EXPECTED, Order, Report, say_found, sentence
from pulse.batch.plan import Job
from stylegan.common import ending
from stylegan.common.files import is_full

__all__ = ["Counter", "Order", "Report", "do_each", "say_found", "search_pictures", "sentence"]


def search_pictures(
    jobs: Sequence[Job], order: Order, G: Any = None, on_share: Callable[[float], object] = lambda share: None
) -> Report:
    """Finds a face for each job, writes it as soon as it is found, and goes on past pictures that cannot be used.

    Each picture is answered on its own with the same options, so a result does not depend on its neighbours. Results
    that an earlier run finished are kept (`plan.answer`), even if that run was killed. A result of the same request is
    replaced if the picture or the generator behind its name has changed. A result of other options or another seed is
    kept and counts as a failure, unless `overwrite` is set. A file that this program did not write is never replaced.

    The batch ends early when the disk is full, or when a signal comes (`stylegan.common.ending`).

    Args:
        jobs: made by `plan`.
        order: what is wanted.
        G: the generator, where a network makes answers.
        on_share: called with the share done since the last call, 1 for each job in all.
    """
    report = Report(quiet=order.quiet)
    made_by = makers(order, G)

    def do(job: Job, check: Callable[[], None]) -> None:
        for task in tasks(job, order, made_by):
            if report.interrupted:
                break
            count = Counter(lambda share: on_share(share / len(made_by)), check)
            report.add(job, done_before(task, order) or search_one(task, order, G, count))
            count.move_to(1)

    do_each(jobs, report, do)
    return report


def do_each(jobs: Sequence[Job], report: Report, do: Callable[[Job, Callable[[], None]], None]) -> None:
    """Does the jobs of a batch, one after the other, until the disk is full or a signal comes.

    Args:
        jobs: made by `plan`.
        report: gets a sentence for each job that cannot be done, and what is not begun.
        do: called as do(job, check); it calls check() after each step (`stylegan.common.ending.steps`), and puts what
            it did into the report.
    """
    for number, job in enumerate(jobs):
        try:
            with ending.steps() as check:
                do(job, check)
        except SystemExit:
            # A signal came before the search had anything to keep.
            if ending.exit_code() is None:
                raise
            report.interrupted = True
            report.leave(jobs[number:])
            break
        except EXPECTED as error:
            report.failures.append(sentence(error, job.source))
            if isinstance(error, OSError) and is_full(error):
                report.leave(jobs[number + 1 :])
                break
        if ending.exit_code() is not None or report.interrupted:
            report.interrupted = True
            report.leave(jobs[number + 1 :])
            break


class Counter:
    """A callback of a search that tells which share of it is done, and looks for signals."""

    def __init__(self, on_share: Callable[[float], object], check: Callable[[], None]) -> None:
        self.on_share, self.check, self.done = on_share, check, 0.0

    def __call__(self, step: int, state: Any) -> None:
        self.move_to((state.batch + step / max(state.steps, 1)) / state.batches)
        self.check()

    def move_to(self, share: float) -> None:
        """Tells that this share of the whole is done."""
        self.on_share(share - self.done)
        self.done = share
