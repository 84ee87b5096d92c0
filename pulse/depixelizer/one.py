"""From one small picture to a large face in one call."""

import warnings
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from pulse import pictures
from pulse.depixelizer.cut import crop_picture
from pulse.engine import search
from pulse.finishes import SHARED, choose_finish, given_drawn
from pulse.generators import load_generator
from pulse.options import SMALLEST, SearchOptions, given_options, merge_options
from pulse.result import Result
from pulse.state import Callback


def depixelize(
    picture: pictures.Source,
    *,
    generator: Any = "default",
    finish: str | None = None,
    kind: str | None = None,
    resolution: int | None = None,
    fidelity: float | None = None,
    size: int = 16,
    framing: str = "pad",
    background: pictures.Colour = pictures.BACKGROUND,
    grid: str | int = "auto",
    crop: str | Sequence[int] | None = None,
    head: bool = False,
    notes: list[str] | None = None,
    callback: Callback | None = None,
    options: SearchOptions | None = None,
    **overrides: Any,
) -> Result:
    """Finds a large face that, made small, is the given picture.

    For the generator in the box the answer is drawn by the renderer that taught it (`pulse.draw`), in seconds and at
    any size. For any other it is searched among the generator's images (Menon et al., PULSE, CVPR 2020).

        pulse.depixelize("knight.png", seed=1).to_pil(0).save("face.png")

    Args:
        picture: a path, a Pillow image, an array or a tensor, as `pulse.pictures.open_picture` takes them.
        generator: a generator, or what `stylegan.load` takes: a name or a path.
        finish: who makes the answer, "drawn" or "network". By default: "drawn" for the generator in the box, unless an
            option is given that only the network's search has: any but `seed`, `eps` and `starts`. An argument that the
            finish asked for does not have is an error.
        kind: of a drawn answer, "any", people and characters (the default), or "people".
        resolution: of a drawn answer, 16 to 1024 px, by default 512.
        fidelity: of a drawn answer, from 0, the most probable face, to 1, the closest pixels; by default 0.7.
        size: a larger picture is downsampled first, to this many pixels on its longer side.
        framing: how a picture is made square: "pad", "crop" or "stretch"; see
            `pulse.pictures.fit_target`.
        background: the colour under transparent pixels: a name, "#rrggbb", or three numbers from 0 to 1.
        grid: "auto" reads an enlarged sprite at its native size (`pulse.true_pixels`); "off" takes every picture as it
            is; a number is how many true pixels the longer side has.
        crop: (x, y, width, height) in pixels of the picture, or "x,y,width,height": what is taken of it.
        head: whether to take only the head of the figure in it; see `pulse.find_head`.
        notes: a list that gets a sentence for each surprise in the picture, for example that it looks like a sheet of
            many sprites. Without a list they become warnings.
        callback: as for `pulse.search`.
        options: how to search.
        overrides: fields of `SearchOptions` by name (steps, eps, starts, seed and so on), in place of those in
            `options`.

    Returns:
        The result for the one picture: `images` (1, 3, H, W) in [0, 1] and the other fields of `pulse.Result`.
        `settings["finish"]` says who made it.

    Raises:
        ValueError: in one sentence, for a picture, generator or option that cannot be used.
    """
    chosen = merge_options(options, overrides)
    for_network = given_options(options, overrides) - set(SHARED)
    for_drawn = given_drawn(kind, resolution, fidelity)
    who = choose_finish(finish, generator, for_network=for_network, for_drawn=for_drawn)
    G = generator if who == "drawn" else load_generator(generator)
    found: list[str] = []
    if crop is not None or head:
        picture, grid = crop_picture(picture, crop, head, grid=grid, notes=found), "off"
    target = pictures.read_target(
        picture,
        # What is too large to be drawn is refused by `pulse.draw`.
        G.img_resolution if who == "network" else 1024,
        size,
        framing=framing,
        background=background,
        kernel=chosen.kernel,
        grid=grid,
        notes=found,
    )
    if who == "drawn":
        target = large_enough(target, found)
    if notes is None:
        for note in found:
            warnings.warn(f"About the picture: {note}", stacklevel=2)
    else:
        notes.extend(found)
    return search(G, target, chosen, finish=finish, callback=callback, **for_drawn, **overrides)


def large_enough(target: Tensor, notes: list[str]) -> Tensor:
    """A target (1, 3, s, s) that a drawn answer can be found for: pixels of a smaller one are repeated, and a note says
    so."""
    side = target.shape[-1]
    factor = -(-SMALLEST // side)
    if factor == 1:
        return target
    notes.append(f"It has {side}x{side} pixels, too few for a drawn answer, so each stands for {factor}x{factor}.")
    return target.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
