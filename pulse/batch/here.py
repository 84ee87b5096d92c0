"""Many pictures on this machine, one after the other."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from pulse import pictures
from pulse.batch.plan import (
    Job,
    Request,
    TargetOptions,
    answer,
    file_digest,
    named,
    renderer_digest,
    request,
    weights_digest,
)
from pulse.depixelizer import depixelize
from pulse.options import STARTS, DrawnOptions, SearchOptions
from pulse.pictures.sheet import Beside, SheetRow, row_of_picture, rows_of
from pulse.result import Result
from stylegan.common import console, ending
from stylegan.common.files import is_full

# Raised because of the picture, the generator or the system; anything else is a defect of this program.
_EXPECTED = (ValueError, OSError, RuntimeError, MemoryError)


@dataclass
class Report:
    """The outcome of a batch.

    Attributes:
        written: files written.
        skipped: files left as they are, because an earlier run finished them.
        failures: one sentence for each picture that could not be done.
        left: pictures that were not begun, because the disk was full or a signal came.
        rows: of a contact sheet, for what was written and skipped.
        interrupted: whether a signal ended the batch.
    """

    written: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    left: list[Path] = field(default_factory=list)
    rows: list[SheetRow] = field(default_factory=list)
    interrupted: bool = False

    def tell(self) -> int:
        """Prints how the batch ended, and returns the exit code of its command."""
        if self.skipped:
            count = len(self.skipped)
            console.say(f"{count} done by an earlier run and left as they are; the option overwrite does them again.")
        for failure in self.failures:
            console.warn(failure)
        if self.left:
            done = len(self.written) + len(self.skipped)
            console.warn(f"{done} are done; not begun: {named([path.name for path in self.left])}.")
        if self.interrupted:
            found = "what was found so far is written" if self.written else "nothing was found yet"
            console.warn(f"Interrupted: {found}.")
            return ending.exit_code() or 130
        return 2 if self.failures else 0


@dataclass(frozen=True)
class Order:
    """What is wanted for every picture of a batch.

    Attributes:
        generator: as the user named it.
        options: of the search.
        target: how pictures become small.
        finishes: who makes the answers, as of `depixelize`; the second one's picture is written to `Job.second`.
        drawn: what drawn answers are to be, and from how many `starts` they are polished.
        overwrite: replace results of other requests, and do again what is done.
        save_results: also write the whole result beside the PNG, as .safetensors.
        keep_rows: collect what a contact sheet needs.
        verbose: also print in words what each result is worth.
    """

    generator: str
    options: SearchOptions
    target: TargetOptions
    finishes: tuple[str, ...] = ("network",)
    drawn: DrawnOptions = field(default_factory=DrawnOptions)
    starts: int = STARTS
    overwrite: bool = False
    save_results: bool = False
    keep_rows: bool = False
    verbose: bool = False


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
    report = Report()
    weights = {"network": "" if G is None else weights_digest(G)}
    weights["drawn"] = renderer_digest() if "drawn" in order.finishes else ""
    for number, job in enumerate(jobs):
        try:
            with ending.steps() as check:
                for finish in order.finishes:
                    if report.interrupted:
                        break
                    count = _Counter(lambda share: on_share(share / len(order.finishes)), check)
                    _search_one(job, order, finish, G, weights[finish], report, count)
        except SystemExit:
            # A signal came before the search had anything to keep.
            if ending.exit_code() is None:
                raise
            report.interrupted = True
            report.left = [job.source for job in jobs[number:]]
            break
        except _EXPECTED as error:
            report.failures.append(sentence(error, job.source))
            if isinstance(error, OSError) and is_full(error):
                report.left = [job.source for job in jobs[number + 1 :]]
                break
        if ending.exit_code() is not None or report.interrupted:
            report.interrupted = True
            report.left = [job.source for job in jobs[number + 1 :]]
            break
    return report


class _Counter:
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


def _search_one(job: Job, order: Order, finish: str, G: Any, weights: str, report: Report, count: _Counter) -> None:
    drawn = finish == "drawn"
    first = finish == order.finishes[0]
    output = job.output if first else job.second()
    beside = output.with_suffix(".safetensors")
    options = order.options
    wanted = _request(job, order, finish, weights)
    size = order.drawn.resolution if drawn else int(G.img_resolution)
    found = None if order.overwrite else answer(output, wanted, size)
    if found is not None and (
        not order.save_results or pictures.read_text(beside).get("made_from") == wanted.made_from
    ):
        report.skipped.append(output)
        if order.keep_rows:
            _keep(report, first, _row_of_file(job, *found, order, size))
        count.move_to(1)
        return
    pictures.check_replaceable(output, overwrite=order.overwrite, request=wanted.asked)
    if order.save_results:
        pictures.check_replaceable(beside, overwrite=order.overwrite, request=wanted.asked)
    notes: list[str] = []
    how: dict[str, Any] = {"generator": G, "options": options}
    if drawn:
        how = {"generator": order.generator, "seed": options.seed, "eps": options.eps, "starts": order.starts}
        how |= vars(order.drawn)
    result = depixelize(
        job.source,
        finish=finish,
        notes=notes,
        callback=count,
        **vars(order.target),
        **how,
    )
    if order.save_results:
        beside.parent.mkdir(parents=True, exist_ok=True)
        result.save(beside, {"Software": pictures.software(), **wanted.text()})
    text = pictures.story(
        result,
        0,
        order.generator,
        notes=notes,
        source=console.printable(job.source.name),
        **{name: str(value) for name, value in vars(order.target).items()},
        **wanted.text(),
    )
    pictures.write_picture(output, result.images[0], text)
    report.written.append(output)
    report.interrupted = result.interrupted
    if order.keep_rows:
        _keep(report, first, rows_of(result, [console.printable(job.source.name)], [notes])[0])
    say_found(output, result, 0, order.verbose)
    if first:
        for note in notes:
            console.warn(f"{job.source}: {note}")
    count.move_to(1)


def _request(job: Job, order: Order, finish: str, weights: str) -> Request:
    source, content = os.path.realpath(job.source), file_digest(job.source)
    drawn = order.drawn if finish == "drawn" else None
    # A drawn answer beside which the network's stands is the same answer.
    options = order.options
    if drawn is not None:
        options = SearchOptions(seed=options.seed, eps=options.eps, starts=order.starts)
    return request(source, content, order.generator, weights, options, order.target, drawn)


def _keep(report: Report, first: bool, row: SheetRow) -> None:
    """Adds a row to the sheet, or what a second finish made to the last row."""
    if first:
        report.rows.append(row)
    else:
        one = report.rows[-1]
        report.rows[-1] = replace(one, beside=(*one.beside, Beside(row.image, row.made_by, row.loss)))


def say_found(path: Path, result: Result, i: int, verbose: bool = False) -> None:
    """Prints one short line: where image `i` of a result is, and whether it fits; what that is worth if `verbose`."""
    fits = f"does not fit (eps {result.settings['eps']:g}), the best is written"
    if bool(result.reached[i]):
        fits = "fits, as almost any face would" if bool(result.one_colour[i]) else "fits"
    console.say(f"{path}  loss {float(result.l2[i]):.4g}, {fits}")
    if verbose:
        if result.made_by == "drawn":
            console.say(f"  {result.describe(i)}")
        console.say(f"  {result.verdict(i)}")


def sentence(error: BaseException, source: Path) -> str:
    """What went wrong with a picture, in a sentence that names it."""
    text = console.system_words(error) if isinstance(error, OSError) else str(error)
    text = " ".join(text.split()) or type(error).__name__
    text = text if console.printable(source) in text or str(source) in text else f"{source}: {text}"
    return text if text.endswith(".") else f"{text}."


def _row_of_file(job: Job, image: Tensor, text: dict[str, str], order: Order, resolution: int) -> SheetRow:
    notes: list[str] = []
    small = pictures.read_target(job.source, resolution, kernel=order.options.kernel, notes=notes, **vars(order.target))
    row = row_of_picture(console.printable(job.source.name), small, image, text, order.options.kernel)
    return replace(row, notes=notes)
