"""The command `pulse atlas`."""

# No `from __future__ import annotations` here: typer reads the annotations, which name things imported in a function.

from pathlib import Path
from typing import Annotated, Any

from stylegan.common import console

_SOURCE = "A run of `pulse aimoji train`, a folder or zip of pictures, or a generator's name or path."


def atlas_command(typer: Any) -> Any:
    """The function of `pulse atlas`, for a typer app."""
    option = typer.Option

    def atlas(
        source: Annotated[str, typer.Argument(help=_SOURCE, show_default=False)],
        output: Annotated[Path, option("--output", "-o", help="Folder for the page; open its index.html.")],
        count: Annotated[
            int | None, option(help="How many pictures.", min=1, show_default="all of a folder; 10000")
        ] = None,
        data: Annotated[
            Path | None, option(help="Emoji of `pulse aimoji dataset`, to name what is generated.", show_default=False)
        ] = None,
        seed: Annotated[int, option(help="Seed of the layout by likeness.")] = 0,
        overwrite: Annotated[bool, option("--overwrite", help="Replace an atlas.")] = False,
    ) -> int:
        """Lays thousands of pictures out as one map, a page that opens from disk."""
        from pulse.atlas.site import check_site, tiles_of, write_atlas
        from pulse.atlas.sources import pictures_of
        from stylegan.common.progress import progress

        check_site(output, overwrite=overwrite)
        with progress("Drawing pictures", count or 10_000) as advance:
            shown = pictures_of(source, count, data, on_picture=advance, note=console.warn)
        with progress("Writing the atlas", tiles_of(len(shown.pictures))) as advance:
            write_atlas(output, shown, overwrite=overwrite, seed=seed, on_step=advance)
        console.say(f"{output / 'index.html'}  {len(shown.pictures)} pictures")
        return 0

    return atlas
