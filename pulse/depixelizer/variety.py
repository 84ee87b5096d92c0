"""How much faces differ in what their small picture does not tell: distances, the most different ones, a map."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pulse.operators import downsample
from pulse.result import Result

__all__ = ["disagreement", "distances", "farthest", "mean_distance"]

# Pixels a side at which faces are compared: what is finer is texture.
_SIDE = 64


def distances(images: Tensor, size: int) -> Tensor:
    """How far apart pictures are in what `size` pixels a side do not show, (N, N), from 0 to 1.

    At 64 px, what the small picture shows is taken away: the picture made small and large again. The distance is the
    root of the mean squared difference of what is left. Pictures that have the same small picture differ in nothing
    else; others are not called different for it.

    Args:
        images: (N, 3, H, W) in [0, 1], square.
        size: of the small picture, in pixels.
    """
    side = max(_SIDE, 2 * size)
    seen = downsample(images, size=side) if images.shape[-1] > side else images
    small = downsample(seen, size=size)
    left = (seen - interpolate(small, size=seen.shape[-1], mode="bicubic")).flatten(1).double()
    return torch.cdist(left, left, compute_mode="donot_use_mm_for_euclid_dist") / left.shape[1] ** 0.5


def farthest(distance: Tensor, count: int, first: Sequence[int] = (0,)) -> list[int]:
    """Indices of `count` points that lie far apart: each next one is the farthest from all that are chosen.

    At most twice as near as the best choice (T. Gonzalez, Clustering to minimize the maximum intercluster distance,
    Theoretical Computer Science 38, 1985).

    Args:
        distance: (N, N).
        count: how many, those in `first` among them; all N if there are no more.
        first: those that are chosen in any case, at least one.

    >>> x = torch.tensor([0.0, 1.0, 9.0, 10.0, 5.0])
    >>> farthest((x[:, None] - x).abs(), 3)
    [0, 3, 4]
    """
    chosen = list(first)
    nearest = distance[chosen].amin(0)
    while len(chosen) < min(count, len(distance)):
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, distance[chosen[-1]])
    return chosen


def disagreement(result: Result | Tensor) -> Tensor:
    """Where answers disagree: the standard deviation of each pixel over them, (H, W), from 0 to 0.5.

        answers = pulse.samples("knight.png")
        unsure = pulse.disagreement(answers)

    The small picture says little about places where it is large. Of three channels it is the root of their mean square.

    Args:
        result: of `pulse.samples`, or images (N, 3, H, W) in [0, 1]; at least two.

    Raises:
        ValueError: there are fewer than two images.
    """
    images = result.images if isinstance(result, Result) else result
    if len(images) < 2:
        raise ValueError(f"There is {len(images)} image, which cannot disagree; give two or more.")
    return images.var(0, correction=0).mean(0).sqrt()


def mean_distance(result: Result) -> float:
    """The mean distance (`distances`) of each two images of a result, all of one target; 0 of a single one."""
    count = len(result)
    return float(distances(result.images, result.target.shape[-1]).sum()) / max(count * (count - 1), 1)
