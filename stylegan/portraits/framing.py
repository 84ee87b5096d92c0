"""Which part of the plane a picture shows, as FFHQ crops its photographs, and the rays through its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.camera import DISTANCE, project
from stylegan.portraits.landmarks import feature_points
from stylegan.portraits.shape import PIVOT, Shape


@dataclass(frozen=True)
class Frame:
    """Where the picture lies in the plane z = 0 of the world: its `centre` (N, 2) and half `axes` (N, 2, 2), the
    first to the right of the picture, the second downwards; `features` (N, 51, 2), landmarks 17 to 67, in it."""

    centre: Tensor
    axes: Tensor
    features: Tensor


def frame(shape: Shape) -> Frame:
    """The oriented square around each face (Karras et al. 2019, appendix C)."""
    flat = project(shape, feature_points(shape))
    left, right = flat[:, 19:25].mean(1), flat[:, 25:31].mean(1)
    eyes = (left + right) / 2
    across = right - left
    down = (flat[:, 31] + flat[:, 37]) / 2 - eyes
    x = across + torch.stack([-down[:, 1], down[:, 0]], 1)
    x = torch.nn.functional.normalize(x, dim=1)
    x = x * torch.maximum(across.norm(dim=1) * 2.0, down.norm(dim=1) * 1.8)[:, None]
    y = torch.stack([x[:, 1], -x[:, 0]], 1)
    return Frame(eyes + 0.1 * down, torch.stack([x, y], 1), flat)


def to_pixels(view: Frame, flat: Tensor, resolution: int) -> Tensor:
    """Points (N, M, 2) of the plane as pixels of the picture, the middle of the first pixel at 0."""
    return ((flat - view.centre[:, None]) @ torch.linalg.inv(view.axes) + 1) * (resolution / 2) - 0.5


def rays(shape: Shape, view: Frame, resolution: int) -> tuple[Tensor, Tensor]:
    """Origin (N, 3) and directions (N, 3, P) in head space of the pixels' centres, row by row."""
    device = view.centre.device
    s = (torch.arange(resolution, device=device) + 0.5) * (2 / resolution) - 1
    t, s = torch.meshgrid(s, s, indexing="ij")
    grid = torch.stack([s.reshape(-1), t.reshape(-1)], 1)
    flat = view.centre[:, None] + grid @ view.axes
    d = torch.cat([flat, torch.full_like(flat[..., :1], -DISTANCE)], -1)
    d = torch.nn.functional.normalize(d, dim=-1) @ shape.rotation
    pivot = flat.new_tensor(PIVOT)
    eye = flat.new_tensor([0.0, 0.0, DISTANCE])
    origin = (eye - pivot) @ shape.rotation + pivot
    return origin, d.transpose(1, 2).contiguous()
