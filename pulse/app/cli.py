"""The command `pulse`: faces for pictures, the demonstration, and a generator with its gaussian fit."""

# No `from __future__ import annotations` here: typer reads the annotations, which name things imported in a function.
# Nothing heavy at the top: until `console.run` runs, Ctrl-C is Python's, and torch must come after it.

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from stylegan.common import console

_VERBOSE = "Also say in words what each result is worth."
_FINISH = (
    "Who makes the faces: drawn, by the renderer; network; or both, the network's beside as NAME.network.png. By "
    "default drawn, but network with another generator, or with an option that only its search has."
)
_RAY = (
    "Spread the pictures over a Ray cluster: the address of its head, as 10.0.0.5:6379; without one, a cluster of this "
    "machine's cores is started."
)
_THREADS = "Threads of each search; as many as torch takes if not given. With --ray, 1 makes each core a worker."
_OVERWRITE = "Do again what is done, and replace results of other requests; other files are never replaced."


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command with the given arguments (`sys.argv[1:]` by default) and returns its exit code.

    0: all done. 2: something could not be done, with a sentence on stderr for each thing. 130: ended by Ctrl-C, 143: by
    SIGTERM, with the best found so far written.
    """
    given = sys.argv[1:] if arguments is None else arguments

    def app() -> Any:
        made = _app(given)
        return lambda words, **how: made(_spelt_out(words), **how)

    return console.run("pulse", app, arguments)


def _app(given: Sequence[str]) -> Any:
    import typer

    from pulse.app.align import align_command

    app = console.new_app("Finds faces that are, made small, the pictures you give it.")
    # The options of a search come from a module that imports torch. Where it is not called, the command is only listed.
    search = _search_command(typer) if "search" in given else lambda: None
    app.command("search", short_help="Finds a face for each picture and writes it as a PNG.")(search)
    app.command("depixelize", short_help="Makes large faces of sprites, sheets of them, figures and animations.")(
        _depixelize_command(typer) if "depixelize" in given else lambda: None
    )
    app.command("demo")(_demo_command(typer))
    app.command("fit")(_fit_command(typer))
    app.command("morph", short_help="Films a walk through a generator, through portraits, or between results.")(
        _morph_command(typer) if "morph" in given else lambda: None
    )
    app.command("atlas")(_atlas_command(typer))
    app.command("upscale", short_help="Makes faces of 16 px eight times as large, in one pass of a network.")(
        _upscale_command(typer) if "upscale" in given else lambda: None
    )
    app.command("app")(_page_command(typer))
    app.command("train-sr", short_help="Trains an upscaler on faces, step by step.")(
        _train_sr_command(typer) if "train-sr" in given else lambda: None
    )
    app.command("teach-landmarks", short_help="Teaches the network that finds the landmarks of faces.")(
        _teach_landmarks_command(typer) if "teach-landmarks" in given else lambda: None
    )
    app.add_typer(_aimoji_app(typer), name="aimoji")
    app.command("align", short_help="Cuts the faces out of photographs.")(align_command(typer))
    return app


def _spelt_out(arguments: Sequence[str]) -> list[str]:
    """The arguments, with "auto" where `--ray` has no address, because typer knows no option with half a value."""
    made = list(arguments)
    # What comes after -- are names of files.
    if "--ray" in made[: made.index("--") if "--" in made else None]:
        from pulse.batch.cluster import is_address

        place = made.index("--ray")
        if not any(is_address(text) for text in made[place + 1 : place + 2]):
            made[place] = "--ray=auto"
    return made


def _search_command(typer: Any) -> Any:
    from pulse.batch.plan import TargetOptions
    from pulse.options import DrawnOptions, SearchOptions
    from stylegan.common.options import with_options

    option = typer.Option

    @with_options(TargetOptions, into="target")
    @with_options(DrawnOptions, into="drawn", only_given=True)
    @with_options(SearchOptions, leave_out=["batch_size"], only_given=True)
    def search(
        images: Annotated[list[Path], typer.Argument(help="Pictures, and folders of pictures.", show_default=False)],
        output: Annotated[Path, option("--output", "-o", help="Folder for the results.")],
        target: TargetOptions,
        drawn: dict[str, Any],
        options: dict[str, Any],
        generator: Annotated[str, option(help="A generator's name or path.")] = "default",
        finish: Annotated[str | None, option(help=_FINISH, metavar="[drawn|network|both]", show_default=False)] = None,
        sheet: Annotated[bool, option("--sheet", help="Also write contact_sheet.png.")] = False,
        save_result: Annotated[bool, option("--save-result", help="Also write each whole result.")] = False,
        verbose: Annotated[bool, option("--verbose", "-v", help=_VERBOSE)] = False,
        overwrite: Annotated[bool, option("--overwrite", help=_OVERWRITE)] = False,
        ray: Annotated[str | None, option(help=_RAY, metavar="[ADDRESS]", show_default=False)] = None,
        threads: Annotated[int | None, option(help=_THREADS, show_default=False)] = None,
    ) -> int:
        """Finds a face for each picture and writes it as a PNG.

        With the generator in the box the face is drawn, crisp and of any size. An option of the network's search (all
        but seed, eps and starts) asks for the network's picture instead, and --finish both for both.

        A run that was killed goes on where it stopped when it is started again. A result of another seed or of other
        options is kept: name another folder, or give --overwrite.

        With --ray, other machines search too. The pictures are the same, and so are the files.
        """
        # Here, because it loads what a search needs.
        from pulse.batch.folder import search_folder

        report = search_folder(
            images,
            output,
            generator=generator,
            finish=finish,
            ray=ray,
            threads=threads,
            sheet=sheet,
            save_results=save_result,
            overwrite=overwrite,
            quiet=False,
            verbose=verbose,
            **vars(target),
            **drawn,
            **options,
        )
        code = report.tell()
        if report.sheet is not None:
            console.say(str(report.sheet))
        return code

    return search


def _depixelize_command(typer: Any) -> Any:
    from pulse.app.depixelize import depixelize_command

    return depixelize_command(typer)


def _demo_command(typer: Any) -> Any:
    option = typer.Option

    def demo(
        output: Annotated[Path, option("--output", "-o", help="Folder for the results.")] = Path("demo"),
        generator: Annotated[str, option(help="A generator's name or path.")] = "default",
        steps: Annotated[int, option(help="Steps of the network's search.")] = 100,
        starts: Annotated[int, option(help="Starting points of the network's search.")] = 1,
        seed: Annotated[int, option(help="The same seed gives the same faces.")] = 0,
        verbose: Annotated[bool, option("--verbose", "-v", help=_VERBOSE)] = False,
        overwrite: Annotated[bool, option("--overwrite", help=_OVERWRITE)] = False,
    ) -> int:
        """Finds faces for sprites of our own and shows them on one sheet.

        For each sprite: a drawn answer, the network's picture, and the person who fits best. With another generator,
        its pictures alone. A run that was ended goes on when it is started again.
        """
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


def _atlas_command(typer: Any) -> Any:
    from pulse.atlas.command import atlas_command

    return atlas_command(typer)


def _page_command(typer: Any) -> Any:
    from pulse.app.web.command import app_command

    return app_command(typer)


def _aimoji_app(typer: Any) -> Any:
    from pulse.emoji.command import aimoji_app

    return aimoji_app(typer)


def _upscale_command(typer: Any) -> Any:
    from pulse.feedforward.command import upscale_command

    return upscale_command(typer)


def _train_sr_command(typer: Any) -> Any:
    from pulse.feedforward.train_commands import train_sr_command

    return train_sr_command(typer)


def _teach_landmarks_command(typer: Any) -> Any:
    from pulse.feedforward.train_commands import teach_landmarks_command

    return teach_landmarks_command(typer)


def _morph_command(typer: Any) -> Any:
    from pulse.films.command import morph_command

    return morph_command(typer)


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
