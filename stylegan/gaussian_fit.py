"""PULSE's fit of a generator's styles (Menon et al., CVPR 2020): undo the last activation, and w is nearly normal.

The fit takes a million passes through the mapping network, and a checkpoint of another project has no place for it. So
the fit of a generator that was loaded is kept in the cache folder, under a digest of the weights that it follows from:
copies of a file share it, a file that is replaced gets a new one, and nothing is written beside anybody's checkpoint.
"""

import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from cuda_ops.cache import cache_folder
from stylegan.common.files import write_tensors
from stylegan.common.progress import progress
from stylegan.common.tensors import Shapes, TensorFileError, digest, read_tensors


@torch.no_grad()
def fit_gaussian(
    G: Any,
    samples: int = 1_000_000,
    batch: int = 8192,
    generator: torch.Generator | None = None,
    show_progress: bool = True,
) -> dict[str, Tensor]:
    """Fits a normal distribution to a generator's styles, as PULSE does.

    The fit is also stored as `G.gaussian_fit`. For a generator that was loaded (`G.source`), it is taken from the cache
    folder where an earlier call left it, and left there otherwise.

    Args:
        G: a generator.
        samples: how many latents.
        batch: how many of them are drawn at a time.
        generator: draws the latents; by default a fresh one seeded with 0, so that the fit is a property of G. With
            another one, the cache is not used.
        show_progress: draw a progress bar on a terminal when the work takes over two seconds.

    Returns:
        "mean" and "std", each (w_dim,), of leaky_relu(w, 5).

    Raises:
        ValueError: for fewer than two samples.
    """
    if samples < 2 or batch < 1:
        raise ValueError(
            f"A fit over {samples} samples in batches of {batch} has no deviation; give at least 2 samples."
        )
    kept = None
    if generator is None and getattr(G, "source", None) is not None:
        kept = _cached(G.mapping, samples, batch)
        fit = _read(kept, int(G.w_dim))
        if fit is not None:
            G.gaussian_fit = fit
            return fit
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    G.gaussian_fit = fit = _compute(G, samples, batch, generator, show_progress)
    if kept is not None:
        # A cache that cannot be written costs the next process the same work again, nothing more.
        with suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_tensors(kept, fit, {})
    return fit


def _compute(G: Any, samples: int, batch: int, generator: torch.Generator, show_progress: bool) -> dict[str, Tensor]:
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
    return {"mean": (centre + total / samples).float(), "std": variance.clamp(min=0).sqrt().float()}


def _ignore(count: int) -> None:
    pass


def _cached(mapping: nn.Module, samples: int, batch: int) -> Path:
    """Where the fit of this mapping network is kept."""
    # The running average does not enter the fit.
    weights = {name: tensor for name, tensor in mapping.state_dict().items() if name != "w_avg"}
    return cache_folder() / "fits" / f"{digest(weights, f'{samples} {batch}')}.safetensors"


def _read(path: Path, w_dim: int) -> dict[str, Tensor] | None:
    """The fit that is kept in a file; None where there is none, or not one of that length and of finite numbers."""

    def check(shapes: Shapes, metadata: dict[str, str]) -> None:
        if shapes != {"mean": (w_dim,), "std": (w_dim,)}:
            raise TensorFileError(path, "it is no gaussian fit")

    try:
        fit, _ = read_tensors(path, check, max_bytes=16 * w_dim + 10_000)
    except (TensorFileError, OSError):
        return None
    fine = all(part.is_floating_point() and bool(part.isfinite().all()) for part in fit.values())
    return {name: part.float() for name, part in fit.items()} if fine and bool((fit["std"] >= 0).all()) else None
