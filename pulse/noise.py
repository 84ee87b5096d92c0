"""The noise inputs of a generator during a search, with PULSE's `noise_type` and `bad_noise_layers`.

StyleGAN adds a noise map, scaled per channel, after each convolution (Karras et al., A Style-Based Generator
Architecture, CVPR 2019, section 2). PULSE optimises the maps of the lowest resolutions together with the latent, each
on its own sphere, and keeps the others as they were drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

NOISE_TYPES = ("zero", "fixed", "trainable")


def parse_bad_noise_layers(text: str) -> frozenset[int]:
    """The layer indices in a dotted list such as "17" or "3.11.17"; an empty text names none.

    Raises:
        ValueError: for anything that is not a whole number.
    """
    parts = [part.strip() for part in str(text).split(".")] if str(text).strip() else []
    if not all(part.isdecimal() for part in parts):
        raise ValueError(
            f"The bad noise layers {text!r} cannot be read; write layer numbers joined by dots, such as 3.17."
        )
    return frozenset(int(part) for part in parts)


def trainable_layers(count: int, noise_type: str, num_trainable: int, bad: frozenset[int]) -> list[int]:
    """Indices of the noise layers that a search changes, of `count`: the first `num_trainable`, without the `bad` ones.

    None unless `noise_type` is "trainable".
    """
    if noise_type != "trainable":
        return []
    return [i for i in range(min(count, num_trainable)) if i not in bad]


def make_noise(
    shapes: Sequence[tuple[int, int]], noise_type: str, bad: frozenset[int], generators: Sequence[torch.Generator]
) -> list[Tensor]:
    """One tensor (N, 1, h, w) for each of `shapes`, row i drawn with generator i of N; unit normal, or 0.

    Noise of type "zero" and the layers in `bad` are 0; indices beyond the network's layers are ignored.

    Raises:
        ValueError: for an unknown type.
    """
    if noise_type not in NOISE_TYPES:
        raise ValueError(f"The noise type {noise_type!r} is unknown; choose one of {', '.join(NOISE_TYPES)}.")
    noise = []
    for layer, (height, width) in enumerate(shapes):
        if noise_type == "zero" or layer in bad:
            noise.append(torch.zeros(len(generators), 1, height, width))
        else:
            noise.append(torch.stack([torch.randn(1, height, width, generator=g) for g in generators]))
    return noise
