"""A start near the target: a picture of the generator's own, moved by a linear regression.

A search begins at what the generator draws for the seed. A regression of coordinates on small pictures, over a sample
of the generator's pictures, says in which direction a picture that differs by so much lies. This is the analysis step
of an ensemble Kalman filter (G. Evensen, J. Geophys. Res. 99, 1994): for a linear generator with normal coordinates the
moved points would be draws from the posterior given the target, so different seeds still give different faces.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# The variance of what no coordinate explains, relative to that of the pictures. Of 0.003 to 0.1, this leaves the points
# as long as they were.
_RIDGE = 0.1
# Larger measurements would take gigabytes, with hundreds of samples.
_MOST_VALUES = 2**16


@dataclass(frozen=True)
class Gain:
    """How coordinates change with a picture: `matrix` (values of a picture, k)."""

    matrix: Tensor

    def __call__(self, difference: Tensor) -> Tensor:
        """The moves (M, k) towards pictures that differ by so much (M, ...)."""
        return difference.flatten(1) @ self.matrix


def gain_of(coordinates: Tensor, pictures: Tensor, look: Callable[[Tensor], Tensor]) -> Gain | None:
    """The regression of coordinates (S, k) on what `look` makes of pictures (S, C, L, L).

    None where a measurement has too many values.
    """
    first = look(pictures[:1])
    if first.numel() > _MOST_VALUES:
        return None
    y = torch.cat([first, *(look(part) for part in pictures[1:].split(16))]).flatten(1)
    y, u = y - y.mean(0), coordinates - coordinates.mean(0)
    # There are fewer samples than pixels, so the equations are solved for the samples.
    covariance = y @ y.T / y.shape[1]
    mean = covariance.diagonal().mean()
    ridge = _RIDGE * mean.clamp(min=1e-12) * torch.eye(len(y), device=y.device)
    weights = torch.cholesky_solve(y / y.shape[1], torch.linalg.cholesky(covariance + ridge))
    return Gain(weights.T @ u)
