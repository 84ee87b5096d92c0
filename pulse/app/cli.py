"""The command `pulse`: faces for pictures, the demonstration, and a generator with its gaussian fit."""

# No `from __future__ import annotations` here: typer reads the annotations, which name things imported in a function.
# Nothing heavy at the top: until `console.run` runs, Ctrl-C is Python's, and torch must come after it.

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from stylegan.common import console

if TYPE_CHECKING:
    from pulse.batch.plan import TargetOptions
    from pulse.options import SearchOptions

_VERBOSE = "Also say in words what each result is worth."
_OVERWRITE = "Do again what is done, and replace results of other requests; other files are never replaced."


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command with the given arguments (`sys.argv[1:]` by default) and returns its exit code.

    0: all done. 2: something could not be done, with a sentence on stderr for each thing. 130: ended by Ctrl-C, 143: by
    SIGTERM, with the best found so far written.
    """
    given = sys.argv[1:] if arguments is None else arguments
    return console.run("pulse", lambda: _app(given), arguments)


def _app(given: Sequence[str]) -> Any:
    import typer

    from pulse.app.align import align_command

    app = console.new_app("Finds faces that are, made small, the pictures you give it.")
    # The options of a search come from a module that imports torch. Where it is not called, the command is only listed.
    search = _search_command(typer) if "search" in given else lambda: None
    app.command("search", short_help="Finds a face for each picture and writes it as a PNG.")(search)
    app.command("demo")(_demo_command(typer))
    app.command("fit")(_fit_command(typer))
    app.command("morph", short_help="Films a walk through a generator, through portraits, or between results.")(
        _morph_command(typer) if "morph" in given else lambda: None
    )
    app.command("align", short_help="Cuts the faces out of photographs.")(align_command(typer))
    return app


def _search_command(typer: Any) -> Any:
    from pulse.batch.plan import TargetOptions
    from pulse.options import SearchOptions
    from stylegan.common.options import with_options

    option = typer.Option

    @with_options(TargetOptions, into="target")
    @with_options(SearchOptions, leave_out=["batch_size"])
    def search(
        images: Annotated[list[Path], typer.Argument(help="Pictures, and folders of pictures.", show_default=False)],
        output: Annotated[Path, option("--output", "-o", help="Folder for the results.")],
        target: TargetOptions,
        options: SearchOptions,
        generator: Annotated[str, option(help="A generator's name or path.")] = "default",
        finish: Annotated[str, option(help="Who draws the faces: network, or drawn, by the renderer.")] = "network",
        sheet: Annotated[bool, option("--sheet", help="Also write contact_sheet.png.")] = False,
        save_result: Annotated[bool, option("--save-result", help="Also write each whole result.")] = False,
        verbose: Annotated[bool, option("--verbose", "-v", help=_VERBOSE)] = False,
        overwrite: Annotated[bool, option("--overwrite", help=_OVERWRITE)] = False,
    ) -> int:
        """Finds a face for each picture and writes it as a PNG.

        A run that was killed goes on where it stopped when it is started again. A result of another seed or of other
        options is kept: name another folder, or give --overwrite.
        """
        return _search(images, output, generator, options, target, finish, sheet, save_result, verbose, overwrite)

    return search


def _demo_command(typer: Any) -> Any:
    option = typer.Option

    def demo(
        output: Annotated[Path, option("--output", "-o", help="Folder for the results.")] = Path("demo"),
        generator: Annotated[str, option(help="A generator's name or path.")] = "default",
        steps: Annotated[int, option(help="Steps of the search.")] = 100,
        starts: Annotated[int, option(help="Starting points for each sprite; the best result is kept.")] = 1,
        seed: Annotated[int, option(help="The same seed gives the same faces.")] = 0,
        verbose: Annotated[bool, option("--verbose", "-v", help=_VERBOSE)] = False,
        overwrite: Annotated[bool, option("--overwrite", help=_OVERWRITE)] = False,
    ) -> int:
        """Finds faces for sprites of our own and shows them on one sheet."""
        from pulse.app.demo import run_demo

        return run_demo(output, generator, steps=steps, starts=starts, seed=seed, overwrite=overwrite, verbose=verbose)

    return demo


def _fit_command(typer: Any) -> Any:
    option = typer.Option

    def fit(
        generator: Annotated[str, typer.Argument(help="A generator's name or path.", show_default=False)],
        output: Annotated[Path, option("--output", "-o", help="The .safetensors file to write.")],
        samples: Annotated[int, option(help="Latents that the fit is taken over.")] = 1_000_000,
        half: Annotated[bool, option("--half", help="Store the weights in float16.")] = False,
        overwrite: Annotated[bool, option("--overwrite", help="Replace a file of this program.")] = False,
    ) -> int:
        """Writes a generator together with PULSE's gaussian fit.

        No search with that file has to compute the fit.
        """
        return _fit(generator, output, samples, half, overwrite)

    return fit


def _morph_command(typer: Any) -> Any:
    from pulse.films.command import morph_command

    return morph_command(typer)


def _search(
    images: Sequence[Path],
    output: Path,
    generator: str,
    options: "SearchOptions",
    target: "TargetOptions",
    finish: str,
    sheet: bool,
    save_result: bool,
    verbose: bool,
    overwrite: bool,
) -> int:
    from pulse import pictures
    from pulse.batch.here import search_pictures
    from pulse.batch.plan import plan, sheet_request
    from pulse.depixelizer import check_finish
    from pulse.generators import load_generator
    from pulse.pictures.sheet import write_sheet
    from stylegan.common.progress import progress

    # Everything that is wrong for all pictures alike is found before anything is read or written.
    pictures.check_folder(output)
    planned = plan(images, output, reserved=["contact_sheet"] if sheet else [])
    pictures.parse_colour(target.background)
    sheet_path = output / "contact_sheet.png"
    by = generator if finish == "network" else f"{generator} ({finish})"
    asked = sheet_request(images, by, options, target)
    if sheet:
        pictures.check_replaceable(sheet_path, overwrite=overwrite, request=asked)
    for line in planned.passed_over:
        console.warn(line)
    if not planned.jobs:
        for line in planned.failures:
            console.warn(line)
        return 2
    check_finish(finish, generator)
    G = load_generator(generator)
    pictures.check_framing(G.img_resolution, target.size, target.framing)
    with progress("Searching", len(planned.jobs) * options.steps) as advance:
        report = search_pictures(
            planned.jobs,
            G,
            generator,
            options,
            target,
            finish=finish,
            overwrite=overwrite,
            save_results=save_result,
            keep_rows=sheet,
            verbose=verbose,
            on_steps=advance,
        )
    report.failures[:0] = planned.failures
    code = report.tell()
    if report.rows:
        try:
            write_sheet(sheet_path, report.rows, asked)
            console.say(str(sheet_path))
        except OSError as error:
            code = console.fail(console.system_words(error)) if not report.interrupted else code
    return code


def _fit(generator: str, output: Path, samples: int, half: bool, overwrite: bool) -> int:
    import torch

    import stylegan
    from pulse import pictures
    from stylegan.gaussian_fit import fit_gaussian

    if output.suffix != ".safetensors":
        raise ValueError(f"{output} does not end in .safetensors, the one format that is written; name it so.")
    if samples < 2:
        raise ValueError(f"The option samples is {samples}; give a whole number of at least 2.")
    pictures.check_replaceable(output, overwrite=overwrite)
    if not output.parent.is_dir():
        raise ValueError(f"{output.parent} is not a folder; make it, or choose another place for {output.name}.")
    pictures.check_folder(output.parent)
    G = stylegan.load(generator)
    # What is written belongs to the new file, not beside the old one.
    G.source = None
    fit_gaussian(G, samples)
    G.name = output.stem
    stylegan.save(G, output, dtype=torch.float16 if half else torch.float32)
    console.say(str(output))
    return 0
