"""The command `pulse upscale`."""

# No `from __future__ import annotations` here: typer reads the annotations, which name things imported in a function.

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import torch

from pulse import pictures
from pulse.batch.order import Report, sentence
from pulse.batch.plan import Job, ReadingOptions, Request, file_digest, fingerprint, plan
from pulse.feedforward.network import Upscaler
from pulse.feedforward.upscale import BATCH, Upscaled, prepared, read_small, side_of, upscale_small
from pulse.feedforward.weights import load_upscaler
from stylegan.common import console
from stylegan.common.files import is_full
from stylegan.common.options import with_options
from stylegan.common.progress import progress
from stylegan.common.tensors import digest


def upscale_command(typer: Any) -> Any:
    """The function that typer calls."""
    option = typer.Option

    @with_options(ReadingOptions, into="reading")
    def upscale(
        images: Annotated[list[Path], typer.Argument(help="Pictures, and folders of pictures.", show_default=False)],
        output: Annotated[Path, option("--output", "-o", help="Folder for the faces.")],
        reading: ReadingOptions,
        network: Annotated[
            str,
            option(help="default, a file of `pulse train-sr`, or a .ckpt of Progressive Face Super-Resolution."),
        ] = "default",
        batch_size: Annotated[int, option(help="Pictures that the network sees at a time.", min=1)] = BATCH,
        overwrite: Annotated[
            bool, option("--overwrite", help="Do again what is done, and replace results of other requests.")
        ] = False,
    ) -> int:
        """Makes faces of 16 px eight times as large, in one pass of a feed-forward network.

        Pictures of any size are made square and small first. A run that was ended goes on when it is started again.
        """
        return _upscale(images, output, network, reading, batch_size, overwrite)

    return upscale


@dataclass(frozen=True, eq=False)
class _Read:
    """A picture that was read, and the request that its face answers."""

    job: Job
    wanted: Request
    small: torch.Tensor
    notes: list[str]


def _upscale(
    images: Sequence[Path], output: Path, network: str, reading: ReadingOptions, batch_size: int, overwrite: bool
) -> int:
    # Everything that is wrong for all pictures alike is found before anything is read or written.
    pictures.check_folder(output)
    pictures.parse_colour(reading.background)
    pictures.check_framing(128, 16, reading.framing)
    planned = plan(images, output)
    for line in planned.passed_over:
        console.warn(line)
    report = Report(failures=planned.failures)
    if planned.jobs:
        loaded = load_upscaler(network)
        run = _Run(network, loaded, reading, overwrite, report)
        with progress("Upscaling", len(planned.jobs)) as advance:
            run.all(planned.jobs, batch_size, advance)
    return report.tell()


class _Run:
    """One call of the command: what is asked of every picture, and what became of them."""

    def __init__(self, name: str, network: Upscaler, reading: ReadingOptions, overwrite: bool, report: Report) -> None:
        self.name, self.reading, self.overwrite, self.report = name, reading, overwrite, report
        self.side = side_of(network)
        self.weights = digest(network.state_dict(), f"{network.step} {network.alpha}")
        self.network = prepared(network)

    def all(self, jobs: Sequence[Job], batch_size: int, advance: Any) -> None:
        """Does each picture; a full disk ends it, and what is left is then named."""
        waiting = iter(jobs)
        while some := list(islice(waiting, batch_size)):
            read = list(self._read(some))
            try:
                if read:
                    self._write(read, upscale_small(torch.cat([one.small for one in read]), self.network, batch_size))
            except OSError as error:
                self.report.failures.append(sentence(error, read[0].job.source))
                if is_full(error):
                    done = {*self.report.written}
                    self.report.left = [one.job.source for one in read if one.job.output not in done]
                    self.report.left += [job.source for job in waiting]
                    return
            advance(len(some))

    def _read(self, jobs: Sequence[Job]) -> Iterator[_Read]:
        """Reads those that are not done yet; the others, and those that cannot be done, go into the report."""
        for job in jobs:
            try:
                wanted = self._request(job)
                if not self.overwrite and _is_answer(job.output, wanted, self.side):
                    self.report.skipped.append(job.output)
                    continue
                pictures.check_replaceable(job.output, overwrite=self.overwrite, request=wanted.asked)
                notes: list[str] = []
                yield _Read(job, wanted, read_small(job.source, notes=notes, **vars(self.reading)), notes)
            except (ValueError, OSError) as error:
                self.report.failures.append(sentence(error, job.source))

    def _write(self, read: Sequence[_Read], made: Upscaled) -> None:
        for one, face in zip(read, made, strict=True):
            text = {
                "Software": pictures.software(),
                "Description": "Synthetic face: a network invented what a small picture does not show.",
                "synthetic": "true",
                "network": Path(self.name).name,
                "loss": f"{float(face.l2):.6g}",
                "source": console.printable(one.job.source.name),
                **vars(self.reading),
                **one.wanted.text(),
            }
            pictures.write_picture(one.job.output, face.images[0], text)
            self.report.written.append(one.job.output)
            console.say(str(one.job.output))
            for note in one.notes:
                console.warn(f"{one.job.source}: {note}")

    def _request(self, job: Job) -> Request:
        how = {"upscale": vars(self.reading)}
        asked = fingerprint({"source": str(job.source.resolve()), "network": self.name, **how})
        content = file_digest(job.source).hex()
        made_from = fingerprint({"picture": content, "weights": self.weights, "software": pictures.software(), **how})
        return Request(asked, made_from)


def _is_answer(path: Path, wanted: Request, side: int) -> bool:
    """Whether a file holds the whole face that is asked for."""
    if pictures.read_text(path).get("made_from") != wanted.made_from:
        return False
    try:
        return pictures.read_picture(path).shape[-2:] == (side, side)
    except (ValueError, OSError):
        return False
