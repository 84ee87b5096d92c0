"""Sphere tracing (Hart 1996) on a coarse grid, then on every pixel, and what hides a point from the light."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan.portraits.camera import DISTANCE, Frame, rays
from stylegan.portraits.distance import Distances, evaluate
from stylegan.portraits.head import Shape

_NEAR, _FAR = DISTANCE - 1.9, DISTANCE + 1.3
_HALF = 1.4


def approach(shape: Shape, view: Frame, side: int) -> Tensor:
    """A depth (N, P) just before the first thing that a ray may hit; `side` is a multiple of 16.

    Cones as wide as a coarse pixel stop where something touches them; narrower ones, then the rays, start there.
    """
    t = torch.full((len(view.centre), 1), _NEAR, device=view.centre.device)
    for stride, steps in ((16, 12), (4, 8)):
        coarse = side // stride
        origin, d = rays(shape, view, coarse)
        old = round(t.shape[1] ** 0.5)
        t = F.interpolate(t.view(-1, 1, old, old), size=(coarse, coarse), mode="nearest").flatten(1)
        reach = 2.0 * _HALF / coarse
        for _ in range(steps):
            t = (t + (_at(shape, origin, d, t, False).nearest() - reach).clamp_(min=0)).clamp_(max=_FAR)
    return F.interpolate(t.view(-1, 1, coarse, coarse), scale_factor=4, mode="nearest").flatten(1)


def march(shape: Shape, view: Frame, t: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Depth (N, P) of each ray's hit or closest pass, distance left there (N, P), origins (N, 3), directions (N, 3, P),
    from the depths t (N, P).

    Near the surface the steps are those of the secant method, which grazing rays need."""
    origin, d = rays(shape, view, side)
    best, left = t.clone(), torch.full_like(t, 9.0)
    todo = t < _FAR
    enough = 0.35 * _HALF / side
    for fine, steps in ((False, 2), (True, 3), (True, 5), (True, 6)):
        index = padded(todo)
        if not index.shape[1]:
            break
        rd = d.gather(2, index[:, None].expand(-1, 3, -1))
        rt, rb, rl = t.gather(1, index), best.gather(1, index), left.gather(1, index)
        before = move = torch.zeros_like(rt)
        for k in range(steps):
            f = _at(shape, origin, rd, rt, fine).nearest()
            if fine:
                better = f.abs() < rl
                rb = torch.where(better, rt, rb)
                rl = torch.where(better, f.abs(), rl)
            step = f
            if k > 0:
                # A ray that grazes the surface nears it slowly: the secant says by how much the step may be stretched.
                fall = ((before - f) / move).clamp_(0.4, 1.4)
                step = torch.where(move.abs() > 1e-5, f / fall, f)
            before, last = f, rt
            rt = (rt + step).clamp_(max=_FAR)
            move = rt - last
        t.scatter_(1, index, rt)
        best.scatter_(1, index, rb)
        left.scatter_(1, index, rl)
        todo = todo & (left > enough) & (t < _FAR)
    return best, left, origin, d


def padded(mask: Tensor) -> Tensor:
    """Column indices (N, M) of the true entries of each row of mask (N, P), short rows filled with repeats of one."""
    counts = mask.sum(1)
    most = int(counts.max())
    if most == 0:
        return mask.new_zeros(len(mask), 0, dtype=torch.long)
    order = torch.argsort(mask.to(torch.uint8), dim=1, descending=True, stable=True)[:, :most]
    slot = torch.arange(most, device=mask.device)
    return torch.where(slot < counts[:, None], order, order[:, :1])


def _at(shape: Shape, origin: Tensor, d: Tensor, t: Tensor, fine: bool = True) -> Distances:
    x, y, z = (origin[:, i : i + 1] + d[:, i] * t for i in range(3))
    return evaluate(shape, x, y, z, fine)


def occlusion(shape: Shape, points: Tensor, index: Tensor, key: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """How open (N, P) a point is to the sky, and how much of the key light reaches it (Quilez, "soft shadows").

    `points` (N, 6, P) are positions and normals of the pixels `index`. Both answers are smooth, so every fourth pixel
    is asked, and the others take the mean of their neighbours that were.
    """
    n, half = len(points), side // 2
    row, column = index // side, index % side
    asked = ((row % 2) + (column % 2)) == 0
    few = padded(asked)
    points = points.gather(2, few[:, None].expand(-1, 6, -1))
    place = (index.gather(1, few) // side // 2) * half + (index.gather(1, few) % side) // 2
    x, y, z, nx, ny, nz = points.unbind(1)
    ao = torch.ones_like(x)
    for reach, strength in ((0.07, 0.4), (0.25, 0.4)):
        f = evaluate(shape, x + nx * reach, y + ny * reach, z + nz * reach, False).nearest()
        ao = ao * (1 - strength * (1 - f / reach).clamp(0, 1))
    shadow = torch.ones_like(x)
    for reach in (0.06, 0.14, 0.28, 0.5):
        off = 0.02
        f = evaluate(
            shape,
            x + nx * off + key[:, :1] * reach,
            y + ny * off + key[:, 1:2] * reach,
            z + nz * off + key[:, 2:] * reach,
            False,
        ).nearest()
        shadow = torch.minimum(shadow, (0.5 + f / (0.35 * reach + 0.02)).clamp(0, 1))
    shadow = shadow * shadow * (3 - 2 * shadow)
    known = torch.stack((torch.ones_like(ao), ao, shadow), 1)
    grid = points.new_zeros(n, 3, half * half).scatter(2, place[:, None].expand(-1, 3, -1), known)
    grid = F.pad(grid.view(n, 3, half, half), (0, 1, 0, 1), mode="replicate")
    grid = F.interpolate(grid, size=(side + 1, side + 1), mode="bilinear", align_corners=True)[..., :side, :side]
    grid = grid.flatten(2).gather(2, index[:, None].expand(-1, 3, -1))
    share = grid[:, 0]
    empty = share < 1e-3
    share = share.clamp(min=1e-3)
    return torch.where(empty, 1, grid[:, 1] / share), torch.where(empty, 1, grid[:, 2] / share)
