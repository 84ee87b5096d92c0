"""Sphere tracing (Hart 1996) on coarse grids, then of every ray, and what hides a point from the light."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan.portraits.blocks import Blocks, pack
from stylegan.portraits.camera import DISTANCE, Frame, pixel_size, rays
from stylegan.portraits.distance import evaluate
from stylegan.portraits.head import Solid
from stylegan.portraits.parts import select

# Depths of a ray where the head may begin, and where there is nothing any more.
_NEAR, FAR = DISTANCE - 1.9, DISTANCE + 1.3
_HALF = 1.4


@dataclass(frozen=True)
class _Plan:
    """How far pictures are traced.

    Args:
        coarse: rays along a side of a coarse grid's cell, and steps there.
        steps: of every ray before rays that have arrived are dropped, and whether bumps and curls count in them.
    """

    coarse: tuple[tuple[int, int], ...]
    steps: tuple[tuple[int, bool], ...]


# In small pictures a ray that has not quite arrived is not seen; in large ones every ray that grazes an edge is.
_SMALL = _Plan(((8, 5), (4, 4), (2, 2)), ((3, True), (3, True), (4, True)))
_MIDDLE = _Plan(((16, 12), (8, 6), (4, 6), (2, 4)), ((1, False), (2, True), (3, True), (4, True), (6, True)))
_LARGE = _Plan(_MIDDLE.coarse, (*_MIDDLE.steps, (10, True)))


# Where the depth is foretold by a picture of half the side, most rays arrive at once.
_FORETOLD = _Plan((), ((1, True), (2, True), (3, True), (4, True), (6, True), (10, True)))
# From this side on it is.
_HALVED = 512


def _plan(side: int) -> _Plan:
    return _SMALL if side < 96 else _MIDDLE if side < 256 else _LARGE


@dataclass(frozen=True)
class Traced:
    """Rays of N portraits: `origin` (N, 3), `d` (3, N, P) their directions; `depth` (N, P) of each ray's hit or closest
    pass, and the distance `left` (N, P) there."""

    origin: Tensor
    d: Tensor
    depth: Tensor
    left: Tensor


def trace(
    solid: Solid,
    rotation: Tensor,
    view: Frame,
    side: int,
    skirt: float,
    thin: Tensor,
    pool: Executor | None = None,
) -> Traced:
    """Trace the rays of pictures; `side` is a multiple of 8.

    Rays that pass a surface by less than half a pixel and `skirt` may show. All surfaces are moved inwards by `thin`
    (N, 1). The threads of a pool share out the rays.
    """
    if side < _HALVED or side % 16:
        start = approach(solid, rotation, view, side, pixel_size(view, side) / 2 + skirt)
        return march(solid, rotation, view, start, side, thin, pool=pool)
    half = side // 2
    margin = pixel_size(view, half) / 2 + skirt
    start = approach(solid, rotation, view, half, margin)
    known = march(solid, rotation, view, start, half, thin, pool=pool)
    depth = torch.where(known.left < margin + thin, known.depth, FAR)
    uneven = jumps(depth, half, pixel_size(view, half)).float().view(-1, 1, half, half)
    smooth = _enlarged(1 - F.max_pool2d(uneven, 3, 1, 1).flatten(1), side) > 0
    foretold = F.interpolate(depth.view(-1, 1, half, half), size=(side, side), mode="bilinear").flatten(1)
    start = torch.where(smooth & (foretold < FAR), foretold, _enlarged(start, side))
    return march(solid, rotation, view, start, side, thin, plan=_FORETOLD, pool=pool)


def jumps(depth: Tensor, side: int, least: Tensor) -> Tensor:
    """Where (N, P) depths change by `least` (N, 1) more or less than a slope would have them, row by row or along
    one."""
    d = depth.view(-1, side, side)
    wide = F.pad(d[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    across = (wide[:, 1:-1, 2:] + wide[:, 1:-1, :-2]).sub_(d, alpha=2).abs_()
    down = (wide[:, 2:, 1:-1] + wide[:, :-2, 1:-1]).sub_(d, alpha=2).abs_()
    return (torch.maximum(across, down) > least[..., None]).flatten(1)


def approach(solid: Solid, rotation: Tensor, view: Frame, side: int, margin: Tensor) -> Tensor:
    """Depths (N, P) just before the first thing that a ray may hit; `side` is a multiple of 8.

    Cones as wide as a coarse cell stop where something touches them; narrower ones, then the rays, start there. Rays
    that pass a surface by less than `margin` (N, 1) count as hits.
    """
    t = torch.full((len(view.centre), 1), _NEAR, device=view.centre.device)
    for stride, steps in _plan(side).coarse:
        if side % stride:
            continue
        coarse = side // stride
        origin, d = rays(rotation, view, coarse)
        t = _enlarged(t, coarse)
        cell = 2.0 * _HALF / coarse * view.zoom
        # What a ray may pass by and still show has to lie within the cone.
        reach = torch.maximum(cell, 0.71 * cell + margin)
        for _ in range(steps):
            x, y, z = (origin[:, i : i + 1] + d[i] * t for i in range(3))
            t = (t + (evaluate(solid, x, y, z, False).nearest() - reach).clamp_(min=0)).clamp_(max=FAR)
    return _enlarged(t, side)


def _enlarged(t: Tensor, side: int) -> Tensor:
    old = round(t.shape[1] ** 0.5)
    return F.interpolate(t.view(-1, 1, old, old), size=(side, side), mode="nearest").flatten(1)


def march(
    solid: Solid,
    rotation: Tensor,
    view: Frame,
    t: Tensor,
    side: int,
    thin: Tensor,
    offset: tuple[float, float] = (0.0, 0.0),
    place: Tensor | None = None,
    plan: _Plan | None = None,
    pool: Executor | None = None,
) -> Traced:
    """Trace the rays of a picture, as `camera.rays` has them at an `offset` and a `place`, from the depths t (N, P) on.

    Rays that start at `FAR` are left out. All surfaces are moved inwards by `thin` (N, 1).

    Near a surface the steps are those of the secant method, which grazing rays need.
    """
    origin, d = rays(rotation, view, side, offset, place)
    t = t.clone()
    best, left = t.clone(), torch.full_like(t, 9.0)
    todo = t < FAR
    enough = 0.35 * _HALF / side * view.zoom
    for steps, fine in (plan or _plan(side)).steps:
        work = partial(_march, solid, origin, d, (t, best, left), steps, fine, thin)
        pack(todo).each(work, pool)
        todo = todo & (left > enough) & (t < FAR)
    return Traced(origin, d, best, left)


def _march(
    solid: Solid,
    origin: Tensor,
    d: Tensor,
    state: tuple[Tensor, Tensor, Tensor],
    steps: int,
    fine: bool,
    thin: Tensor,
    few: Blocks,
) -> None:
    solid, thin = select((solid, thin), few.owner)
    o, v = origin[few.owner], d.flatten(1)[:, few.flat]
    t, best, left = (whole.view(-1)[few.flat] for whole in state)
    before = move = torch.zeros_like(t)
    for k in range(steps):
        x, y, z = (o[:, i : i + 1] + v[i] * t for i in range(3))
        f = evaluate(solid, x, y, z, fine).nearest() + thin
        if fine:
            better = f.abs() < left
            best = torch.where(better, t, best)
            left = torch.where(better, f.abs(), left)
        step = f
        if k > 0:
            # A ray that grazes the surface nears it slowly: the secant says by how much the step may be stretched.
            fall = ((before - f) / move).clamp_(0.4, 1.4)
            step = torch.where(move.abs() > 1e-5, f / fall, f)
        before, last = f, t
        t = (t + step).clamp_(max=FAR)
        move = t - last
    for whole, part in zip(state, (t, best, left), strict=True):
        whole.view(-1)[few.flat] = part


def at_rays(traced: Traced, few: Blocks, depth: Tensor) -> tuple[Tensor, Tensor]:
    """Points (3, B, W) at the depths (B, W) along the rays of some blocks, and the rays' directions (3, B, W)."""
    d = traced.d.flatten(1)[:, few.flat]
    return traced.origin[few.owner].T[..., None] + d * depth, d


def _rough(solid: Solid, points: Tensor) -> Tensor:
    x, y, z = points
    return evaluate(solid, x, y, z, False).nearest()


def _hidden(solid: Solid, points: Tensor, normal: Tensor, key: Tensor) -> Tensor:
    """How open to the sky points (3, B, W) are, and how much of the light from `key` (B, 3) reaches them: (2, B, W).

    Both are found by a few steps away from the surface (Quilez, "soft shadows").
    """
    ao = torch.ones_like(points[0])
    for reach, strength in ((0.07, 0.4), (0.25, 0.4)):
        f = _rough(solid, points + normal * reach)
        ao = ao * (1 - strength * (1 - f / reach).clamp(0, 1))
    shadow = torch.ones_like(ao)
    toward = key.T[..., None]
    for reach in (0.06, 0.14, 0.28, 0.5):
        f = _rough(solid, points + normal * 0.02 + toward * reach)
        shadow = torch.minimum(shadow, (0.5 + f / (0.35 * reach + 0.02)).clamp(0, 1))
    return torch.stack((ao, shadow * shadow * (3 - 2 * shadow)))


def occlusion(
    solid: Solid, surface: Tensor, key: Tensor, hits: Tensor, side: int, pool: Executor | None = None
) -> Tensor:
    """How open to the sky every pixel is, and how much of the key light reaches it: (2, N, P), 1 where there is no hit.

    Both are smooth, so every fourth pixel is asked, and the others take the mean of their neighbours that were.

    Args:
        solid: of the N portraits.
        surface: positions and normals (6, N, P); only hits count.
        key: direction (N, 3) to the key light.
        hits: mask (N, P) of the pixels that show something.
        side: pixels along a side.
        pool: its threads share out the pixels.
    """
    n, half = len(hits), side // 2
    asked = hits.view(n, side, side)[:, ::2, ::2].flatten(1)
    known = surface.new_zeros(3, n, half * half)
    known[0] = asked
    points = surface.view(6, n, side, side)[:, :, ::2, ::2].reshape(6, -1)

    def ask(few: Blocks) -> None:
        p = points[:, few.flat]
        known[1:].view(2, -1)[:, few.flat] = _hidden(select(solid, few.owner), p[:3], p[3:], key[few.owner])

    pack(asked).each(ask, pool)
    grid = F.pad(known.transpose(0, 1).reshape(n, 3, half, half), (0, 1, 0, 1), mode="replicate")
    grid = F.interpolate(grid, size=(side + 1, side + 1), mode="bilinear", align_corners=True)[..., :side, :side]
    grid = grid.flatten(2).transpose(0, 1)
    share = grid[0]
    return torch.where(share < 1e-3, 1, grid[1:] / share.clamp(min=1e-3))
