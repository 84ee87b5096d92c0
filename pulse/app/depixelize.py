"""The command `pulse depixelize`."""

# No `from __future__ import annotations` here: typer reads the annotations, which name things imported in a function.

import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

from pulse import pictures
from pulse.batch.faces import FacesRun
from pulse.batch.faces_jobs import do_in_processes
from pulse.batch.faces_order import FaceOptions, FacesOrder
from pulse.batch.here import do_each
from pulse.batch.order import Report
from pulse.batch.plan import TargetOptions, fingerprint, plan, renderer_digest, weights_digest
from pulse.feedforward.upscale import prepared
from pulse.feedforward.weights import load_upscaler
from pulse.finishes import SHARED, choose_finish
from pulse.generators import load_generator
from pulse.options import DrawnOptions, SearchOptions
from pulse.pictures.film import check_film
from stylegan.common import console
from stylegan.common.options import with_options
from stylegan.common.progress import progress
from stylegan.common.tensors import digest

SHEET = "contact_sheet.png"


def depixelize_command(typer: Any) -> Any:
    """The function that typer calls."""
    option = typer.Option

    @with_options(TargetOptions, into="target")
    @with_options(DrawnOptions, into="drawn", only_given=True)
    @with_options(SearchOptions, leave_out=["batch_size", "draw", "samples", "temperature"], only_given=True)
    @with_options(FaceOptions, into="faces")
    def depixelize(
        images: Annotated[list[Path], typer.Argument(help="Pictures and animations, and folders of them.")],
        output: Annotated[Path, option("--output", "-o", help="Folder for the results.")],
        faces: FaceOptions,
        target: TargetOptions,
        drawn: dict[str, Any],
        options: dict[str, Any],
        generator: Annotated[str, option(help="A generator's name or path.")] = "default",
        finish: Annotated[
            str | None,
            option(
                help="Who makes the faces of the search: drawn, by the renderer, or network. By default drawn, but "
                "network with another generator, or with an option that only its search has.",
                metavar="[drawn|network]",
                show_default=False,
            ),
        ] = None,
        contact_sheet: Annotated[bool, option("--contact-sheet", help=f"Also write {SHEET}.")] = False,
        as_json: Annotated[
            bool, option("--json", help="Print what was done as one JSON object, and all else on stderr.")
        ] = False,
        verbose: Annotated[bool, option("--verbose", "-v", help="Also say in words what each face is worth.")] = False,
        jobs: Annotated[
            int, option("--jobs", "-j", help="Processes that share the pictures; of several, each has one thread.")
        ] = 1,
        overwrite: Annotated[
            bool, option("--overwrite", help="Do again what is done, and replace results of other requests.")
        ] = False,
    ) -> int:
        """Makes large faces of anything with small pixels: sprites, sheets of them, figures, animations.

        Each picture becomes NAME.png, and each animation a film. More samples become NAME-2.png and so on, beside
        NAME.samples.png and NAME.disagreement.png; the sprites of a sheet NAME/ROW-COLUMN.png. Films of a picture stand
        beside it, as NAME.turn.webp.

        A run that was killed goes on where it stopped when it is started again. A result of another seed or of other
        options is kept: name another folder, or give --overwrite.
        """
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            code, told = _depixelize(
                images,
                output,
                generator,
                finish,
                faces,
                target,
                drawn,
                options,
                contact_sheet,
                verbose,
                jobs,
                overwrite,
            )
        if as_json:
            console.say(json.dumps({"exit": code, **told}))
        return code

    return depixelize


def _depixelize(
    images: Sequence[Path],
    output: Path,
    generator: str,
    finish: str | None,
    faces: FaceOptions,
    target: TargetOptions,
    drawn: dict[str, Any],
    given: dict[str, Any],
    contact_sheet: bool,
    verbose: bool,
    jobs: int,
    overwrite: bool,
) -> tuple[int, dict[str, Any]]:
    # Everything that is wrong for all pictures alike is found before anything is read or written.
    SearchOptions(**given)
    DrawnOptions(**drawn)
    who = choose_finish(finish, generator, for_network=set(given) - set(SHARED), for_drawn=drawn)
    if jobs < 1:
        raise ValueError(f"The number of jobs is {jobs}; give one or more.")
    if "turn" in faces.films and who == "network":
        raise ValueError("A network's face cannot be turned; leave --film turn out, or choose --finish drawn.")
    check_film(Path(f"film{'.mp4' if faces.format == 'mp4' else '.gif'}"), 25)
    pictures.check_folder(output)
    pictures.parse_colour(target.background)
    planned = plan(images, output, [Path(SHEET).stem] if contact_sheet else [], faces.suffixes())
    asked = fingerprint(
        {
            "sheet of": [os.path.realpath(path) for path in images],
            "generator": generator,
            "depixelize": [vars(faces), vars(target), drawn, given, finish],
        }
    )
    if contact_sheet:
        pictures.check_replaceable(output / SHEET, overwrite=overwrite, request=asked)
    for line in planned.passed_over:
        console.warn(line)
    report = Report()
    done: list[dict[str, Any]] = []
    if planned.jobs:
        weights, G, upscaler = [], None, None
        if faces.engine != "search":
            loaded = load_upscaler(faces.network)
            weights.append(digest(loaded.state_dict(), f"{loaded.step} {loaded.alpha}"))
            upscaler = prepared(loaded)
        if faces.engine != "feedforward":
            G = load_generator(generator) if who == "network" else None
            weights.append(renderer_digest() if G is None else weights_digest(G))
        pictures.check_framing(1024 if G is None else G.img_resolution, target.size, target.framing)
        order = FacesOrder(
            generator,
            G,
            who,
            {**given, **drawn},
            target,
            faces,
            " ".join(weights),
            upscaler,
            overwrite=overwrite,
            keep_rows=contact_sheet,
            verbose=verbose,
        )
        with progress("Depixelizing", len(planned.jobs)) as advance:
            sources = {os.path.realpath(job.source) for job in planned.jobs}
            if jobs > 1:
                done = do_in_processes(planned.jobs, order, report, sources, advance, jobs)
            else:
                run = FacesRun(order, report, sources, advance)
                do_each(planned.jobs, report, run.do)
                done = run.done
    report.failures[:0] = planned.failures
    report.write_sheet(output / SHEET, asked)
    code = report.tell()
    if report.sheet is not None:
        console.say(str(report.sheet))
    told: dict[str, Any] = {name: [str(path) for path in getattr(report, name)] for name in ("written", "skipped")}
    told |= {"failures": report.failures, "left": [str(path) for path in report.left]}
    sheet = None if report.sheet is None else str(report.sheet)
    return code, {**told, "interrupted": report.interrupted, "contact_sheet": sheet, "pictures": done}
