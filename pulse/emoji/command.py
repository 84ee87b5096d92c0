"""The commands `pulse aimoji ...`."""

# No `from __future__ import annotations` here: typer reads the annotations, which name things imported in a function.

from pathlib import Path
from typing import Annotated, Any

from stylegan.common import console


def aimoji_app(typer: Any) -> Any:
    """The commands of `pulse aimoji`, for a typer app."""
    app = console.new_app("Trains a GAN on emoji and shows what it knows (after Process Studio's AImoji, 2019).")
    app.command()(_dataset_command(typer))
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
