"""From one small picture to a large face in one call."""

from typing import Any

from pulse import pictures
from pulse.engine import search
from pulse.generators import load_generator
from pulse.pictures.write import story as result_text
from pulse.result import Result

__all__ = ["depixelize", "load_generator", "result_text"]


def depixelize(
    picture: pictures.Source,
    *,
    generator: Any = "default",
    size: int = 16,
    fit: str = "pad",
    background: pictures.Colour = "#808080",
    **options: Any,
) -> Result:
    """Searches the generator's faces for one that, made small, is the given picture (Menon et al., PULSE, CVPR 2020).

        pulse.depixelize("knight.png", seed=1).to_pil(0).save("face.png")

    Args:
        picture: a path, a Pillow image, an array or a tensor, as `pulse.pictures.read_picture` takes them.
        generator: a generator, or what `stylegan.load` takes: a name or a path.
        size: a larger picture is downsampled first, to this many pixels on its longer side.
        fit: how a picture that is not square becomes so: "pad", "crop" or "stretch" (`pulse.pictures.fit_target`).
        background: the colour under transparent pixels.
        options: those of `pulse.search`: steps, eps, starts, seed, kernel, callback and so on.

    Returns:
        The result for the one picture: `images` (1, 3, H, W) in [0, 1] and the rest, as of `pulse.search`.

    Raises:
        ValueError: in one sentence, for a picture, generator or option that cannot be used.
    """
    G = load_generator(generator)
    image = pictures.read_picture(picture, background)
    target = pictures.fit_target(image, G.img_resolution, size, fit, options.get("kernel", "bicubic"))
    return search(G, target, **options)
