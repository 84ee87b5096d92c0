"""The spaces that a search can walk in, and the way from each to a generator's styles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

SPACES = ("gaussianized", "z", "w", "w+")

# A step in the free spaces W and W+ is this part of a standard deviation of w per unit of the variable. The
# variable starts unit normal, so a search begins this close to the mean, and PULSE's learning rate of 0.4 can cross
# about two deviations in 100 steps.
_FREE_SCALE = 0.1


@dataclass(frozen=True)
class Space:
    """A latent space of one generator, made by `latent_space`.

    name: one of `SPACES`.
    vectors: how many vectors one image has: num_ws, or 1 where all styles are the same.
    dim: length of each vector.
    spherical: whether each vector stays on the sphere that it starts on.
    to_ws: maps the variable (N, vectors, dim) to styles (N, num_ws, w_dim), differentiably.
    """

    name: str
    vectors: int
    dim: int
    spherical: bool
    to_ws: Callable[[Tensor], Tensor]

    def initial(self, generators: Sequence[torch.Generator]) -> Tensor:
        """The unit-normal starting points (N, vectors, dim), row i drawn with generator i of N."""
        return torch.stack([torch.randn(self.vectors, self.dim, generator=g) for g in generators])


def latent_space(G: Any, name: str = "gaussianized", tile_latent: bool = False) -> Space:
    """The latent space `name` of the generator `G`.

    "gaussianized" (or "pulse"): PULSE's; w = leaky_relu(v * std + mean, 0.2) with the mean and standard deviation
        of leaky_relu(w, 5) in `G.gaussian_fit` (computed and stored there when it is None). The last layer of the
        mapping network ends in a leaky ReLU of slope 0.2; undone, w is nearly normal (Menon et al., CVPR 2020).
        Spherical; one v per style, or one for all with `tile_latent`.
    "z": the mapping network's input, one for all styles. Spherical.
    "w": w = mean + 0.1 * deviation * v, one for all styles, free (Karras et al., Analyzing and Improving the Image
        Quality of StyleGAN, CVPR 2020, section 5, also start at the mean and scale by the deviation).
    "w+": the same with one v per style (Abdal et al., Image2StyleGAN, ICCV 2019), or as "w" with `tile_latent`.

    Raises ValueError for an unknown name.
    """
    num_ws = int(G.num_ws)
    if name in ("gaussianized", "pulse"):
        # Here, because the generators are not loaded with `import pulse`.
        from stylegan.gaussian_fit import fit_gaussian

        fit = G.gaussian_fit if getattr(G, "gaussian_fit", None) is not None else fit_gaussian(G)
        device = _device(G)
        mean, std = fit["mean"].to(device), fit["std"].to(device)
        return Space(
            "gaussianized",
            1 if tile_latent else num_ws,
            int(G.w_dim),
            True,
            lambda v: leaky_relu(v * std + mean, 0.2).expand(-1, num_ws, -1),
        )
    if name == "z":
        return Space("z", 1, int(G.z_dim), True, lambda v: G.mapping(v[:, 0]))
    if name in ("w", "w+"):
        mean, std = _moments_of_w(G)
        vectors = num_ws if name == "w+" and not tile_latent else 1
        return Space(
            name, vectors, int(G.w_dim), False, lambda v: (mean + _FREE_SCALE * std * v).expand(-1, num_ws, -1)
        )
    raise ValueError(f"The latent space {name!r} is unknown; choose one of {', '.join(SPACES)}.")


@torch.no_grad()
def _moments_of_w(G: Any, samples: int = 4096) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    w = G.mapping(torch.randn(samples, int(G.z_dim), generator=generator).to(_device(G)))[:, 0]
    return w.mean(0), w.std(0)


def _device(G: Any) -> torch.device:
    return next(G.parameters()).device
