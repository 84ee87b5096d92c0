"""The commands `pulse aimoji ...`."""

# No `from __future__ import annotations` here: typer reads the annotations, which name things imported in a function.

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from stylegan.common import console
from stylegan.common.options import with_options
from stylegan.training.dcgan_options import DcganOptions
from stylegan.training.options import PictureOptions


def aimoji_app(typer: Any) -> Any:
    """The commands of `pulse aimoji`, for a typer app."""
    app = console.new_app("Trains a GAN on emoji and shows what it knows (after Process Studio's AImoji, 2019).")
    app.command()(_dataset_command(typer))
    app.command()(_train_command(typer))
    app.command()(_film_command(typer))
    app.command()(_moods_command(typer))
    return app


def _dataset_command(typer: Any) -> Any:
    option = typer.Option

    def dataset(
        output: Annotated[Path, option("--output", "-o", help="Folder for the pictures and the table emoji.json.")],
        font: Annotated[Path | None, option(help="A colour font.", show_default="the one of this system")] = None,
        group: Annotated[
            list[str] | None,
            option(help='A group, such as "Smileys & Emotion"; may be given again.', show_default="all groups"),
        ] = None,
        overwrite: Annotated[bool, option("--overwrite", help="Replace pictures of another font or group.")] = False,
    ) -> int:
        """Draws every emoji of a colour font as a picture, with a table of their names, groups and keywords."""
        from pulse.emoji.dataset import all_emoji, write_emoji
        from stylegan.common.progress import progress

        with progress("Drawing emoji", len(all_emoji())) as advance:
            count, lacks = write_emoji(output, font, group or (), overwrite=overwrite, on_each=advance)
        console.say(f"{output}  {count} different pictures; the font lacks {lacks} emoji")
        return 0

    return dataset


def _train_command(typer: Any) -> Any:
    option = typer.Option

    @with_options(
        PictureOptions, into="reading", only_given=True, leave_out=["labelled"], defaults={"background": "white"}
    )
    @with_options(DcganOptions, into="given", only_given=True)
    def train(
        data: Annotated[Path, typer.Argument(help="A folder or a zip of pictures.", show_default=False)],
        output: Annotated[Path, option("--output", "-o", help="Folder of the run; continued if it holds one.")],
        given: Mapping[str, Any],
        reading: Mapping[str, Any],
        epochs: Annotated[float, option(help="Length of the whole run: how often each picture is shown.")] = 25,
        snapshot: Annotated[
            Path | None,
            option(
                "--from", help="A snapshot to continue from in a new folder, such as RUN/epoch-12.", show_default=False
            ),
        ] = None,
        minutes: Annotated[
            float | None, option(help="Stop this call after this many minutes.", show_default="no limit")
        ] = None,
        film: Annotated[bool, option(help="Keep pictures for `pulse aimoji film`.")] = True,
        device: Annotated[str | None, option(help="cpu or cuda.", show_default="cuda if there is one")] = None,
    ) -> int:
        """Trains a DCGAN on emoji or other pictures; the same command continues a run that was ended."""
        import torch

        from stylegan.training.dcgan_run import DcganRequest, launch

        where = device or ("cuda" if torch.cuda.is_available() else "cpu")
        return launch(DcganRequest(data, output, where, epochs, given, reading, snapshot, minutes, film))

    return train


def _film_command(typer: Any) -> Any:
    option = typer.Option

    def film(
        run: Annotated[Path, typer.Argument(help="Folder of `pulse aimoji train`.", show_default=False)],
        output: Annotated[Path, option("--output", "-o", help="The film: .mp4, .gif, .webp, or .png (animated).")],
        show: Annotated[
            str,
            option(help="fixed, a sheet of the same latents; fresh, one new picture a frame.", metavar="[fixed|fresh]"),
        ] = "fixed",
        scale: Annotated[int, option(help="How many times a pixel is shown in both directions.", min=1, max=16)] = 2,
        fps: Annotated[float, option(help="Frames a second.")] = 25,
        overwrite: Annotated[bool, option("--overwrite", help="Replace a film of this program.")] = False,
    ) -> int:
        """Films what a DCGAN drew while it learnt."""
        from pulse import pictures
        from pulse.emoji.film import frames, reel_of
        from pulse.pictures.film import check_film, write_film

        check_film(output, fps)
        pictures.check_folder(output.parent)
        pictures.check_replaceable(output, overwrite=overwrite)
        count = write_film(output, frames(reel_of(run, show), show, scale), fps=fps)
        console.say(f"{output}  {count} frames")
        return 0

    return film


def _moods_command(typer: Any) -> Any:
    option = typer.Option

    def moods(
        generator: Annotated[str, typer.Argument(help="A generator's name or path.", show_default=False)],
        data: Annotated[Path, typer.Argument(help="Folder of `pulse aimoji dataset`.", show_default=False)],
        output: Annotated[Path, option("--output", "-o", help="The sheet, a PNG.")],
        count: Annotated[int, option(help="How many pictures.", min=1, max=1024)] = 36,
        seed: Annotated[int, option(help="Seed of the first picture; the others have those that follow.", min=0)] = 0,
        overwrite: Annotated[bool, option("--overwrite", help="Replace a sheet of this program.")] = False,
    ) -> int:
        """Draws a sheet of generated emoji, each with the real one most alike, its name, and a mood."""
        import stylegan
        from pulse import pictures
        from pulse.emoji.moods import MOODS, RealEmoji
        from pulse.emoji.moods_sheet import sheet
        from pulse.generators import load_generator
        from stylegan.common.progress import progress

        pictures.check_folder(output.parent)
        pictures.check_replaceable(output, overwrite=overwrite)
        G = load_generator(generator)
        with progress("Reading emoji", None) as advance:
            real = RealEmoji(data, on_each=advance)
        drawn = stylegan.sample(G, range(seed, seed + count))
        looks = real.looks(drawn)
        text = {"Software": pictures.software(), "synthetic": "true"}
        pictures.write_picture(output, sheet(drawn, looks, real), text)
        console.say(str(output))
        found = [look.mood for look in looks]
        console.say(", ".join(f"{found.count(mood)} {mood}" for mood in MOODS))
        return 0

    return moods
