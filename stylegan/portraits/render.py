"""Rendering: trace, paint, light, and develop to a picture."""

from __future__ import annotations

import math
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan.portraits.background import background
from stylegan.portraits.blocks import Blocks, pack
from stylegan.portraits.camera import Frame, pixel_size
from stylegan.portraits.coordinates import as_characters, check, check_resolution, decode
from stylegan.portraits.distance import MATERIALS, evaluate
from stylegan.portraits.glasses import Glasses, glasses
from stylegan.portraits.head import Shape, Solid, build
from stylegan.portraits.landmarks import frame
from stylegan.portraits.light import Hit, key_light, shade
from stylegan.portraits.parts import distinct, select
from stylegan.portraits.skin import Paint, paint
from stylegan.portraits.tint import Tint
from stylegan.portraits.trace import FAR, Traced, at_rays, jumps, march, occlusion, trace

# Rays traced for each pixel along a side. Small pictures need more, or the edges of eyes and lips fall between rays.
_RAYS = ((16, 3.0), (32, 1.5), (64, 1.25), (128, 1.125), (1024, 1.25))
# From this side on, edges within a head are traced by four rays a pixel (a rotated grid of offsets, in pixels).
_REFINED = 256
_ROTATED = ((-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125))
# Rays that are held at a time, by about 150 bytes each.
_HELD_ON_CPU, _HELD_ON_GPU = 2**18, 2**24
# Sides that the coarse grids of `approach` divide.
_MULTIPLE = 8
# How far outside the traced surface an outline lies, in decimetres: what skin and hair add to it.
_SKIRT = 0.01875
# How soft the outlines of features are, in decimetres: as a ray's share of the picture, within these limits.
_SOFTEST, _SHARPEST = 0.01875, 0.004
# Over how many decimetres materials blend where they meet, at least and at most.
_BLEND = (0.008, 0.012)


def render(u: Tensor, resolution: int = 128, tint: Tint | None = None, threads: int = 1) -> Tensor:
    """Draw portraits of people or characters.

    Every picture depends on its own u alone, but for rounding: some processors multiply matrices of other sizes in
    another order, and a ray that only just meets an edge may then miss it. Pictures of different resolutions look alike
    when they are reduced; from 256 px on they show more: strands, pores, fine lines. Memory is bounded whatever N is.

    Args:
        u: (N, 64) for people or (N, 128) for characters, in [0, 1], on the CPU or a GPU.
        resolution: pixels along a side, from 8 to 1024.
        tint: of these portraits; see `stylegan.portraits.tint`.
        threads: how many share out the rays from 256 px on, beside those that torch has for each operation; pictures do
            not depend on it, but for rounding. Set torch's own number to 1 where this one is more.

    Returns:
        (N, 3, resolution, resolution) float32 in [0, 1], sRGB, on the device of u.

    Raises:
        ValueError: if u or the resolution is something else.

    >>> render(torch.full((2, 64), 0.5), 16).shape
    torch.Size([2, 3, 16, 16])
    """
    check(u)
    check_resolution(resolution)
    u = u.detach().float()
    side = _rays(resolution)
    # Memory is bounded by the rays that are held at a time; small tensors, as of the shapes, cost calls rather than
    # arithmetic, so that many portraits are set up together.
    group = max(1, (_HELD_ON_GPU if u.is_cuda else _HELD_ON_CPU) // side**2)
    parts = []
    with torch.no_grad(), _shared(threads if side >= _REFINED else 1) as pool:
        for i in range(0, len(u), group):
            few = None if tint is None or not bool(tint.on[i : i + group].any()) else tint[i : i + group]
            parts.append(_reduced(_draw(_scene(u[i : i + group], side, few, pool)), resolution))
    return torch.cat(parts) if parts else u.new_zeros(0, 3, resolution, resolution)


def materials(u: Tensor, resolution: int) -> Tensor:
    """How much of each pixel of portraits u (N, K) is each of `tint.TINTED`: (N, 7, resolution, resolution)."""
    check(u)
    check_resolution(resolution)
    side = _rays(resolution)
    parts = []
    with torch.no_grad():
        for few in u.detach().float().split(max(1, (_HELD_ON_GPU if u.is_cuda else _HELD_ON_CPU) // side**2)):
            scene = _scene(few, side)
            traced, rays, worn = _traced(scene)
            found = _found(scene, traced, rays.depth.new_zeros(2, *traced.depth.shape))
            cover, surface = scene.each(found.cover), scene.each(found.surface, 1)
            share = _tintable(surface, _painted(scene, surface, cover > 0)) * (cover * worn.bare(cover))
            share = torch.cat([share, 1 - cover[None]]).transpose(0, 1).unflatten(2, (side, side))
            parts.append(_reduced(share, resolution))
    return torch.cat(parts)


def _shared(threads: int) -> AbstractContextManager[Executor | None]:
    """So many threads, in which torch has one thread each; none if one is enough."""
    if threads <= 1:
        return nullcontext()
    return ThreadPoolExecutor(threads, initializer=_begin)


def _begin() -> None:
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)


def _rays(resolution: int) -> int:
    """How many rays are traced along a side of a picture."""
    factor = next(factor for most, factor in _RAYS if resolution <= most)
    return math.ceil(resolution * factor / _MULTIPLE) * _MULTIPLE


def _reduced(images: Tensor, resolution: int) -> Tensor:
    if images.shape[-1] != resolution:
        images = F.interpolate(images, size=(resolution, resolution), mode="bicubic", antialias=True)
    return images.clamp(0, 1)


@dataclass(frozen=True)
class _Scene:
    """A few portraits and how they are drawn; `pixel`, `thin` and `edge` (N, 1) are the size of a pixel, how far
    surfaces are moved inwards, and how soft paint is; `key` (N, 3) is the direction to the key light.

    Portraits that differ in colour and paint alone are traced once: `first` (M,) are the portraits that are traced,
    `like` (N,) says which of those each portrait looks like. `bodies` and `body_view` are theirs, in M rows. `pose` is
    that of the tint. The threads of `pool` share out the rays.
    """

    shape: Shape
    view: Frame
    side: int
    pixel: Tensor
    thin: Tensor
    edge: Tensor
    key: Tensor
    first: Tensor
    like: Tensor
    bodies: Solid
    body_view: Frame
    tint: Tint | None
    pose: tuple[Shape, Frame] | None
    pool: Executor | None

    def each(self, traced: Tensor, dim: int = 0) -> Tensor:
        """Rows of the portraits that are traced, M along `dim`, as rows of all N."""
        return traced if len(self.first) == len(self.like) else traced.index_select(dim, self.like)


@dataclass(frozen=True)
class _Surfaces:
    """What the rays hit: how much of each pixel `cover` (M, P) it is, its position, normal and shares of `MATERIALS` in
    `surface` (12, M, P), and what `occlusion` says of it, `hidden` (2, M, P)."""

    cover: Tensor
    surface: Tensor
    hidden: Tensor


def _scene(u: Tensor, side: int, tint: Tint | None = None, pool: Executor | None = None) -> _Scene:
    shape = build(decode(u))
    view = frame(shape)
    pixel = pixel_size(view, side)
    # An outline is as soft as a ray is wide. Wide rays reach further in than the skirt: all is traced thinner for them.
    thin = (pixel / 2 - _SKIRT).clamp(min=0)
    key = key_light(shape.p, shape.rotation)
    first, like = distinct((shape.solid, shape.rotation, view.centre, view.axes, view.zoom, key))
    edge = (1.5 * pixel).clamp(_SHARPEST, _SOFTEST)
    pose = None
    if tint is not None:
        # A picture is mostly drawn in the pose that it was painted in.
        same = torch.equal(as_characters(tint.at).to(u), as_characters(u))
        pose = (shape, view) if same else tint.pose()
    bodies, body_view = select(shape.solid, first), select(view, first)
    return _Scene(shape, view, side, pixel, thin, edge, key, first, like, bodies, body_view, tint, pose, pool)


def _traced(scene: _Scene) -> tuple[Traced, Traced, Glasses]:
    """The rays of the bodies, the same of all portraits, and the glasses that these meet."""
    turn = scene.shape.rotation[scene.first]
    traced = trace(scene.bodies, turn, scene.body_view, scene.side, _SKIRT, scene.thin[scene.first], scene.pool)
    rays = Traced(scene.each(traced.origin), scene.each(traced.d, 1), scene.each(traced.depth), scene.each(traced.left))
    return traced, rays, glasses(scene.shape, rays.origin, rays.d, rays.depth, scene.edge)


def _draw(scene: _Scene) -> Tensor:
    """Pictures (N, 3, side, side) of a few portraits."""
    shape, side = scene.shape, scene.side
    traced, rays, worn = _traced(scene)
    found = _found(scene, traced, None)
    ground = _develop(worn.over(background(shape.p, shape.colours, side)))
    if scene.tint is not None:
        ground = (ground + scene.tint.on_ground(side) * worn.bare(rays.depth)[:, None]).clamp(0, 1)
    ground = ground.transpose(0, 1).flatten(1)
    picture = _colour(scene, rays.d, found, ground, worn)
    if side >= _REFINED:
        picture = _refine(scene, traced, ground, picture, worn, found.hidden)
    return picture.view(3, len(rays.depth), side, side).transpose(0, 1)


def _found(scene: _Scene, traced: Traced, hidden: Tensor | None) -> _Surfaces:
    """What the rays of the bodies hit; `occlusion` is asked where `hidden` (2, M, P) is not given."""
    pixel, thin = scene.pixel[scene.first], scene.thin[scene.first]
    # A ray that comes nearer than a fifth of its width has arrived.
    cover = (pixel / 2 + _SKIRT + thin - traced.left) / torch.where(thin > 0, 0.8 * pixel, pixel)
    cover = cover.clamp(0, 1)
    hits = cover > 0
    surface = _surfaces(scene.bodies, traced, hits, thin, (1.2 * pixel).clamp(*_BLEND), scene.pool)
    if hidden is None:
        hidden = occlusion(scene.bodies, surface[:6], scene.key[scene.first], hits, scene.side, scene.pool)
    return _Surfaces(cover, surface, hidden)


def _colour(scene: _Scene, d: Tensor, found: _Surfaces, ground: Tensor, worn: Glasses) -> Tensor:
    """The ground (3, N * P) with what the rays along d (3, N, P) hit laid over it."""
    shape, pixel = scene.shape, scene.pixel
    cover, surface, hidden = scene.each(found.cover), scene.each(found.surface, 1), scene.each(found.hidden, 1)
    hits = cover > 0
    # Ghosts let through what is behind them, the things that they wear do not.
    cover = cover * (1 - 0.3 * shape.p["skin_finish: ghost"] * (surface[6] + surface[7]))
    painted = _painted(scene, surface, hits)
    hidden = hidden.flatten(1)
    added = None
    if scene.tint is not None and scene.pose is not None:
        share = _tintable(surface, painted) * worn.bare(cover)
        added = scene.tint.on_head(surface[:3], share, *scene.pose).flatten(1)
    picture = ground.clone()

    def lay(few: Blocks) -> None:
        flat = few.flat
        p, colours, rotation, wide = select((shape.p, shape.colours, shape.rotation, pixel), few.owner)
        at = surface.flatten(1)[:, flat]
        hit = Hit(at[:3], d.flatten(1)[:, flat], at[3:6], at[6:], wide)
        colour = shade(p, colours, rotation, hit, Paint.of(painted[:, flat]), *hidden[:, flat])
        colour = _develop(worn.over(colour, few)).transpose(0, 1)
        if added is not None:
            colour = (colour + added[:, flat]).clamp(0, 1)
        under = ground[:, flat]
        picture[:, flat] = under + (colour - under) * cover.view(-1)[flat]

    pack(hits).each(lay, scene.pool)
    return picture


def _refine(scene: _Scene, traced: Traced, ground: Tensor, picture: Tensor, worn: Glasses, hidden: Tensor) -> Tensor:
    """The picture (3, N * P) with four rays instead of one where one part of a head hides another."""
    m, side = len(traced.depth), scene.side
    pixel, thin = scene.pixel[scene.first], scene.thin[scene.first]
    hit = traced.left < pixel / 2 + _SKIRT + thin
    edges = hit & jumps(torch.where(hit, traced.depth, FAR), side, 2.5 * pixel)
    nearest = -F.max_pool2d(torch.where(hit, -traced.depth, -FAR).view(m, 1, side, side), 3, 1, 1)
    if not bool(edges.any()):
        return picture
    # The pixels of edges stand close together, (M, W), as many as the portrait with most of them has.
    row, column = edges.nonzero().unbind(1)
    count = edges.sum(1)
    rank = torch.arange(len(row), device=row.device) - (count.cumsum(0) - count)[row]
    place = row.new_zeros(m, int(count.max()))
    place[row, rank] = column
    real = torch.zeros_like(place, dtype=torch.bool)
    real[row, rank] = True
    start = torch.where(real, nearest.flatten(1).gather(1, place) - 2 * pixel, FAR)
    hidden = hidden.gather(2, place.expand(2, -1, -1))
    own, real = scene.each(place), scene.each(real)
    under = ground.view(3, len(own), -1).gather(2, own.expand(3, -1, -1)).flatten(1)
    worn = worn.at(own)
    turn = scene.shape.rotation[scene.first]
    # Rays of edges are too few to be shared out.
    one = replace(scene, pool=None)

    def again(offset: tuple[float, float]) -> Tensor:
        traced = march(scene.bodies, turn, scene.body_view, start, side, thin, offset, place)
        return _colour(one, scene.each(traced.d, 1), _found(one, traced, hidden), under, worn)

    total = torch.zeros_like(under)
    for colour in map(again, _ROTATED) if scene.pool is None else scene.pool.map(again, _ROTATED):
        total += colour
    picture = picture.clone().view(3, len(own), -1)
    row, rank = real.nonzero().unbind(1)
    picture[:, row, own[row, rank]] = total.view(3, len(own), -1)[:, row, rank] / len(_ROTATED)
    return picture.flatten(1)


def _surfaces(
    solid: Solid, traced: Traced, hits: Tensor, thin: Tensor, blend: Tensor, pool: Executor | None = None
) -> Tensor:
    """What the rays hit: (12, N, P), position, normal, and the shares of `MATERIALS`; 0 where nothing.

    Materials blend over about `blend` (N, 1) where they meet.
    """
    out = traced.d.new_zeros(6 + len(MATERIALS), *hits.shape)
    h = 0.006

    def look(few: Blocks) -> None:
        one, inwards, soft = select((solid, thin, blend), few.owner)
        points, d = at_rays(traced, few, traced.depth.view(-1)[few.flat])
        x, y, z = points
        here = evaluate(one, x, y, z)
        nearest = here.nearest()
        steps = ((x + h, y, z), (x, y + h, z), (x, y, z + h))
        normal = torch.stack([evaluate(one, *step).nearest() - nearest for step in steps])
        normal = normal * (normal.square().sum(0) + 1e-12).rsqrt()
        points = points + d * (inwards / (normal * d).sum(0).clamp(max=-0.3))
        # Cloth stands back a little, so that a neck does not fray into its collar.
        here.of["cloth"] -= 0.03
        share = torch.softmax(torch.stack(list(here.of.values())) / -soft, 0)
        rows = list(range(6)) + [6 + MATERIALS.index(name) for name in here.of]
        out.flatten(1)[torch.tensor(rows, device=out.device)[:, None, None], few.flat] = torch.cat(
            [points, normal, share]
        )

    pack(hits).each(look, pool)
    return out


def _painted(scene: _Scene, surface: Tensor, hits: Tensor) -> Tensor:
    """The skin's paint (9, N * P) as `Paint` packs it, asked for only where there is skin."""
    out = surface.new_zeros(9, hits.numel())
    # Hair and cloth let light in as far as skin does.
    out[6] = 1
    shape = scene.shape

    def ask(few: Blocks) -> None:
        chosen = select((shape.p, shape.features, shape.colours, scene.key, scene.edge, scene.pixel), few.owner)
        p, features, colours, light, edge, pixel = chosen
        points = surface[:3].flatten(1)[:, few.flat]
        out[:, few.flat] = paint(p, features, colours, points, light, edge, pixel).packed()

    pack(hits & (surface[6] > 1e-3)).each(ask, scene.pool)
    return out


def _tintable(surface: Tensor, painted: Tensor) -> Tensor:
    """The shares (6, N, P) of the materials of surfaces (12, N, P), of the skin what is bare."""
    share = surface[6:].clone()
    share[0] *= painted[-1].view_as(share[0])
    return share


def _develop(colour: Tensor) -> Tensor:
    """Linear light to sRGB in [0, 1], bright light gently held back."""
    colour = 1.15 * colour.clamp(min=1e-5)
    colour = colour * (1 + colour * 0.10) / (1 + 0.42 * colour)
    return (colour * 1.08).clamp(0, 1).pow(1 / 2.2)
