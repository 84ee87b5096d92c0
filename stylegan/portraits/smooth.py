"""Smooth pieces that shapes and paints are put together from."""

from __future__ import annotations

import torch
from torch import Tensor

# What the coordinates of N portraits mean, each (N, 1).
Parameters = dict[str, Tensor]

# |x| is rounded off within about its square root of x = 0.
ROUNDING = 4e-4


def ramp(x: Tensor, low: float, high: float) -> Tensor:
    """0 up to `low`, 1 from `high` on, smooth between them."""
    x = ((x - low) / (high - low)).clamp(0, 1)
    return x * x * (3 - 2 * x)


def mix(a: float | Tensor, b: float | Tensor, t: Tensor) -> Tensor:
    """From a at t = 0 to b at t = 1."""
    return a + (b - a) * t


def centred(x: Tensor) -> Tensor:
    """From [0, 1] to [-1, 1]."""
    return 2 * x - 1


def soft_abs(x: Tensor) -> Tensor:
    """|x|, rounded off at 0."""
    return (x * x + ROUNDING).sqrt()


def soft_min(a: Tensor, b: Tensor, k: float) -> Tensor:
    """The smaller of a and b, rounded off where they differ by less than k (Inigo Quilez, "smooth minimum")."""
    h = (a - b).abs_().sub_(k).clamp_(max=0)
    return torch.minimum(a, b).addcmul_(h, h, value=-0.25 / k)


def soft_min_of_all(d: Tensor, k: float) -> Tensor:
    """The smallest of d (N, M, P) along M, rounded off over about k (log-sum-exp)."""
    low = d.amin(1, keepdim=True)
    # exp below -30 makes denormal numbers, which cost a hundred times as much as others.
    return torch.sub(low[:, 0], (low - d).mul_(1 / k).clamp_(min=-30).exp_().sum(1).log_(), alpha=k)


def waves(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """A fixed, smooth, curl-like pattern (N, P) in about [-1, 1] over head space."""
    a = torch.sin(13 * x + 2.2 * torch.sin(7 * y + 1) + 1.0)
    b = torch.sin(12 * y + 2.0 * torch.sin(8 * z + 2) + 3 * x)
    c = torch.sin(12 * z + 2.0 * torch.sin(7 * x + 3) + 2 * y)
    return (a * b + b * c + c * a) * 0.6


def locks(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """A fixed pattern (N, P) in about [-1, 1] of strands that run down the head."""
    bend = 1.3 * torch.sin(3.1 * y + 2 * x)
    return 0.5 * (torch.sin(19 * x + bend) + torch.sin(17 * z + bend + 1)) + 0.3 * torch.sin(37 * x - 23 * z + 2 * bend)
