"""Pictures of a generator, one for each seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from stylegan.generator import Generator
from stylegan.networks.layers import NoiseMode


@torch.no_grad()
def sample(
    G: Generator,
    seeds: Iterable[int],
    truncation_psi: float = 1.0,
    *,
    truncation_cutoff: int | None = None,
    labels: Tensor | None = None,
    noise_mode: NoiseMode = "const",
    batch_size: int = 8,
    on_batch: Callable[[int], object] = lambda count: None,
) -> Tensor:
    """Draws one picture of `G` for each seed.

    A seed gives the same latent as in NVIDIA's StyleGAN repositories, `numpy.random.RandomState(seed).randn(z_dim)`,
    so that a seed that was published with a checkpoint gives the picture that was published with it.

        stylegan.sample(stylegan.load("ffhq"), seeds=[85, 265], truncation_psi=0.7)

    Args:
        G: a generator; see `stylegan.Generator`.
        seeds: whole numbers from 0 to 2**32 - 1.
        truncation_psi: 1 keeps the full variety, 0 gives the average picture.
        truncation_cutoff: how many styles, from the first, are truncated; None for all.
        labels: (N, c_dim), one row a seed; a conditional generator needs them.
        noise_mode: "const", "random" or "none"; see `stylegan.Generator`.
        batch_size: pictures drawn at once.
        on_batch: called with the number of pictures of each batch that is done.

    Returns:
        (N, img_channels, R, R) in [0, 1], on the CPU.

    Raises:
        ValueError: for a seed, a truncation or labels that cannot be used.
    """
    seeds = list(seeds)
    for seed in seeds:
        if not 0 <= seed < 2**32:
            raise ValueError(f"The seed {seed} is outside of 0 to {2**32 - 1}; choose another.")
    if not np.isfinite(truncation_psi):
        raise ValueError(f"truncation_psi is {truncation_psi}; give a number, such as 0.7.")
    if G.c_dim and (labels is None or tuple(labels.shape) != (len(seeds), G.c_dim)):
        given = "none" if labels is None else f"labels of shape {tuple(labels.shape)}"
        raise ValueError(f"This generator is conditional: give labels of shape ({len(seeds)}, {G.c_dim}), not {given}.")
    if not seeds:
        return torch.zeros(0, G.img_channels, G.img_resolution, G.img_resolution)
    device = next(iter(G.parameters())).device if isinstance(G, torch.nn.Module) else torch.device("cpu")
    z = torch.from_numpy(np.stack([np.random.RandomState(seed).randn(G.z_dim) for seed in seeds])).float()
    pictures = []
    for first in range(0, len(seeds), batch_size):
        rows = slice(first, first + batch_size)
        images = G(
            z[rows].to(device),
            None if labels is None else labels[rows].to(device),
            truncation_psi=truncation_psi,
            truncation_cutoff=truncation_cutoff,
            noise_mode=noise_mode,
        )
        pictures.append(((images.float() + 1) / 2).clamp(0, 1).cpu())
        on_batch(len(pictures[-1]))
    return torch.cat(pictures)
