"""Which point of a walk is kept, and which start of an image wins."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pulse.result import Result
from pulse.walk import Point, where


@dataclass(frozen=True)
class Best:
    """The best point so far of each of M starts.

    images, downsampled, latents, noise: rows as in `Result`.
    loss, l2: (M,), infinite where nothing was finite yet.
    at, reached_at: (M,) the step that it comes from, and the first step within eps, -1 for none yet.
    """

    images: Tensor
    downsampled: Tensor
    latents: Tensor
    noise: list[Tensor]
    loss: Tensor
    l2: Tensor
    at: Tensor
    reached_at: Tensor


def better(point: Point, old: Best | None, eps: float) -> Best:
    """The better of a new point and the best so far, start by start.

    One within `eps` goes before one that is not: PULSE looks for an image of the set ||A(x) - target||^2 <= eps
    (Menon et al., CVPR 2020, section 3, "Downscaling Loss"). Then the lower loss, then the lower L2, for losses that
    the floor has made equal.
    """
    loss, l2 = (x.masked_fill(~point.active, math.inf) for x in (point.loss, point.l2))
    at = torch.full_like(point.active, point.step, dtype=torch.int64)
    near = l2 <= eps
    if old is None:
        first = at.masked_fill(~near, -1)
        return Best(point.images, point.downsampled, point.latents, point.noise, loss, l2, at, first)
    was_near = old.l2 <= eps
    lower = (loss < old.loss) | ((loss == old.loss) & (l2 < old.l2))
    take = (near & ~was_near) | ((near == was_near) & lower)
    return Best(
        where(take, point.images, old.images),
        where(take, point.downsampled, old.downsampled),
        where(take, point.latents, old.latents),
        # Noise that is not trained is the same tensor in all points.
        [o if n is o else where(take, n, o) for n, o in zip(point.noise, old.noise, strict=True)],
        torch.where(take, loss, old.loss),
        torch.where(take, l2, old.l2),
        torch.where(take, at, old.at),
        torch.where(near & (old.reached_at < 0), at, old.reached_at),
    )


def winners(every: Result, starts: int) -> Tensor:
    """The row of the best start of each image (N,), in the same order as `better`.

    Raises:
        ValueError: no start of an image was ever finite.
    """
    keys = list(zip((~every.reached).tolist(), every.loss.tolist(), every.l2.tolist(), strict=True))
    won = [min(range(first, first + starts), key=keys.__getitem__) for first in range(0, len(keys), starts)]
    lost = [i for i, row in enumerate(won) if not math.isfinite(keys[row][1])]
    if lost:
        raise ValueError(
            f"The generator gives nothing finite for image {lost[0]} at any start; check its weights or the seed."
        )
    return torch.tensor(won)
