"""The command `pulse morph`."""

# No `from __future__ import annotations` here: typer reads the annotations, which name things imported in a function.

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from stylegan.common import console

if TYPE_CHECKING:
    from pulse.films.options import MorphOptions

_SOURCES = "A generator's name or path; or the word portraits; or files of `pulse search --save-result`."


def morph_command(typer: Any) -> Any:
    """The function of `pulse morph`, for a typer app."""
    from pulse.films.options import MorphOptions
    from pulse.pictures.film import FPS
    from stylegan.common.options import with_options

    option = typer.Option

    @with_options(MorphOptions)
    def morph(
        sources: Annotated[list[str], typer.Argument(help=_SOURCES, show_default=False)],
        output: Annotated[Path, option("--output", "-o", help="The film: .mp4, .gif, .webp, or .png (animated).")],
        options: MorphOptions,
        fps: Annotated[float, option(help="Frames a second.")] = FPS,
        generator: Annotated[
            str | None, option(help="The generator of the results.", show_default="as they name it")
        ] = None,
        overwrite: Annotated[bool, option("--overwrite", help="Replace a film of this program.")] = False,
    ) -> int:
        """Films a walk through a generator, through portraits, or from one search result to another."""
        return _morph(sources, output, options, fps, generator, overwrite)

    return morph


def _morph(
    sources: Sequence[str], output: Path, options: "MorphOptions", fps: float, generator: str | None, overwrite: bool
) -> int:
    from pulse import pictures
    from pulse.films.walks import morph
    from pulse.pictures.film import check_film, write_film
    from stylegan.common.progress import progress

    check_film(output, fps)
    pictures.check_folder(output.parent)
    pictures.check_replaceable(output, overwrite=overwrite)
    source = _source(sources)
    if generator is not None and isinstance(source, str):
        raise ValueError("The option generator is for the results of searches; leave it out.")
    frames = morph(source, options, generator=generator)
    text = {"Description": "Synthetic pictures: a generator invented them; they show no real person."}
    with progress("Drawing frames", options.frames) as advance:

        def each() -> Any:
            for frame in frames:
                yield frame
                advance(1)

        write_film(output, each(), fps=fps, text=text)
    console.say(str(output))
    return 0


def _source(sources: Sequence[str]) -> Any:
    """The one generator that is named, or the results that the files hold."""
    from pulse.pictures import read_text
    from pulse.result import Result
    from pulse.result_file import FORMAT

    are_results = [read_text(Path(source)).get("format") == FORMAT for source in sources]
    if all(are_results):
        return [Result.load(source) for source in sources]
    if len(sources) == 1:
        return sources[0]
    other = console.printable(sources[are_results.index(False)])
    raise ValueError(f"{other} is no result of a search; give one generator, or files of `pulse search --save-result`.")
