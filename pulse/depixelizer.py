"""From one small picture to a large face in one call."""

import warnings
from typing import Any

from pulse import drawn, pictures
from pulse.engine import Callback, search
from pulse.generators import load_generator
from pulse.options import SearchOptions, merge_options
from pulse.result import Result

# Who draws the answer; the first is the default.
FINISHES = ("network", "drawn")


def depixelize(
    picture: pictures.Source,
    *,
    generator: Any = "default",
    finish: str = "network",
    kind: str = "any",
    resolution: int = drawn.RESOLUTION,
    fidelity: float = drawn.FIDELITY,
    size: int = 16,
    framing: str = "pad",
    background: pictures.Colour = pictures.BACKGROUND,
    notes: list[str] | None = None,
    callback: Callback | None = None,
    options: SearchOptions | None = None,
    **overrides: Any,
) -> Result:
    """Searches the generator's faces for one that, made small, is the given picture (Menon et al., PULSE, CVPR 2020).

        pulse.depixelize("knight.png", seed=1).to_pil(0).save("face.png")

    Args:
        picture: a path, a Pillow image, an array or a tensor, as `pulse.pictures.open_picture` takes them.
        generator: a generator, or what `stylegan.load` takes: a name or a path.
        finish: who draws the answer: "network", the generator, as published; or "drawn", the renderer of the portraits
            that taught the generator in the box (`pulse.draw`), which takes no other generator.
        kind, resolution, fidelity: of a drawn answer, as of `pulse.draw`; a network has no use for them.
        size: a larger picture is downsampled first, to this many pixels on its longer side.
        framing: how a picture is made square: "pad", "crop" or "stretch"; see
            `pulse.pictures.fit_target`.
        background: the colour under transparent pixels: a name, "#rrggbb", or three numbers from 0 to 1.
        notes: a list that gets a sentence for each surprise in the picture, for example that it looks like a sheet of
            many sprites. Without a list they become warnings.
        callback: as for `pulse.search`.
        options: how to search.
        overrides: fields of `SearchOptions` by name (steps, eps, starts, seed and so on), in place of those in
            `options`. Of these a drawn answer heeds seed, eps and starts (at least 2).

    Returns:
        The result for the one picture: `images` (1, 3, H, W) in [0, 1] and the other fields of `pulse.Result`.

    Raises:
        ValueError: in one sentence, for a picture, generator or option that cannot be used.
    """
    chosen = merge_options(options, overrides)
    check_finish(finish, generator)
    if finish == "drawn":
        return drawn.draw(
            picture,
            kind=kind,
            resolution=resolution,
            fidelity=fidelity,
            starts=max(chosen.starts, drawn.STARTS),
            seed=chosen.seed,
            eps=chosen.eps,
            size=size,
            framing=framing,
            background=background,
            notes=notes,
        )
    G = load_generator(generator)
    found: list[str] = []
    target = pictures.read_target(
        picture,
        G.img_resolution,
        size,
        framing=framing,
        background=background,
        kernel=chosen.kernel,
        notes=found,
    )
    if notes is None:
        for note in found:
            warnings.warn(f"About the picture: {note}", stacklevel=2)
    else:
        notes.extend(found)
    return search(G, target, chosen, callback=callback)


def check_finish(finish: str, generator: Any) -> None:
    """Raises ValueError if there is no such finish, or not with that generator (a network, a name or a path)."""
    if finish not in FINISHES:
        raise ValueError(f"The finish is {finish!r}; give one of {', '.join(FINISHES)}.")
    if finish == "drawn":
        drawn.check_generator(generator)
