"""Skin: its colour by the Monk scale, blush, freckles and wrinkles, and the features painted on it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.coordinates import Parameters
from stylegan.portraits.features import Features, Place, paint_eyes, paint_mouth
from stylegan.portraits.hair import paint_brows, paint_whiskers
from stylegan.portraits.head import Shape
from stylegan.portraits.palette import bell, blend, colour, cover, lay, palette, to_linear
from stylegan.portraits.smooth import mix, soft_abs, waves

MONK_TONES = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a", "292420")


@dataclass(frozen=True)
class Paint:
    """Per point: `albedo` (N, 3, P) in linear light; `gloss` (N, P), strength of the highlight; `glow` (N, P), light
    added after shading (the eye's catchlight); `hair` (N, P) and `soft` (N, P), how much of it is hair and skin."""

    albedo: Tensor
    gloss: Tensor
    glow: Tensor
    hair: Tensor
    soft: Tensor

    def packed(self) -> Tensor:
        """All of it as (7, N, P)."""
        return torch.cat([self.albedo.transpose(0, 1), torch.stack([self.gloss, self.glow, self.hair, self.soft])])

    @staticmethod
    def of(packed: Tensor) -> Paint:
        """What `packed` gave, from (7, N, P)."""
        return Paint(packed[:3].transpose(0, 1), *packed[3:])


def tone_index(p: Parameters) -> Tensor:
    """Monk tone (N,) from 0 to 9."""
    return (p["tone"][:, 0] * 10).floor().long().clamp(0, 9)


def skin_colour(p: Parameters) -> Tensor:
    """Linear albedo (N, 3) of the Monk tone (Monk Skin Tone scale, Google 2022).

    The swatches are colours of skin in a picture, where a camera has exposed for the face; the darkest of them, taken
    as albedo under one light for all, would be charcoal. They are lifted and warmed towards what a portrait shows.
    A tone's middle has the colour of its swatch. From middle to middle the colour goes evenly, as the eye sees it:
    people are of all tones between, and a network can follow.
    """
    swatch = palette(MONK_TONES, p["tone"])
    dark = torch.exp(swatch.mean(dim=1, keepdim=True) / -0.06)
    warmth = torch.tensor([0.60, 0.04, -0.36], device=swatch.device)
    seen = (swatch * (1 + 3.4 * dark) * (1 + dark * warmth)) ** (1 / 2.2)
    last = len(MONK_TONES) - 1
    return to_linear(blend(seen, (p["tone"] * len(MONK_TONES) - 0.5) / last))


def paint(shape: Shape, x: Tensor, y: Tensor, z: Tensor, light: Tensor, edge: float) -> Paint:
    """Paint skin and what belongs to it at the points (x, y, z), each (N, P); `light` (N, 3) is the direction to the
    key light in head space and `edge` how soft the outlines of features are."""
    p, a = shape.p, shape.features
    at = Place(x, y, z, soft_abs(x), cover(z - 0.42, 0.12), edge)
    skin = skin_colour(p)
    dark = skin * colour(skin, 0.50, 0.36, 0.33)
    nose = bell(x, 0.11) * bell(y - a.nose_y, 0.1) * cover(z - 0.7, 0.2)
    albedo = _complexion(p, a, at, skin, dark, nose)
    albedo, whisk = paint_whiskers(p, a, at, albedo)
    albedo, wet = paint_mouth(p, a, at, albedo, skin, dark)
    nostril = bell(at.ax - a.nose_w * 0.58, 0.030) * bell(y - a.nose_y + 0.082, 0.016) * cover(z - 0.7, 0.05)
    albedo = lay(albedo, dark * 0.3, 0.85 * nostril)
    albedo = paint_brows(p, a, at, albedo)
    albedo, eye, glint = paint_eyes(p, a, at, albedo, dark, light)
    # What skin mirrors looks the stronger the less it scatters; a camera that exposes for the face evens that out.
    matt = 0.35 + 0.65 * (skin.mean(1, keepdim=True) / 0.35).clamp(max=1)
    gloss = (0.14 + 0.08 * nose + 0.25 * wet - 0.06 * eye - 0.12 * whisk) * matt
    return Paint(albedo, gloss.clamp(min=0), 1.1 * glint, whisk, 1 - eye.clamp(max=0.7))


def _complexion(p: Parameters, a: Features, at: Place, skin: Tensor, dark: Tensor, nose: Tensor) -> Tensor:
    """Skin (N, 3, P) with its blush, freckles, shaded sockets and wrinkles."""
    x, y, ax, front = at.x, at.y, at.ax, at.front
    n, count = x.shape
    base = colour(skin, 0.012, 0.007, 0.005) + skin * colour(skin, 0.95, 0.81, 0.73)
    albedo = base[..., None].expand(n, 3, count).contiguous()
    red = skin * colour(skin, 1.0, 0.62, 0.60)
    cheek = bell(ax - 0.38, 0.17) * bell(y + 0.33, 0.15) * front
    ear = cover(ax - 0.70, 0.08) * bell(y + 0.08, 0.3)
    albedo = lay(albedo, red, (0.34 * cheek + 0.28 * nose + 0.4 * ear).clamp(max=0.7))
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
