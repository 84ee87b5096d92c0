"""The camera: from head space to the plane of the picture, and the rays through its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.head import PIVOT, Shape

DISTANCE = 11.0


@dataclass(frozen=True)
class Frame:
    """Where the picture lies in the plane z = 0 of the world.

    Args:
        centre: (N, 2).
        axes: (N, 2, 2) half its sides, the first to the right of the picture, the second downwards.
        zoom: (N, 1) how many times wider it is than the face asks for.
        features: (N, 51, 2) landmarks 17 to 67.
    """

    centre: Tensor
    axes: Tensor
    zoom: Tensor
    features: Tensor


def to_world(shape: Shape, points: Tensor) -> Tensor:
    """Head space (N, M, 3) to the world."""
    pivot = points.new_tensor(PIVOT)
    return (points - pivot) @ shape.rotation.transpose(1, 2) + pivot


def project(shape: Shape, points: Tensor) -> Tensor:
    """Points (N, M, 3) of head space to the plane z = 0 of the world, (N, M, 2)."""
    w = to_world(shape, points)
    return w[..., :2] * DISTANCE / (DISTANCE - w[..., 2:])


def pixel_size(view: Frame, side: int) -> Tensor:
    """Sizes (N, 1) of a pixel in decimetres where pictures have so many along a side."""
    return 2.7 / side * view.zoom


def to_pixels(view: Frame, flat: Tensor, resolution: int) -> Tensor:
    """Points (N, M, 2) of the plane as pixels of the picture, the middle of the first pixel at 0."""
    return ((flat - view.centre[:, None]) @ torch.linalg.inv(view.axes) + 1) * (resolution / 2) - 0.5


def rays(
    rotation: Tensor,
    view: Frame,
    resolution: int,
    offset: tuple[float, float] = (0.0, 0.0),
    place: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Origins (N, 3) and directions (3, N, P) in head space of rays through the pixels, row by row.

    They go through the pixels' centres or, by `offset` in pixels, to the right of and below them; through all pixels,
    or those whose numbers are `place` (N, P).
    """
    device = view.centre.device
    s = (torch.arange(resolution, device=device) + 0.5) * (2 / resolution) - 1
    if place is None:
        t, s = torch.meshgrid(s, s, indexing="ij")
        grid = torch.stack([s.reshape(-1), t.reshape(-1)], 1)
    else:
        grid = torch.stack([s[place % resolution], s[place // resolution]], 2)
    flat = view.centre[:, None] + (grid + s.new_tensor(offset) * (2 / resolution)) @ view.axes
    d = torch.cat([flat, torch.full_like(flat[..., :1], -DISTANCE)], -1)
    d = torch.nn.functional.normalize(d, dim=-1) @ rotation
    pivot = flat.new_tensor(PIVOT)
    eye = flat.new_tensor([0.0, 0.0, DISTANCE])
    origin = (eye - pivot) @ rotation + pivot
    return origin, d.permute(2, 0, 1).contiguous()
