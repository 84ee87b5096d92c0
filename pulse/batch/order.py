"""What is wanted for the pictures of a batch, and what came of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pulse.batch.plan import Job, TargetOptions, named
from pulse.options import STARTS, DrawnOptions, SearchOptions
from pulse.pictures.sheet import Beside, SheetRow, write_sheet
from pulse.result import Result
from stylegan.common import console, ending

# Raised because of the picture, the generator or the system; anything else is a defect of this program.
EXPECTED = (ValueError, OSError, RuntimeError, MemoryError)


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
        quiet: print nothing; `verbose`: also print in words what each result is worth.
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
    quiet: bool = False
    verbose: bool = False


@dataclass
class Found:
    """What came of one picture and one finish, its files apart.

    Attributes:
        output: the PNG.
        row: of a contact sheet, where one is wanted.
        lines: what to say of it, where it was searched for now; the first one goes beside the name of its file.
        notes: a sentence for each surprise in the picture.
        done_before: whether an earlier run finished it.
        interrupted: whether a signal ended the search.
    """

    output: Path
    row: SheetRow | None = None
    lines: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    done_before: bool = False
    interrupted: bool = False


@dataclass
class Report:
    """The outcome of a batch.

    Attributes:
        written: files written.
        skipped: files left as they are, because an earlier run finished them.
        failures: one sentence for each picture that could not be done.
        notes: one sentence for each surprise in the pictures.
        left: pictures that were not begun, because the disk was full or a signal came.
        rows: of a contact sheet, for what was written and skipped.
        sheet: the contact sheet, if there is one.
        interrupted: whether a signal ended the batch.
        quiet: whether nothing is printed on the way.
    """

    written: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left: list[Path] = field(default_factory=list)
    rows: list[SheetRow] = field(default_factory=list)
    sheet: Path | None = None
    interrupted: bool = False
    quiet: bool = False

    def add(self, job: Job, found: Found) -> None:
        """Takes in what came of one finish of a picture, and prints what is to be said of it, unless `quiet`.

        The finishes of a picture come one after the other, the first one first.
        """
        first = found.output == job.output
        (self.skipped if found.done_before else self.written).append(found.output)
        self.interrupted |= found.interrupted
        if found.row is not None and first:
            self.rows.append(found.row)
        elif found.row is not None:
            row, other = self.rows[-1], found.row
            self.rows[-1] = replace(row, beside=(*row.beside, Beside(other.image, other.made_by, other.loss)))
        told = [f"{job.source}: {note}" for note in found.notes if first]
        self.notes += told
        if not self.quiet:
            _say(found.output, found.lines)
            for note in told:
                console.warn(note)

    def join(self, part: "Report") -> None:
        """Takes in the report of one picture."""
        for name in ("written", "skipped", "failures", "notes", "rows"):
            getattr(self, name).extend(getattr(part, name))
        self.interrupted |= part.interrupted

    def leave(self, jobs: Iterable[Job]) -> None:
        """Notes pictures that are not begun."""
        self.left += [job.source for job in jobs]

    def write_sheet(self, path: Path, request: str) -> None:
        """Writes the contact sheet, if there are rows for one; what prevents it is a failure like any other."""
        if not self.rows:
            return
        try:
            write_sheet(path, self.rows, request)
            self.sheet = path
        except OSError as error:
            self.failures.append(console.system_words(error))

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


def say_found(path: Path, result: Result, i: int, verbose: bool = False) -> None:
    """Prints one short line: where image `i` of a result is, and whether it fits; what that is worth if `verbose`."""
    _say(path, lines_of(result, i, verbose))


def lines_of(result: Result, i: int, verbose: bool = False) -> list[str]:
    """The lines that `say_found` prints, the first one without the path."""
    fits = f"does not fit (eps {result.settings['eps']:g}), the best is written"
    if bool(result.reached[i]):
        fits = "fits, as almost any face would" if bool(result.one_colour[i]) else "fits"
    lines = [f"loss {float(result.l2[i]):.4g}, {fits}"]
    if verbose:
        lines += [f"  {result.describe(i)}"] if result.made_by == "drawn" else []
        lines += [f"  {result.verdict(i)}"]
    return lines


def _say(path: Path, lines: Sequence[str]) -> None:
    for number, line in enumerate(lines):
        console.say(line if number else f"{path}  {line}")


def sentence(error: BaseException, source: Path) -> str:
    """What went wrong with a picture, in a sentence that names it."""
    text = console.system_words(error) if isinstance(error, OSError) else str(error)
    text = " ".join(text.split()) or type(error).__name__
    text = text if console.printable(source) in text or str(source) in text else f"{source}: {text}"
    return text if text.endswith(".") else f"{text}."
