"""From head space to the plane z = 0 of the world, seen from `DISTANCE` in front of it."""

from __future__ import annotations

from torch import Tensor

from stylegan.portraits.shape import PIVOT, Shape

DISTANCE = 11.0


def to_world(shape: Shape, points: Tensor) -> Tensor:
    """Head space (N, M, 3) to the world."""
    pivot = points.new_tensor(PIVOT)
    return (points - pivot) @ shape.rotation.transpose(1, 2) + pivot


def project(shape: Shape, points: Tensor) -> Tensor:
    """Points (N, M, 3) of head space to the plane z = 0 of the world, (N, M, 2)."""
    w = to_world(shape, points)
    return w[..., :2] * DISTANCE / (DISTANCE - w[..., 2:])
