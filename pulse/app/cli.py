"""The command `pulse`: faces for pictures, and the demonstration."""

# No `from __future__ import annotations` here: typer reads the annotations, which name things imported in a function.

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from stylegan.common import console


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command with the given arguments (`sys.argv[1:]` by default) and returns its exit code.

    0: all done. 2: something could not be done, with a sentence on stderr for each thing. 130: ended by Ctrl-C, with
    the best found so far written.
    """
    return console.run("pulse", _app, arguments)


def _app() -> Any:
    import typer

    app = typer.Typer(add_completion=False, help="Finds faces that are, made small, the pictures you give it.")
    option = typer.Option

    @app.command()
    def search(
        images: Annotated[list[Path], typer.Argument(help="Pictures, and folders of pictures.", show_default=False)],
        output: Annotated[Path, option("--output", "-o", help="Folder for the results.")],
        generator: Annotated[str, option(help="A generator's name or path.")] = "default",
        size: Annotated[int, option(help="Larger pictures are made this small first, in pixels.")] = 16,
        fit: Annotated[str, option(help="How to make a picture square: pad, crop or stretch.")] = "pad",
        background: Annotated[str, option(help="Colour under transparent pixels.")] = "#808080",
        steps: Annotated[int, option(help="Steps of the search.")] = 100,
        eps: Annotated[float, option(help="Mean squared error in [0, 1] that counts as reached.")] = 2e-3,
        starts: Annotated[int, option(help="Starting points per picture; the best is kept.")] = 1,
        seed: Annotated[int | None, option(help="The same seed gives the same face.", show_default="random")] = None,
        kernel: Annotated[str, option(help="Downsampling: bicubic, area, lanczos or nearest.")] = "bicubic",
        space: Annotated[str, option(help="Latent space: gaussianized, z, w or w+.")] = "gaussianized",
        loss_str: Annotated[str, option(help="What is minimised.")] = "100*L2+0.05*GEOCROSS",
        opt_name: Annotated[str, option(help="Optimiser: adam, sgd, sgdm or adamax.")] = "adam",
        learning_rate: Annotated[float, option(help="Learning rate.")] = 0.4,
        lr_schedule: Annotated[
            str, option(help="Schedule: fixed, linear1cycle or linear1cycledrop.")
        ] = "linear1cycledrop",
        noise_type: Annotated[str, option(help="Noise: zero, fixed or trainable.")] = "trainable",
        num_trainable_noise_layers: Annotated[int, option(help="How many noise inputs are searched.")] = 5,
        bad_noise_layers: Annotated[str, option(help="Noise inputs kept at zero, as 16.17.")] = "17",
        tile_latent: Annotated[bool, option("--tile-latent", help="One latent for all styles.")] = False,
        sheet: Annotated[bool, option("--sheet", help="Also write contact_sheet.png.")] = False,
        save_result: Annotated[bool, option("--save-result", help="Also write each whole result.")] = False,
        overwrite: Annotated[bool, option("--overwrite", help="Redo what is done, replace what is there.")] = False,
    ) -> int:
        """Finds a face for each picture and writes it as a PNG.

        A run that was killed goes on where it stopped when it is started again.
        """
        options = {
            "steps": steps,
            "eps": eps,
            "starts": starts,
            "seed": seed,
            "kernel": kernel,
            "space": space,
            "loss_str": loss_str,
            "opt_name": opt_name,
            "learning_rate": learning_rate,
            "lr_schedule": lr_schedule,
            "noise_type": noise_type,
            "num_trainable_noise_layers": num_trainable_noise_layers,
            "bad_noise_layers": bad_noise_layers,
            "tile_latent": tile_latent,
        }
        return _search(images, output, generator, options, size, fit, background, sheet, save_result, overwrite)

    @app.command()
    def demo(
        output: Annotated[Path, option("--output", "-o", help="Folder for the results.")] = Path("demo"),
        generator: Annotated[str, option(help="A generator's name or path.")] = "default",
        steps: Annotated[int, option(help="Steps of the search.")] = 100,
        starts: Annotated[int, option(help="Starting points per sprite; the best is kept.")] = 1,
        seed: Annotated[int, option(help="The same seed gives the same faces.")] = 0,
    ) -> int:
        """Finds faces for sprites of our own and shows them on one sheet."""
        from pulse.app.demo import run_demo

        return run_demo(output, generator, steps=steps, starts=starts, seed=seed)

    @app.command()
    def fit(
        generator: Annotated[str, typer.Argument(help="A generator's name or path.", show_default=False)],
        output: Annotated[Path, option("--output", "-o", help="The .safetensors file to write.")],
        samples: Annotated[int, option(help="Latents that the fit is taken over.")] = 1_000_000,
        half: Annotated[bool, option("--half", help="Store the weights in float16.")] = False,
    ) -> int:
        """Writes a generator with PULSE's gaussian fit in its file, so that no search has to compute it."""
        import torch

        import stylegan
        from stylegan.gaussian_fit import fit_gaussian

        G = stylegan.load(generator)
        # What is written belongs to the new file, not beside the old one.
        G.source = None
        fit_gaussian(G, samples)
        G.name = output.stem
        stylegan.save(G, output, dtype=torch.float16 if half else torch.float32)
        print(output)
        return 0

    return app


def _search(
    images: Sequence[Path],
    output: Path,
    generator: str,
    options: dict[str, Any],
    size: int,
    fit: str,
    background: str,
    sheet: bool,
    save_result: bool,
    overwrite: bool,
) -> int:
    from pulse import SearchOptions, pictures
    from pulse.batch.here import plan, search_pictures
    from pulse.depixelizer import load_generator
    from pulse.pictures.sheet import write_sheet
    from stylegan.common.progress import progress

    # Everything that is wrong for all pictures alike is found before anything is read or written.
    SearchOptions(**options)
    pictures.check_folder(output)
    jobs = plan(images, output, reserved=["contact_sheet"] if sheet else [])
    pictures.parse_colour(background)
    sheet_path = output / "contact_sheet.png"
    if sheet:
        pictures.check_replaceable(sheet_path, overwrite=True)
    G = load_generator(generator)
    pictures.check_framing(G.img_resolution, size, fit)
    with progress("Searching", len(jobs) * options["steps"]) as advance:
        report = search_pictures(
            jobs,
            G,
            generator,
            options,
            size=size,
            fit=fit,
            background=background,
            overwrite=overwrite,
            save_results=save_result,
            keep_rows=sheet,
            on_steps=advance,
            on_done=lambda job, line: print(line, flush=True),
        )
    if report.rows:
        write_sheet(sheet_path, report.rows)
        print(sheet_path)
    if report.skipped:
        print(f"{len(report.skipped)} done by an earlier run and left as they are; --overwrite does them again.")
    for failure in report.failures:
        print(failure, file=sys.stderr)
    if report.interrupted:
        print("Interrupted: the best found so far is written.", file=sys.stderr)
        return 130
    return 2 if report.failures else 0
