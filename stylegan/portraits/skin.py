"""Skin: blush, freckles and wrinkles, the features painted on it, and what characters have instead."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.colours import Colours
from stylegan.portraits.detail import pores
from stylegan.portraits.features import Features, Place, paint_eyes, paint_mouth
from stylegan.portraits.hair import paint_brows, paint_whiskers
from stylegan.portraits.palette import bell, colour, cover, lay
from stylegan.portraits.smooth import Parameters, locks, mix, soft_abs, waves


@dataclass(frozen=True)
class Paint:
    """Paint per point: `albedo` (N, 3, P) in linear light; `gloss` (N, P), strength of the highlight; `glow` (N, P),
    light added after shading (the eye's catchlight); `hair` (N, P) and `soft` (N, P), how much of it is hair and skin;
    `shine` (N, P), how much of the albedo shines by itself; `bare` (N, P), how much of it is neither eye nor mouth nor
    hidden."""

    albedo: Tensor
    gloss: Tensor
    glow: Tensor
    hair: Tensor
    soft: Tensor
    shine: Tensor
    bare: Tensor

    def packed(self) -> Tensor:
        """All of it as (9, N, P)."""
        rest = torch.stack([self.gloss, self.glow, self.hair, self.soft, self.shine, self.bare])
        return torch.cat([self.albedo.transpose(0, 1), rest])

    @staticmethod
    def of(packed: Tensor) -> Paint:
        """What `packed` gave, from (9, N, P)."""
        return Paint(packed[:3].transpose(0, 1), *packed[3:])


def paint(
    p: Parameters, a: Features, colours: Colours, points: Tensor, light: Tensor, edge: Tensor, pixel: Tensor
) -> Paint:
    """Paint skin and what belongs to it at points (3, N, P) of heads with parameters `p` and features `a`.

    `light` (N, 3) is the direction to the key light in head space, `edge` (N, 1) how soft the outlines of features are,
    `pixel` (N, 1) the size of a pixel.
    """
    x, y, z = points
    at = Place(x, y, z, soft_abs(x), cover(z - 0.42, 0.12), edge, pixel)
    skin = colours.skin
    dark = skin * tinted(colours, 0.50, 0.36, 0.33)
    nose = bell(x, 0.11) * bell(y - a.nose_y, 0.1) * cover(z - 0.7, 0.2)
    albedo = _complexion(p, a, colours, at, dark, nose)
    albedo = _finish(p, at, albedo)
    rough = pores(x, y, z, pixel)
    albedo = albedo * (1 + 0.10 * rough)[:, None]
    albedo, whisk = paint_whiskers(p, a, colours, at, albedo)
    albedo, wet, mouth = paint_mouth(p, a, colours, at, albedo, dark)
    nostril = bell(at.ax - a.nose_w * 0.58, 0.030) * bell(y - a.nose_y + 0.082, 0.016) * cover(z - 0.7, 0.05)
    albedo = lay(albedo, dark * 0.3, 0.85 * nostril * p["nose"].clamp(max=1))
    albedo = _snout(p, a, at, albedo)
    albedo = paint_brows(p, a, colours, at, albedo)
    albedo = _marks(p, a, colours, at, albedo)
    albedo, eye, (glint, shine) = paint_eyes(p, a, colours, at, albedo, dark, light)
    albedo, worn = _patches(p, a, colours, at, albedo)
    # What skin mirrors looks the stronger the less it scatters; a camera that exposes for the face evens that out.
    matt = 0.35 + 0.65 * (skin.mean(1, keepdim=True) / 0.35).clamp(max=1)
    # Lips, eyes and what whiskers cover have no pores.
    rough = rough * (1 - torch.maximum(torch.maximum(wet, eye), whisk).clamp(max=1))
    gloss = (0.14 + 0.08 * nose + 0.25 * wet - 0.06 * eye - 0.12 * whisk) * matt * (1 + 0.7 * rough)
    hard = p["skin_finish: metal"] + p["skin_finish: stone"] + p["skin_finish: cloth"] + p["skin_finish: fur"]
    soft = (1 - eye.clamp(max=0.7)) * (1 - hard)
    bare = 1 - worn
    shine = (shine * bare).clamp(min=0) + 0.12 * p["skin_finish: ghost"]
    plain = bare * (1 - torch.maximum(eye, mouth).clamp(0, 1))
    return Paint(albedo, gloss.clamp(min=0) * bare, glint * bare, whisk, soft, shine, plain)


def tinted(colours: Colours, red: float, green: float, blue: float) -> Tensor:
    """What multiplies skin (N, 3): a warm colour for human skin, a grey one for another."""
    warm = colour(colours.skin, red, green, blue)
    grey = (red + green + blue) / 3
    return torch.where(colours.natural < 1, grey + (warm - grey) * colours.natural, warm)


def _finish(p: Parameters, at: Place, albedo: Tensor) -> Tensor:
    """The grain (N, 3, P) of stone, fur and cloth."""
    stone, fur, cloth = (p[f"skin_finish: {name}"] for name in ("stone", "fur", "cloth"))
    if not bool((stone + fur + cloth).any()):
        return albedo
    x, y, z = at.x, at.y, at.z
    grain = 1 + stone * (0.22 * waves(1.3 * x, 1.3 * y, 1.3 * z) + 0.12 * waves(3.7 * x, 3.7 * y, 3.7 * z))
    grain = (
        grain
        + fur * (0.10 * locks(3 * x, 4 * y, 3 * z) + 0.14 * waves(2.9 * x, 1.6 * y, 2.9 * z))
        + cloth * (0.16 * torch.sin(45 * x) * torch.sin(45 * y) - 0.1)
    )
    return albedo * grain.clamp(0.3, 1.6)[:, None]


def _snout(p: Parameters, a: Features, at: Place, albedo: Tensor) -> Tensor:
    """The dark tip of a muzzle, and the hole where a skull has no nose."""
    hole = p["eye_style: hollow"] * (1 - p["nose"]).clamp(0, 1)
    if not bool((p["muzzle"] + hole).any()):
        return albedo
    tip = cover(0.15 - ((at.x / 1.2) ** 2 + (1.5 * (at.y - a.nose_y + 0.06)) ** 2).sqrt(), 0.03) * cover(
        at.z - 0.9, 0.1
    )
    wide = 0.09 * (a.nose_y + 0.14 - at.y) / 0.22
    pit = cover(torch.minimum(wide - at.ax, at.y - a.nose_y + 0.10), 0.02) * at.front
    black = colour(at.y, 0.012, 0.010, 0.010)
    return lay(albedo, black, (tip * p["muzzle"]).clamp(0, 1) + (pit * hole).clamp(0, 1))


def _marks(p: Parameters, a: Features, colours: Colours, at: Place, albedo: Tensor) -> Tensor:
    """War paint and a mask around the eyes, in the colour of trimmings."""
    stripes, band, mask = p["marks: stripes"], p["marks: band"], p["eyewear: mask"]
    if not bool((stripes + band + mask).any()):
        return albedo
    y, ax = at.y, at.ax
    slanted = torch.sin(34 * (y + 0.5 * ax)) * cover(ax - 0.22, 0.06) * cover(-0.10 - y, 0.05) * cover(y + 0.62, 0.05)
    alpha = stripes * cover(slanted - 0.15, 0.3) + band * cover(0.055 - (y + 0.22).abs(), at.w)
    round_eyes = 0.20 - ((0.9 * (ax - a.eye_x)) ** 2 + (y - 0.01) ** 2 + 1e-6).sqrt()
    bridge = torch.minimum(0.085 - (y - 0.02).abs(), 0.66 - ax)
    alpha = torch.maximum(alpha, mask * cover(torch.maximum(round_eyes, bridge), at.w))
    return lay(albedo, colours.trim, 0.95 * alpha * at.front)


def _patches(p: Parameters, a: Features, colours: Colours, at: Place, albedo: Tensor) -> tuple[Tensor, Tensor]:
    """Eye patches, dark glasses, visors and scarves before the face; also how much (N, P) of each point they hide."""
    side, scarf = p["eyewear: right patch"] - p["eyewear: left patch"], p["eyewear: scarf"]
    shades, visor = p["eyewear: shades"], p["eyewear: visor"]
    if not bool((side.abs() + scarf + shades + visor).any()):
        return albedo, torch.zeros_like(at.x)
    x, y = at.x * side, at.y
    round_eye = 0.175 - ((x - a.eye_x) ** 2 + (1.1 * (y - 0.01)) ** 2 + 1e-6).sqrt()
    strap = 0.022 - (y - 0.10 - 0.42 * (a.eye_x - x)).abs()
    patch = cover(torch.maximum(round_eye, strap), at.w) * side.abs() * cover(at.z - 0.1, 0.2)
    below = cover(a.nose_y + 0.20 - 0.12 * at.ax - y, at.w) * scarf * cover(at.z + 0.25, 0.1)
    black = colour(y, 0.012, 0.011, 0.012)
    albedo = lay(lay(albedo, black, patch), colours.trim, below * cover(y + 1.25, 0.05))
    # Dark glasses of two rounded squares and a bridge; a visor from ear to ear.
    lens = 0.235 - (((at.ax - a.eye_x - 0.02) / 1.1) ** 4 + (1.2 * (y + 0.02)) ** 4 + 1e-8) ** 0.25
    bridge = torch.minimum(0.04 - (y - 0.08).abs(), 0.70 - at.ax)
    dark = shades * cover(torch.maximum(lens, bridge), at.w) * at.front
    band = visor * cover(0.20 + 0.15 * a.eye_half - (y - 0.02).abs(), at.w) * cover(at.z - 0.05, 0.1)
    albedo = lay(lay(albedo, black, dark), colours.trim, band)
    return albedo, torch.maximum(torch.maximum(patch, below), torch.maximum(dark, band))


def _complexion(p: Parameters, a: Features, colours: Colours, at: Place, dark: Tensor, nose: Tensor) -> Tensor:
    """Skin (N, 3, P) with its blush, freckles, shaded sockets and wrinkles."""
    x, y, ax, front = at.x, at.y, at.ax, at.front
    n, count = x.shape
    skin, natural = colours.skin, colours.natural
    base = colour(skin, 0.012, 0.007, 0.005) + skin * tinted(colours, 0.95, 0.81, 0.73)
    albedo = base[..., None].expand(n, 3, count).contiguous()
    red = skin * colour(skin, 1.0, 0.62, 0.60)
    cheek = bell(ax - 0.38, 0.17) * bell(y + 0.33, 0.15) * front
    ear = cover(ax - 0.70, 0.08) * bell(y + 0.08, 0.3)
    albedo = lay(albedo, red, ((0.34 * cheek + 0.28 * nose + 0.4 * ear) * natural).clamp(max=0.7))
    speck = (waves(2.3 * x + 1, 2.3 * y, 2.3 * at.z) - 0.45).clamp(0, 0.5) * 2
    freckled = ((p["freckles"] - 0.7) / 0.3).clamp(0, 1)
    albedo = lay(albedo, dark, 0.35 * freckled * speck * bell(y + 0.22, 0.2) * front)
    socket = bell(ax - a.eye_x - 0.02, 0.17) * bell(y - 0.03, 0.10)
    albedo = lay(albedo, dark, (0.24 + 0.18 * p["old"]) * socket * front)

    old = p["old"]
    # From the wing of the nose outwards past the corner of the mouth.
    down = (a.nose_y + 0.02 - y) / (a.nose_y - a.mouth_y + 0.08)
    fold = (
        bell(ax - mix(a.nose_w + 0.045, a.mouth_half + 0.075, down), 0.024)
        * cover(down - 0.1, 0.3)
        * cover(1 - down, 0.3)
    )
    bag = bell(y + 0.125 + 0.02 * old - 1.5 * (ax - a.eye_x) ** 2, 0.02) * bell(ax - a.eye_x, 0.13)
    lines = bell(torch.sin(28 * (y + 0.12 * x * x)), 0.35) * bell(y - 0.47, 0.15) * bell(ax, 0.4)
    crow = bell(torch.sin(45 * (y + 0.4 * (ax - 0.5))), 0.4) * bell(ax - 0.52, 0.05) * bell(y + 0.01, 0.07)
    wrinkle = (0.08 + 0.45 * old + 0.28 * p["happy"]) * (1 - 0.6 * p["child"]) * fold + (0.12 + 0.45 * old) * bag
    wrinkle = wrinkle + 0.36 * old * lines + (0.35 * old + 0.1 * p["happy"]) * crow
    return lay(albedo, dark, (wrinkle * front).clamp(max=0.8))
