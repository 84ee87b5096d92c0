"""Rendering: trace, paint, light, and develop to a picture."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan.portraits.background import background
from stylegan.portraits.camera import Frame
from stylegan.portraits.coordinates import check, check_resolution, decode
from stylegan.portraits.distance import evaluate
from stylegan.portraits.glasses import glasses
from stylegan.portraits.head import Shape, build, select
from stylegan.portraits.landmarks import frame
from stylegan.portraits.light import Hit, key_light, shade
from stylegan.portraits.skin import Paint, paint
from stylegan.portraits.trace import approach, march, occlusion, padded

# Enough to smooth the edges between parts; outlines and paint have soft edges of their own.
_SUPERSAMPLE = 1.13
# Sides that the coarse grids of `approach` divide.
_MULTIPLE = 16


def render(u: Tensor, resolution: int = 128) -> Tensor:
    """Draw portraits u (N, K) as pictures (N, 3, resolution, resolution) in [0, 1], float32, on u's device.

    Every picture depends on its own u alone. Raises ValueError when u is not (N, K) in [0, 1] or the resolution is not
    a whole number from 8 to 1024.
    """
    check(u)
    check_resolution(resolution)
    u = u.detach().float()
    side = max(1, round(resolution * _SUPERSAMPLE / _MULTIPLE)) * _MULTIPLE
    # Small tensors, as of the shapes, cost calls rather than arithmetic: many pictures are set up together.
    group = 256 if u.is_cuda else 32
    with torch.no_grad():
        parts = [_draw_group(u[i : i + group], side) for i in range(0, len(u), group)]
    images = torch.cat(parts) if parts else u.new_zeros(0, 3, resolution, resolution)
    if side != resolution and len(images) > 0:
        images = F.interpolate(images, size=(resolution, resolution), mode="bilinear", antialias=True)
    return images.clamp(0, 1)


def _draw_group(u: Tensor, side: int) -> Tensor:
    shape = build(decode(u))
    view = frame(shape)
    start = approach(shape, view, side)
    size = max(1, (2**22 if u.is_cuda else 2**17) // side**2)
    parts = []
    for i in range(0, len(u), size):
        few = slice(i, i + size)
        parts.append(_draw(select(shape, few), select(view, few), start[few], side))
    return torch.cat(parts)


def _draw(shape: Shape, view: Frame, start: Tensor, side: int) -> Tensor:
    depth, left, origin, d = march(shape, view, start, side)
    ground = background(shape.p, side)
    index = padded(left < 3 / side)
    if index.shape[1] == 0:
        return _develop(ground, side)
    pixel = 2.7 / side
    hit = _surface(shape, origin, d.gather(2, index[:, None].expand(-1, 3, -1)), depth.gather(1, index))
    key = key_light(shape)
    open_sky, lit = occlusion(shape, torch.stack((hit.x, hit.y, hit.z, *hit.normal), 1), index, key, side)
    colour = shade(shape, hit, _painted(shape, hit, key, pixel), open_sky, lit)
    cover = (1.5 - left.gather(1, index) / pixel).clamp(0, 1)
    index = index[:, None].expand(-1, 3, -1)
    behind = ground.gather(2, index)
    ground = ground.scatter(2, index, behind + (colour - behind) * cover[:, None])
    return _develop(glasses(shape, origin, d, depth, ground, pixel), side)


def _surface(shape: Shape, origin: Tensor, d: Tensor, t: Tensor) -> Hit:
    """What lies at the depths t (N, P) along the directions d (N, 3, P), and how it faces."""
    x, y, z = (origin[:, i : i + 1] + d[:, i] * t for i in range(3))
    here = evaluate(shape, x, y, z)
    nearest = here.nearest()
    h = 0.006
    gradient = [
        evaluate(shape, x + dx, y + dy, z + dz).nearest() - nearest for dx, dy, dz in ((h, 0, 0), (0, h, 0), (0, 0, h))
    ]
    norm = (gradient[0] ** 2 + gradient[1] ** 2 + gradient[2] ** 2 + 1e-12).rsqrt()
    # Cloth stands back a little, so that a neck does not fray into its collar.
    distances = torch.stack([here.skin, here.hair, here.cloth - 0.03, here.hat], 1)
    share = torch.softmax(distances * (-1 / 0.012), 1)
    return Hit(x, y, z, d, (gradient[0] * norm, gradient[1] * norm, gradient[2] * norm), share)


def _painted(shape: Shape, hit: Hit, key: Tensor, pixel: float) -> Paint:
    """The skin's paint, asked for only where there is skin."""
    few = padded(hit.share[:, 0] > 1e-3)
    skin = paint(shape, hit.x.gather(1, few), hit.y.gather(1, few), hit.z.gather(1, few), key, pixel)
    packed = torch.cat([skin.albedo, torch.stack([skin.gloss, skin.glow, skin.hair, skin.soft], 1)], 1)
    whole = packed.new_zeros(len(packed), 7, hit.x.shape[1])
    whole[:, 6] = 1
    whole.scatter_(2, few[:, None].expand(-1, 7, -1), packed)
    return Paint(whole[:, :3], whole[:, 3], whole[:, 4], whole[:, 5], whole[:, 6])


def _develop(colour: Tensor, side: int) -> Tensor:
    """Linear light (N, 3, P) to a picture (N, 3, side, side) in [0, 1], bright light gently held back."""
    colour = 1.15 * colour.clamp(min=1e-5)
    colour = colour * (1 + colour * 0.10) / (1 + 0.42 * colour)
    return (colour * 1.08).clamp(0, 1).pow(1 / 2.2).view(len(colour), 3, side, side)
