"""A small generator for tests of the method "fast", and targets that it can reach."""

from __future__ import annotations

import torch

import pulse
from stylegan.networks.stylegan2 import Generator as StyleGAN2


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def small_generator(**options) -> StyleGAN2:
    """A StyleGAN2 of 64 px, with random weights whose images span about [-1, 1]."""
    torch.manual_seed(0)
    G = StyleGAN2(8, 0, 16, 64, mapping_kwargs={"num_layers": 2}, synthesis_kwargs={"channel_max": 8, **options})
    G.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
    return G.eval().requires_grad_(False)


def targets_of(G, count: int, size: int, seed: int = 5) -> torch.Tensor:
    with torch.no_grad():
        return pulse.downsample((G(draw(count, G.z_dim, seed=seed)) + 1).div(2).clamp(0, 1), size).clamp(0, 1)
