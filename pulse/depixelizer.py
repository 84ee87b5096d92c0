"""From one small picture to a large face in one call."""

import warnings
from typing import Any

from pulse import pictures
from pulse.engine import Callback, search
from pulse.generators import load_generator
from pulse.options import SearchOptions, merge_options
from pulse.result import Result


def depixelize(
    picture: pictures.Source,
    *,
    generator: Any = "default",
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
        size: a larger picture is downsampled first, to this many pixels on its longer side.
        framing: how a picture is made square: "pad", "crop" or "stretch"; see
            `pulse.pictures.fit_target`.
        background: the colour under transparent pixels: a name, "#rrggbb", or three numbers from 0 to 1.
        notes: a list that gets a sentence for each surprise in the picture, for example that it looks like a sheet of
            many sprites. Without a list they become warnings.
        callback: as for `pulse.search`.
        options: how to search.
        overrides: fields of `SearchOptions` by name (steps, eps, starts, seed and so on), in place of those in
            `options`.

    Returns:
        The result for the one picture: `images` (1, 3, H, W) in [0, 1] and the other fields of `pulse.Result`.

    Raises:
        ValueError: in one sentence, for a picture, generator or option that cannot be used.
    """
    chosen = merge_options(options, overrides)
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
