"""Light: a key light and a rim light, a sky, skin that lets light through, and hair that shines along its strands."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan.portraits.coordinates import Parameters
from stylegan.portraits.hair import hair_colour, sheen, strands
from stylegan.portraits.head import Shape
from stylegan.portraits.palette import HAT, hue, pick
from stylegan.portraits.skin import Paint

# How far red, green and blue light wraps around skin: red travels furthest inside it.
_WRAPS = (0.42, 0.26, 0.20)


@dataclass(frozen=True)
class Hit:
    """What rays hit: `points` (3, N, P) in head space, directions `d` (3, N, P) of the rays, surface normals (3, N, P),
    and `share` (4, N, P) of skin, hair, cloth and hat."""

    points: Tensor
    d: Tensor
    normal: Tensor
    share: Tensor


def key_light(shape: Shape) -> Tensor:
    """Direction (N, 3) in head space to the key light."""
    p = shape.p
    across = _across(p)
    up = 0.15 + 0.75 * p["light_height"]
    key = torch.cat([across.sin() * up.cos(), up.sin(), across.cos() * up.cos()], 1)
    return (key[:, None] @ shape.rotation)[:, 0]


def shade(shape: Shape, hit: Hit, skin: Paint, open_sky: Tensor, lit: Tensor) -> Tensor:
    """Linear light (N, 3, P) that leaves the points; `open_sky` and `lit` (N, P) say how much of the sky and of the key
    light reaches them."""
    p = shape.p
    x, y, z = hit.points
    ws, wh, _, _ = hit.share
    key = key_light(shape)
    halfway = key.T[..., None] - hit.d
    halfway = halfway * (halfway.square().sum(0) + 1e-9).rsqrt()
    facing = _dot(hit.normal, key)
    warm = _warmth(p)
    key_colour = torch.cat([1 + warm, 1 + 0.2 * warm, 1 - warm], 1) * 1.02
    hair, locks = hair_colour(p), strands(p, x, y, z)
    colour = _albedo(p, hit, skin, hair, locks) * _light(shape, hit, skin, key_colour, facing, open_sky, lit)

    toward = (hit.normal * halfway).sum(0).clamp(min=0)
    away = 1 + (hit.normal * hit.d).sum(0).clamp(-1, 0)
    wet = skin.gloss * (toward**22 * 0.55 + away**4 * 0.25) + skin.soft * toward**5 * 0.035
    colour = colour + (wet * ws * lit)[:, None] * key_colour[..., None]
    band = sheen(x, z, hit.normal, halfway) * locks**2 * (wh + 0.3 * ws * skin.hair)
    band = band * (1 - 0.6 * p["curl"]) * lit * (facing + 0.35).clamp(0, 1)
    tint = 0.35 * key_colour + 2.0 * hair / (0.25 + hair.mean(1, keepdim=True))
    return colour + band[:, None] * (0.7 * tint)[..., None] + (skin.glow * ws)[:, None]


def _across(p: Parameters) -> Tensor:
    return (p["light_side"] - 0.5) * 2 * 1.05


def _warmth(p: Parameters) -> Tensor:
    return (p["light_warmth"] - 0.5) * 0.16


def _dot(n: Tensor, v: Tensor) -> Tensor:
    return n[0] * v[:, :1] + n[1] * v[:, 1:2] + n[2] * v[:, 2:]


def _light(
    shape: Shape, hit: Hit, skin: Paint, key_colour: Tensor, facing: Tensor, open_sky: Tensor, lit: Tensor
) -> Tensor:
    """Light (N, 3, P) that falls on the points."""
    p = shape.p
    warm = _warmth(p)
    sky = hue(p["background_hue"], 0.05, 1.0) * (0.34 + 0.24 * p["light_fill"])
    rim_colour = torch.cat([1 - warm, torch.ones_like(warm), 1 + warm], 1) * (0.15 + 0.5 * p["light_fill"])
    # The rim light stands behind the head, on the side that the key light leaves dark.
    round_back = torch.tanh(_across(p) * -3) * 2.2
    rim = torch.cat([round_back.sin() * 0.9, torch.full_like(warm, 0.35), round_back.cos() * 0.9], 1)
    rim = (F.normalize(rim, dim=1)[:, None] @ shape.rotation)[:, 0]
    from_rim = (_dot(hit.normal, rim) + 0.05).clamp(min=0) * 0.7 * open_sky
    upwards = 0.72 + 0.28 * hit.normal[1]
    light = []
    for c, most in enumerate(_WRAPS):
        wrap = most * skin.soft
        key = ((facing + wrap) / (1 + wrap)).clamp(min=0) * lit ** (1 - 0.45 * wrap) * (0.4 + 0.6 * open_sky)
        ambient = upwards * open_sky ** (1 - wrap)
        one = slice(c, c + 1)
        light.append(key_colour[:, one] * key + sky[:, one] * ambient + rim_colour[:, one] * from_rim)
    return torch.stack(light, 1)


def _albedo(p: Parameters, hit: Hit, skin: Paint, hair: Tensor, locks: Tensor) -> Tensor:
    """Colour (N, 3, P) of what is hit: a blend by its shares."""
    ws, wh, wc, wt = hit.share
    cloth = hue(p["cloth_hue"], 0.6, 0.25 + 0.65 * p["cloth_shade"])
    knit = 1 + 0.04 * torch.sin(70 * hit.points[1])
    return (
        skin.albedo * ws[:, None]
        + hair[..., None] * (wh * locks)[:, None]
        + cloth[..., None] * wc[:, None]
        + pick(HAT, p["hat_hue"])[..., None] * (wt * knit)[:, None]
    )
