"""Many pictures on this machine, one after the other."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulse import pictures
from pulse.batch.plan import Job, TargetOptions, answer, file_digest, named, request, weights_digest
from pulse.depixelizer import depixelize
from pulse.drawn import RESOLUTION
from pulse.operators import downsample
from pulse.options import SearchOptions
from pulse.pictures.sheet import SheetRow, rows_of
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


def search_pictures(
    jobs: Sequence[Job],
    G: Any,
    generator: str,
    options: SearchOptions,
    target: TargetOptions,
    *,
    finish: str = "network",
    overwrite: bool = False,
    save_results: bool = False,
    keep_rows: bool = False,
    verbose: bool = False,
    on_steps: Callable[[float], object] = lambda steps: None,
) -> Report:
    """Searches a face for each job, writes it as soon as it is found, and goes on past pictures that cannot be used.

    Each picture is searched on its own with the same options, so a result does not depend on its neighbours. Results
    that an earlier run finished are kept (`plan.answer`), even if that run was killed. A result of the same request is
    replaced if the picture or the generator behind its name has changed. A result of other options or another seed is
    kept and counts as a failure, unless `overwrite` is set. A file that this program did not write is never replaced.

    The batch ends early when the disk is full, or when a signal comes (`stylegan.common.ending`).

    Args:
        jobs: made by `plan`.
        G: the generator; `generator` is how the user named it.
        options: of the search.
        target: how pictures become small.
        finish: who draws the answers, as of `depixelize`.
        overwrite: replace results of other requests, and do again what is done.
        save_results: also write the whole result beside the PNG, as .safetensors.
        keep_rows: collect what a contact sheet needs.
        verbose: also print in words what each result is worth.
        on_steps: called with the number of steps done since the last call, `options.steps` for each job in all.
    """
    report = Report()
    weights = weights_digest(G)
    for number, job in enumerate(jobs):
        try:
            with ending.steps() as check:
                _search_one(
                    job,
                    G,
                    generator,
                    weights,
                    options,
                    target,
                    finish,
                    overwrite,
                    save_results,
                    keep_rows,
                    verbose,
                    report,
                    _counted(options.steps, on_steps, check),
                )
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


def _search_one(
    job: Job,
    G: Any,
    generator: str,
    weights: str,
    options: SearchOptions,
    target: TargetOptions,
    finish: str,
    overwrite: bool,
    save_results: bool,
    keep_rows: bool,
    verbose: bool,
    report: Report,
    count: Callable[[int, Any], None],
) -> None:
    beside = job.output.with_suffix(".safetensors")
    drawn = finish == "drawn"
    # What is drawn is another answer than the network's.
    by, of = (f"{generator} (drawn)", f"{weights} (drawn)") if drawn else (generator, weights)
    wanted = request(os.path.realpath(job.source), file_digest(job.source), by, of, options, target)
    found = None if overwrite else answer(job.output, wanted, RESOLUTION if drawn else int(G.img_resolution))
    if found is not None and (not save_results or pictures.read_text(beside).get("made_from") == wanted.made_from):
        report.skipped.append(job.output)
        if keep_rows:
            report.rows.append(_row_of_file(job, *found, G, options, target))
        for step in range(options.steps):
            count(step, None)
        return
    pictures.check_replaceable(job.output, overwrite=overwrite, request=wanted.asked)
    if save_results:
        pictures.check_replaceable(beside, overwrite=overwrite, request=wanted.asked)
    notes: list[str] = []
    result = depixelize(
        job.source,
        generator=generator if drawn else G,
        finish=finish,
        size=target.size,
        framing=target.framing,
        background=target.background,
        notes=notes,
        callback=count,
        options=options,
    )
    if drawn:
        for step in range(options.steps):
            count(step, None)
    if save_results:
        beside.parent.mkdir(parents=True, exist_ok=True)
        result.save(beside, {"Software": pictures.software(), **wanted.text()})
    text = pictures.story(
        result,
        0,
        generator,
        notes=notes,
        source=console.printable(job.source.name),
        size=str(target.size),
        framing=target.framing,
        background=target.background,
        **wanted.text(),
    )
    pictures.write_picture(job.output, result.images[0], text)
    report.written.append(job.output)
    report.interrupted = result.interrupted
    if keep_rows:
        report.rows.extend(rows_of(result, [console.printable(job.source.name)], [notes]))
    say_found(job.output, result, 0, verbose)
    for note in notes:
        console.warn(f"{job.source}: {note}")


def say_found(path: Path, result: Result, i: int, verbose: bool = False) -> None:
    """Prints one short line: where image `i` of a result is, and whether it fits; what that is worth if `verbose`."""
    fits = f"does not fit (eps {result.settings['eps']:g}), the best is written"
    if bool(result.reached[i]):
        fits = "fits, as almost any face would" if bool(result.one_colour[i]) else "fits"
    console.say(f"{path}  loss {float(result.l2[i]):.4g}, {fits}")
    if verbose:
        console.say(f"  {result.verdict(i)}")


def sentence(error: BaseException, source: Path) -> str:
    """What went wrong with a picture, in a sentence that names it."""
    text = console.system_words(error) if isinstance(error, OSError) else str(error)
    text = " ".join(text.split()) or type(error).__name__
    text = text if console.printable(source) in text or str(source) in text else f"{source}: {text}"
    return text if text.endswith(".") else f"{text}."


def _counted(steps: int, on_steps: Callable[[float], object], check: Callable[[], None]) -> Callable[[int, Any], None]:
    def count(step: int, state: Any) -> None:
        # The point after the last step is evaluated too.
        if step < steps:
            on_steps(1 if state is None else 1 / state.batches)
        if state is not None:
            check()

    return count


def _row_of_file(
    job: Job, image: Any, text: dict[str, str], G: Any, options: SearchOptions, target: TargetOptions
) -> SheetRow:
    notes: list[str] = []
    small = pictures.read_target(
        job.source,
        G.img_resolution,
        target.size,
        framing=target.framing,
        background=target.background,
        kernel=options.kernel,
        notes=notes,
    )
    h, w = small.shape[-2:]
    made_small = downsample(image, size=(h, w), kernel=options.kernel)
    return SheetRow(
        console.printable(job.source.name),
        small[0],
        image[0],
        made_small[0],
        float(text["loss"]),
        text["reached"] == "true",
        text.get("verdict", ""),
        notes,
    )
