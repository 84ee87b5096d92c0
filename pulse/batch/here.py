"""Many pictures, one after the other: which file each result goes to, what is done already, and what went wrong."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulse import pictures
from pulse.depixelizer import depixelize, result_text
from pulse.operators import downsample
from pulse.pictures.sheet import SheetRow, rows_of


@dataclass(frozen=True)
class Job:
    """One picture, and the PNG that its result becomes."""

    source: Path
    output: Path


@dataclass
class Report:
    """What became of a batch: files written, files left because they were done, and one sentence for each failure."""

    written: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    rows: list[SheetRow] = field(default_factory=list)
    interrupted: bool = False


def plan(inputs: Iterable[Path], folder: Path, reserved: Sequence[str] = ()) -> list[Job]:
    """Gives every picture, and every picture of every folder (not of folders in it), its own output file in `folder`.

    An output has its input's stem; the second input of that stem, ignoring case, gets "_2" and so on. A picture named
    twice is done once. Stems in `reserved` are not given out. A file that is missing is planned too, and fails in its
    turn.

    Raises:
        ValueError: there are no inputs, a folder holds no picture, or a result would replace one of the inputs.
    """
    sources: dict[Path, Path] = {}
    for path in inputs:
        for source in _pictures_in(path) if path.is_dir() else [path]:
            sources.setdefault(source.resolve(), source)
    if not sources:
        raise ValueError("There is no picture to search for; name at least one.")
    stems = {source.stem.casefold() for source in sources.values()}
    taken = {stem.casefold() for stem in reserved}
    jobs = []
    for source in sources.values():
        name, number = source.stem, 1
        while name.casefold() in taken or (number > 1 and name.casefold() in stems):
            number += 1
            name = f"{source.stem}_{number}"
        taken.add(name.casefold())
        jobs.append(Job(source, folder / f"{name}.png"))
    for job in jobs:
        if job.output.resolve() in sources:
            raise ValueError(f"The result of {job.source} would replace the input {job.output}; choose another folder.")
    return jobs


def search_pictures(
    jobs: Sequence[Job],
    G: Any,
    generator: str,
    options: dict[str, Any],
    *,
    size: int = 16,
    fit: str = "pad",
    background: pictures.Colour = "#808080",
    overwrite: bool = False,
    save_results: bool = False,
    keep_rows: bool = False,
    on_steps: Callable[[float], object] = lambda steps: None,
    on_done: Callable[[Job, str], object] = lambda job, line: None,
) -> Report:
    """Searches a face for each job, writes it as soon as it is found, and goes on past pictures that cannot be used.

    Each picture is searched on its own with the same options, so a result does not depend on its neighbours. A file
    that an earlier, perhaps killed, run finished for the same picture, generator and settings is left alone; one
    written with other settings is replaced; one that this program did not write is a failure. `overwrite` replaces all
    of them.

    Args:
        jobs: from `plan`.
        G: the generator; `generator` is how the user named it.
        options: those of `pulse.search`.
        size, fit, background: as of `pulse.depixelize`.
        save_results: also writes the whole result beside the PNG, as .safetensors.
        keep_rows: collects what a contact sheet needs.
        on_steps: called with the number of steps done since the last call, `steps` for each job in all.
        on_done: called with each job done and a line of text about it.
    """
    report = Report()
    steps = int(options.get("steps", 100))

    def count(step: int, state: Any) -> None:
        # The point after the last step is evaluated too.
        if step < steps:
            on_steps(1 / state.batches)

    for job in jobs:
        try:
            request = _request(job.source, generator, options, size, fit, background)
            output_rest = job.output.with_suffix(".safetensors")
            found = pictures.read_text(job.output) if job.output.exists() else {}
            done = found.get("request") == request and found.get("interrupted") == "false"
            if done and not overwrite and (output_rest.exists() or not save_results):
                report.skipped.append(job.output)
                if keep_rows:
                    report.rows.append(_row_of_file(job, found, G, options, size, fit, background))
                on_steps(steps)
                continue
            pictures.check_replaceable(job.output, overwrite=overwrite, request=request)
            result = depixelize(
                job.source, generator=G, size=size, framing=fit, background=background, callback=count, **options
            )
            if save_results:
                output_rest.parent.mkdir(parents=True, exist_ok=True)
                result.save(output_rest)
            text = result_text(result, 0, generator, source=job.source.name, framing=fit, request=request)
            pictures.write_picture(job.output, result.images[0], text)
        except (ValueError, OSError, RuntimeError) as error:
            report.failures.append(_sentence(error, job.source))
            continue
        report.written.append(job.output)
        if keep_rows:
            report.rows.extend(rows_of(result, [job.source.name]))
        reached = "reached" if bool(result.reached[0]) else "eps not reached, best kept"
        on_done(job, f"{job.output}  downsampling loss {float(result.l2[0]):.4g}, {reached}")
        if result.interrupted:
            report.interrupted = True
            break
    return report


def _pictures_in(folder: Path) -> list[Path]:
    from PIL import Image

    known = set(Image.registered_extensions())
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in known and not path.name.startswith(".") and path.is_file()
    )
    if not found:
        raise ValueError(f"The folder {folder} holds no picture; name a folder with pictures, or single files.")
    return found


def _request(
    source: Path, generator: str, options: dict[str, Any], size: int, fit: str, background: pictures.Colour
) -> str:
    """A fingerprint of what a result was asked for; what has the same one need not be searched again."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest() if source.is_file() else ""
    asked = {"options": options, "generator": generator, "size": size, "fit": fit, "background": background}
    everything = json.dumps({"picture": digest, "software": pictures.software(), **asked}, sort_keys=True)
    return hashlib.sha256(everything.encode()).hexdigest()


def _row_of_file(
    job: Job,
    text: dict[str, str],
    G: Any,
    options: dict[str, Any],
    size: int,
    fit: str,
    background: pictures.Colour,
) -> SheetRow:
    kernel = options.get("kernel", "bicubic")
    image = pictures.read_picture(job.output)
    target = pictures.fit_target(pictures.read_picture(job.source, background), G.img_resolution, size, fit, kernel)
    h, w = target.shape[-2:]
    small = downsample(image, size=(h, w), kernel=kernel)
    return SheetRow(job.source.name, target[0], image[0], small[0], float(text["loss"]), text["reached"] == "true")


def _sentence(error: BaseException, source: Path) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if str(source) in text else f"{source}: {text}"
