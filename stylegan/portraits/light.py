"""Light: a key light and a rim light, a sky, skin that lets light through, and hair that shines along its strands."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stylegan.portraits.colours import Colours
from stylegan.portraits.detail import detail
from stylegan.portraits.detail import strands as fine_strands
from stylegan.portraits.hair import sheen, strands
from stylegan.portraits.palette import cover, hue, lay
from stylegan.portraits.skin import Paint
from stylegan.portraits.smooth import Parameters

# How far red, green and blue light wraps around skin: red travels furthest inside it.
_WRAPS = (0.42, 0.26, 0.20)


@dataclass(frozen=True)
class Hit:
    """What rays hit: `points` (3, N, P) in head space, directions `d` (3, N, P) of the rays, surface normals (3, N, P),
    the `share` (6, N, P) of each of `distance.MATERIALS`, and the size `pixel` (N, 1) of a pixel there."""

    points: Tensor
    d: Tensor
    normal: Tensor
    share: Tensor
    pixel: Tensor


def key_light(p: Parameters, rotation: Tensor) -> Tensor:
    """Direction (N, 3) in head space to the key light of heads that `rotation` (N, 3, 3) takes to the world."""
    across = _across(p)
    up = 0.15 + 0.75 * p["light_height"]
    key = torch.cat([across.sin() * up.cos(), up.sin(), across.cos() * up.cos()], 1)
    return (key[:, None] @ rotation)[:, 0]


def shade(
    p: Parameters, colours: Colours, rotation: Tensor, hit: Hit, skin: Paint, open_sky: Tensor, lit: Tensor
) -> Tensor:
    """Linear light (N, 3, P) that leaves the points; `open_sky` and `lit` (N, P) say how much of the sky and of the key
    light reaches them."""
    x, y, z = hit.points
    ws, wh = hit.share[:2]
    key = key_light(p, rotation)
    halfway = key.T[..., None] - hit.d
    halfway = halfway * (halfway.square().sum(0) + 1e-9).rsqrt()
    facing = _dot(hit.normal, key)
    warm = _warmth(p)
    style = _style(p)
    key_colour = torch.cat([1 + warm, 1 + 0.2 * warm, 1 - warm], 1) * 1.02 * style.key
    lit = torch.where(style.shadow < 1, 1 - (1 - lit) * style.shadow, lit)
    open_sky = torch.where(style.shadow < 1, 1 - (1 - open_sky) * style.shadow, open_sky)
    hair, locks = colours.hair, strands(p, x, y, z)
    if bool((detail(hit.pixel) > 0).any()):
        # Pixels of a surface that turns away cover more of it.
        slanted = hit.pixel / (-(hit.normal * hit.d).sum(0)).clamp(min=0.25)
        locks = locks * (1 + 0.42 * fine_strands(x, y, z, p["curl"], slanted)).clamp(min=0.2)
    albedo = _albedo(p, colours, hit, skin, locks)
    light = _light(p, rotation, hit, skin, style, key_colour, facing, open_sky, lit)
    colour = albedo * light

    toward = (hit.normal * halfway).sum(0).clamp(min=0)
    away = 1 + (hit.normal * hit.d).sum(0).clamp(-1, 0)
    wet = skin.gloss * (toward**22 * 0.55 + away**4 * 0.25) + skin.soft * toward**5 * 0.035
    colour = colour + (wet * ws * lit)[:, None] * key_colour[..., None]
    band = sheen(x, z, hit.normal, halfway) * locks**2 * (wh + 0.3 * ws * skin.hair)
    band = band * (1 - 0.6 * p["curl"]) * lit * (facing + 0.35).clamp(0, 1)
    tint = 0.35 * key_colour + 2.0 * hair / (0.25 + hair.mean(1, keepdim=True))
    colour = colour + band[:, None] * (0.7 * tint)[..., None] + (skin.glow * ws)[:, None]
    if not bool(p["character"].any()):
        return colour
    colour = _polished(p, hit, albedo, colour, toward, open_sky, key_colour)
    colour = colour + skin.albedo * (2.2 * skin.shine * ws)[:, None]
    ink = p["outlined"] * ((0.55 - (1 - away)) / 0.3).clamp(0, 1)
    return colour * (1 - 0.93 * ink)[:, None]


def _polished(
    p: Parameters, hit: Hit, albedo: Tensor, colour: Tensor, toward: Tensor, open_sky: Tensor, key_colour: Tensor
) -> Tensor:
    """The colours (N, 3, P) of points, those of metal replaced by what it mirrors: a bright sky, a dark ground."""
    ws, _, wc, wt = hit.share[:4]
    helmet = p["headgear: open helmet"] + p["headgear: crested helmet"] + p["headgear: visored helmet"]
    metal = ws * p["skin_finish: metal"] + wc * p["body: armour"] + wt * (helmet + p["headgear: crown"])
    if not bool(metal.any()):
        return colour
    mirrored = hit.d[1] - 2 * (hit.d * hit.normal).sum(0) * hit.normal[1]
    sky = 0.30 + 0.95 * torch.sigmoid(7 * (mirrored - 0.1)) + 0.25 * torch.sigmoid(-9 * (mirrored + 0.55))
    shown = albedo * (sky * (0.35 + 0.65 * open_sky))[:, None] * 1.25
    shown = shown + (0.8 * toward**40)[:, None] * key_colour[..., None]
    return colour + (0.75 * (shown - colour)) * metal[:, None]


@dataclass(frozen=True)
class _Style:
    """How strong (N, 1) key light, sky, rim light and shadows are; all 1 in a studio."""

    key: Tensor
    sky: Tensor
    rim: Tensor
    shadow: Tensor


def _style(p: Parameters) -> _Style:
    flat, even, rim = (p[f"light_style: {name}"] for name in ("flat", "even", "rim"))
    return _Style(
        key=1 - flat - 0.75 * even - 0.5 * rim,
        sky=1 + 1.5 * flat + 1.1 * even - 0.35 * rim,
        rim=1 - flat - 0.6 * even + 2.5 * rim,
        shadow=1 - 0.9 * flat - 0.4 * even,
    )


def _across(p: Parameters) -> Tensor:
    return (p["light_side"] - 0.5) * 2 * 1.05


def _warmth(p: Parameters) -> Tensor:
    return (p["light_warmth"] - 0.5) * 0.16


def _dot(n: Tensor, v: Tensor) -> Tensor:
    return n[0] * v[:, :1] + n[1] * v[:, 1:2] + n[2] * v[:, 2:]


def _light(
    p: Parameters,
    rotation: Tensor,
    hit: Hit,
    skin: Paint,
    style: _Style,
    key_colour: Tensor,
    facing: Tensor,
    open_sky: Tensor,
    lit: Tensor,
) -> Tensor:
    """Light (N, 3, P) that falls on the points."""
    warm = _warmth(p)
    sky = hue(p["background_hue"], 0.05, 1.0) * (0.34 + 0.24 * p["light_fill"]) * style.sky
    rim_colour = torch.cat([1 - warm, torch.ones_like(warm), 1 + warm], 1) * (0.15 + 0.5 * p["light_fill"]) * style.rim
    # The rim light stands behind the head, on the side that the key light leaves dark.
    round_back = torch.tanh(_across(p) * -3) * 2.2
    rim = torch.cat([round_back.sin() * 0.9, torch.full_like(warm, 0.35), round_back.cos() * 0.9], 1)
    rim = (F.normalize(rim, dim=1)[:, None] @ rotation)[:, 0]
    from_rim = (_dot(hit.normal, rim) + 0.05).clamp(min=0) * 0.7 * open_sky
    upwards = 0.72 + 0.28 * hit.normal[1]
    flat = p["light_style: flat"]
    upwards = torch.where(flat > 0, 0.85 + 0.06 * hit.normal[1], upwards)
    light = []
    for c, most in enumerate(_WRAPS):
        wrap = most * skin.soft
        key = ((facing + wrap) / (1 + wrap)).clamp(min=0) * lit ** (1 - 0.45 * wrap) * (0.4 + 0.6 * open_sky)
        ambient = upwards * open_sky ** (1 - wrap)
        one = slice(c, c + 1)
        light.append(key_colour[:, one] * key + sky[:, one] * ambient + rim_colour[:, one] * from_rim)
    return torch.stack(light, 1)


def _albedo(p: Parameters, colours: Colours, hit: Hit, skin: Paint, locks: Tensor) -> Tensor:
    """Colour (N, 3, P) of what is hit: a blend by its shares."""
    ws, wh, wc, wt, wb, wd = hit.share
    knit = 1 + 0.04 * torch.sin(70 * hit.points[1]) * (1 - p["geared"])
    out = skin.albedo * ws[:, None] + colours.hair[..., None] * (wh * locks)[:, None]
    if not bool(p["character"].any()):
        return out + colours.cloth[..., None] * wc[:, None] + colours.hat[..., None] * (wt * knit)[:, None]
    trim = colours.trim[..., None]
    cloth = lay(colours.cloth[..., None].expand_as(out), trim, _on_cloth(p, hit.points))
    hat = lay(colours.hat[..., None] * knit[:, None], trim, _on_hat(p, hit.points))
    return out + cloth * wc[:, None] + hat * wt[:, None] + colours.bone[..., None] * wb[:, None] + trim * wd[:, None]


def _on_hat(p: Parameters, points: Tensor) -> Tensor:
    """How much (N, P) of headgear has the colour of trimmings: bands, badges, jewels and dots."""
    x, y, z = points
    hats = p["headgear: pointed hat"] + p["headgear: brimmed hat"]
    up = y - p["rim"]
    band = hats * cover(up - 0.52, 0.03) * cover(0.68 - up, 0.03)
    badge = p["headgear: cap"] * cover(0.17 - (x * x + (y - 0.76) ** 2).sqrt(), 0.03) * cover(z, 0.1)
    dots = p["headgear: bandana"] * cover(torch.sin(17 * x) * torch.sin(17 * y + 1) - 0.45, 0.3)
    jewelled = 0.58 + p["rim"] + (0.44 - p["rim"]) * p["head_block"]
    jewels = p["headgear: crown"] * cover(0.055 - ((x.abs() % 0.36 - 0.18) ** 2 + (y - jewelled) ** 2).sqrt(), 0.02)
    rim = p["headgear: open helmet"] * cover(0.07 - (y - 0.36).abs(), 0.02)
    return (band + badge + dots + jewels + rim).clamp(0, 1)


def _on_cloth(p: Parameters, points: Tensor) -> Tensor:
    """How much (N, P) of the clothes has the colour of trimmings: a tunic's neckline and middle."""
    x, y, _ = points
    neckline = cover(0.62 - (0.8 * x * x + (y + 1.45) ** 2 + 1e-6).sqrt(), 0.03)
    return p["body: tunic"] * torch.maximum(neckline, cover(0.07 - x.abs(), 0.02))
