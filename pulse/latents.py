"""The spaces that a search can walk in, and the way from each to a generator's styles."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
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
def fit_gaussian(
    G: Any,
    samples: int = 1_000_000,
    batch: int = 8192,
    generator: torch.Generator | None = None,
    show_progress: bool = True,
) -> dict[str, Tensor]:
    """Mean and standard deviation, each (w_dim,), of leaky_relu(w, 5) over `samples` latents; also stored as
    `G.gaussian_fit` and, where G came from a file (`G.source`), kept beside it for the next time.

    Latents are drawn `batch` at a time with `generator` (a fresh one seeded with 0 by default, so that the fit is a
    property of the generator). A progress bar is drawn on a terminal when the first batch tells that the work takes
    over two seconds, unless `show_progress` is False. Raises ValueError for fewer than two samples.
    """
    from stylegan.progress import progress

    if samples < 2 or batch < 1:
        raise ValueError(
            f"A fit over {samples} samples in batches of {batch} has no deviation; give at least 2 samples."
        )
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    device = _device(G)
    total = torch.zeros(int(G.w_dim), dtype=torch.float64, device=device)
    squares = torch.zeros_like(total)

    def undone(count: int) -> Tensor:
        z = torch.randn(count, int(G.z_dim), generator=generator, device=generator.device).to(device)
        return leaky_relu(G.mapping(z)[:, 0].double(), 5)

    began = time.monotonic()
    w = undone(min(batch, samples))
    slow = (time.monotonic() - began) * samples / len(w) > 2
    # Sums of squares about a point near the mean do not cancel.
    centre = w.mean(0)
    with progress("Fitting the latent space", samples) if slow and show_progress else nullcontext(_ignore) as advance:
        done = 0
        while True:
            total += (w - centre).sum(0)
            squares += (w - centre).square().sum(0)
            done += len(w)
            advance(len(w))
            if done == samples:
                break
            w = undone(min(batch, samples - done))
    variance = (squares - total.square() / samples) / (samples - 1)
    fit = {"mean": (centre + total / samples).float(), "std": variance.clamp(min=0).sqrt().float()}
    G.gaussian_fit = fit
    if getattr(G, "source", None) is not None:
        from stylegan.formats import fit as fit_file

        fit_file.write(G.mapping, G.source, fit)
    return fit


@torch.no_grad()
def _moments_of_w(G: Any, samples: int = 4096) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    w = G.mapping(torch.randn(samples, int(G.z_dim), generator=generator).to(_device(G)))[:, 0]
    return w.mean(0), w.std(0)


def _ignore(count: int) -> None:
    pass


def _device(G: Any) -> torch.device:
    return next(G.parameters()).device
