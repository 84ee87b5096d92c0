"""PULSE's fit of a generator's styles (Menon et al., CVPR 2020): undo the last activation, and w is nearly normal."""

import time
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from stylegan.checkpoints.formats import fit as fit_file
from stylegan.common.progress import progress


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
    if samples < 2 or batch < 1:
        raise ValueError(
            f"A fit over {samples} samples in batches of {batch} has no deviation; give at least 2 samples."
        )
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    device = next(G.parameters()).device
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
        fit_file.write(G.mapping, G.source, fit)
    return fit


def _ignore(count: int) -> None:
    pass
