"""From one small picture to a large face in one call."""

import json
from pathlib import Path
from typing import Any

import torch

from pulse import pictures
from pulse.engine import search
from pulse.result import Result


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
    G = load_generator(generator) if isinstance(generator, str) or hasattr(generator, "__fspath__") else generator
    image = pictures.read_picture(picture, background)
    target = pictures.fit_target(image, G.img_resolution, size, fit, options.get("kernel", "bicubic"))
    return search(G, target, **options)


def load_generator(source: Any) -> Any:
    """`stylegan.load`, then on to the GPU if there is one."""
    import stylegan

    G = stylegan.load(source)
    return G.to("cuda") if torch.cuda.is_available() else G


def result_text(result: Result, index: int, generator: str, **more: str) -> dict[str, str]:
    """The text chunks that say where picture `index` of a result comes from; written into every PNG."""
    return {
        "Software": pictures.software(),
        "Description": "Synthetic face: a generator invented it to fit a small picture; it shows no real person.",
        "synthetic": "true",
        # A picture that is passed on need not tell its maker's folders.
        "generator": Path(generator).name,
        "seed": str(result.seed + index),
        "loss": f"{float(result.l2[index]):.6g}",
        "reached": "true" if bool(result.reached[index]) else "false",
        "reached_at": str(int(result.reached_at[index])),
        "interrupted": "true" if result.interrupted else "false",
        "settings": json.dumps(result.settings, sort_keys=True),
        **more,
    }
