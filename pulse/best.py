"""Keeping the best point of each start, and choosing the best start of each image."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pulse.result import Result
from pulse.walk import Point, where


@dataclass(frozen=True)
class Best:
    """The best point so far of each of M starts.

    Attributes:
        images, downsampled, latents, noise: rows as in `Result`.
        loss, l2: (M,), infinite where nothing was finite yet.
        at, reached_at: (M,) the step of the best point, and the first step within eps (-1 if none yet).
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

    A point within `eps` beats one that is not, because PULSE looks for an image with ||A(x) - target||^2 <= eps (Menon
    et al., CVPR 2020, section 3, "Downscaling Loss"). Then the lower loss wins, then the lower L2: the floor can make
    losses equal.
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
        # All points share the noise that is not trained.
        [o if n is o else where(take, n, o) for n, o in zip(point.noise, old.noise, strict=True)],
        torch.where(take, loss, old.loss),
        torch.where(take, l2, old.l2),
        torch.where(take, at, old.at),
        torch.where(near & (old.reached_at < 0), at, old.reached_at),
    )


def last(point: Point, old: Best | None, eps: float) -> Best:
    """A new point in place of the last one, as of samples, of which none is better; `reached_at` is of the first."""
    new = better(point, None, eps)
    if old is None:
        return new
    return replace(new, reached_at=torch.where(old.reached_at >= 0, old.reached_at, new.reached_at))


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
