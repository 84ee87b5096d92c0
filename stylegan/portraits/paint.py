"""What is painted on the skin, eyes, lips, brows and beards, as smooth functions of head space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.anatomy import Anatomy, brow_curve, lid_curves, mouth_curves
from stylegan.portraits.coordinates import Parameters
from stylegan.portraits.palette import IRIS, bell, colour, cover, hair_colour, lay, pick, skin_colour
from stylegan.portraits.shape import Shape
from stylegan.portraits.smooth import locks, mix, soft_abs, waves


@dataclass(frozen=True)
class Paint:
    """Per point: `albedo` (N, 3, P) in linear light; `gloss` (N, P), strength of the highlight; `glow` (N, P), light
    added after shading (the eye's catchlight); `hair` (N, P) and `soft` (N, P), how much of it is hair and skin."""

    albedo: Tensor
    gloss: Tensor
    glow: Tensor
    hair: Tensor
    soft: Tensor


@dataclass(frozen=True)
class _Place:
    """The points (N, P) to be painted: `ax` is |x| made smooth at 0, `front` 1 on the face and 0 behind the ears, `w`
    the softest edge that a pixel can show."""

    x: Tensor
    y: Tensor
    z: Tensor
    ax: Tensor
    front: Tensor
    w: float


def paint(shape: Shape, x: Tensor, y: Tensor, z: Tensor, light: Tensor, pixel: float) -> Paint:
    """Paint skin and what belongs to it at the points (x, y, z), each (N, P); `light` (N, 3) is the direction to the
    key light in head space and `pixel` the size of a pixel there."""
    p, a = shape.p, shape.anatomy
    at = _Place(x, y, z, soft_abs(x), cover(z - 0.42, 0.12), max(pixel, 0.012))
    skin = skin_colour(p)
    dark = skin * colour(skin, 0.50, 0.36, 0.33)
    nose = bell(x, 0.11) * bell(y - a.nose_y, 0.1) * cover(z - 0.7, 0.2)
    albedo = _complexion(p, a, at, skin, dark, nose)
    albedo, whisk = _whiskers(p, a, at, albedo)
    albedo, wet = _mouth(p, a, at, albedo, skin, dark)
    nostril = bell(at.ax - a.nose_w * 0.58, 0.030) * bell(y - a.nose_y + 0.082, 0.016) * cover(z - 0.7, 0.05)
    albedo = lay(albedo, dark * 0.3, 0.85 * nostril)
    albedo = _brows(p, a, at, albedo)
    albedo, eye, glint = _eyes(p, a, at, albedo, dark, light)
    # What skin mirrors looks the stronger the less it scatters; a camera that exposes for the face evens that out.
    matt = 0.35 + 0.65 * (skin.mean(1, keepdim=True) / 0.35).clamp(max=1)
    gloss = (0.14 + 0.08 * nose + 0.25 * wet - 0.06 * eye - 0.12 * whisk) * matt
    return Paint(albedo, gloss.clamp(min=0), 1.1 * glint, whisk, 1 - eye.clamp(max=0.7))


def _complexion(p: Parameters, a: Anatomy, at: _Place, skin: Tensor, dark: Tensor, nose: Tensor) -> Tensor:
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


def _whiskers(p: Parameters, a: Anatomy, at: _Place, albedo: Tensor) -> tuple[Tensor, Tensor]:
    """Beard, moustache and stubble; also how much (N, P) of each point they cover."""
    x, y, z, ax = at.x, at.y, at.z, at.ax
    upper, _, _, lower = mouth_curves(a, x)
    beyond = (ax - a.mouth_half).clamp(min=0)
    jaw_line = -0.60 + 0.62 * ((0.42 - z) / 0.42).clamp(min=0)
    jaw = cover(jaw_line - y, 0.16) * cover(z, 0.08) * cover(y + 1.30, 0.2)
    lip = cover(a.nose_y - 0.135 - y, 0.05) * cover(y - lower, 0.1) * cover(a.mouth_half * 1.08 - ax, 0.09) * at.front
    clean = 1 - cover(torch.minimum(upper - y, y - lower) - beyond * 1.5 + 0.005, 0.04)
    grain = 1 + 0.25 * locks(2 * x, y, 2 * z)
    whisk = torch.maximum(jaw * p["beard_full"] * 0.97, lip * p["moustache_full"] * 0.95)
    shade = 0.38 * p["stubble_dark"] * torch.maximum(jaw, lip) * (1 - p["grey"] * 0.6)
    whisk = (torch.maximum(whisk, shade) * clean).clamp(0, 1)
    return lay(albedo, hair_colour(p)[..., None] * (0.95 * grain)[:, None], whisk), whisk


def _mouth(p: Parameters, a: Anatomy, at: _Place, albedo: Tensor, skin: Tensor, dark: Tensor) -> tuple[Tensor, Tensor]:
    """Lips, teeth and the line between the lips; also how much (N, P) of each point is moist lip."""
    x, y, ax, front, w = at.x, at.y, at.ax, at.front, at.w
    upper, inner_up, inner_low, lower = mouth_curves(a, x)
    beyond = (ax - a.mouth_half).clamp(min=0)
    lips = cover(torch.minimum(upper - y, y - lower) - beyond, w * 1.3) * front
    rouge = colour(skin, 0.42, 0.07, 0.09) * (0.25 + 1.1 * skin.mean(1, keepdim=True))
    natural = skin * colour(skin, 0.56, 0.22, 0.23) + colour(skin, 0.030, 0.003, 0.007)
    made_up = ((p["lip_colour"] - 0.45) / 0.55).clamp(0, 1) * (1 - p["male"]) * (1 - p["child"]) * 0.85
    albedo = lay(albedo, natural + (rouge - natural) * made_up, 0.92 * lips)
    inside = cover(torch.minimum(inner_up - y, y - inner_low) - 2 * beyond, w) * front * (a.gap / 0.02).clamp(max=1)
    albedo = lay(albedo, colour(skin, 0.055, 0.018, 0.018), inside)
    drop = a.gap * (0.62 + 0.3 * p["teeth"])
    biting = cover(y - (inner_up - drop), w) * inside * cover(a.mouth_half * 0.93 - ax, 0.08)
    gaps = 1 - 0.16 * bell(torch.sin(x * 36), 0.25)
    shaded = gaps * (1 - 0.5 * (ax / a.mouth_half) ** 2)
    albedo = lay(albedo, colour(skin, 0.74, 0.70, 0.64)[..., None] * shaded[:, None], biting * 0.95)
    seam = bell(y - (inner_up + inner_low) / 2, 0.011 + 0.35 * w) * cover(a.mouth_half * 1.04 - ax, 0.05) * front
    return lay(albedo, dark * 0.5, 0.75 * seam * (1 - inside)), lips * (1 - inside)


def _brows(p: Parameters, a: Anatomy, at: _Place, albedo: Tensor) -> Tensor:
    centre, s = brow_curve(p, a, at.ax)
    half = (0.021 + 0.025 * p["brow_thickness"] + 0.006 * p["male"]) * (1.1 - 0.6 * s.clamp(0, 1))
    brow = cover(half - (at.y - centre).abs(), at.w + 0.006) * cover(s, 0.14) * cover(1 - s, 0.2) * at.front
    grain = (1 + 0.1 * waves(3 * at.x, at.y, at.z)).clamp(max=1)
    return lay(albedo, hair_colour(p, 0.45) * 0.45, brow * (0.84 + 0.13 * p["brow_thickness"]) * grain)


def _eyes(
    p: Parameters, a: Anatomy, at: _Place, albedo: Tensor, dark: Tensor, light: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Eyeballs, lashes and lids; also how much (N, P) of each point is eyeball, and its catchlight (N, P)."""
    y, ax, front, w = at.y, at.ax, at.front, at.w
    ux, side = ax - a.eye_x, at.x / ax
    up, low = lid_curves(a, ux)
    out = (ux.abs() - a.eye_half).clamp(min=0)
    eye = cover(torch.minimum(up - y, y - low) - out, w) * front
    size = 0.056 + 0.12 * (a.eye_half - 0.122)
    gx, gy = 0.032 * (2 * p["gaze_x"] - 1), 0.008 + 0.014 * (2 * p["gaze_y"] - 1)
    dx, dy = ux * side - gx, y - gy
    r = (dx * dx + dy * dy + 1e-6).sqrt()
    # Less light is thrown back into the eye by darker skin around it.
    white = colour(y, 0.46, 0.43, 0.40) * (0.6 + 0.4 * (dark.mean(1, keepdim=True) / 0.12).clamp(max=1))
    ball = white[..., None].expand(-1, 3, y.shape[1])
    pink = 0.6 * bell(ux + a.eye_half * 0.98, 0.035) + 0.3 * (ux / a.eye_half).abs().clamp(max=1) ** 3
    ball = lay(ball, colour(y, 0.42, 0.22, 0.19), pink)
    iris = pick(IRIS, p["iris_hue"] ** 1.6) * (0.35 + 0.45 * p["iris_shade"])
    ring = 0.4 + 0.8 * bell(r - 0.6 * size, 0.42 * size) - 0.9 * cover(r - 0.84 * size, 0.02)
    ball = lay(ball, iris[..., None] * ring[:, None].clamp(min=0.15), cover(size - r, w * 1.2))
    ball = lay(ball, colour(y, 0.004, 0.004, 0.004), cover(0.44 * size - r, w))
    # The upper lid and its lashes throw a shadow on the ball.
    ball = ball * (1 - 0.6 * torch.exp((y - up).clamp(max=0) / 0.028))[:, None]
    albedo = lay(albedo, ball, eye)
    along = ux / a.eye_half
    black = colour(y, 0.012, 0.008, 0.007)
    lash = bell(y - up - 0.004, 0.016 + 0.3 * w) * cover(1.10 - along.abs(), 0.2) * front
    albedo = lay(albedo, black, (lash * (1 + 0.2 * along.clamp(-1, 1)) * (1.0 - 0.2 * p["male"])).clamp(0, 1))
    under = bell(y - low + 0.002, 0.009 + 0.3 * w) * cover(1.02 - along.abs(), 0.2) * front
    albedo = lay(albedo, dark * 0.35, (0.55 + 0.2 * along.clamp(-1, 1)) * under)
    crease = bell(y - up - 0.032 - 0.014 * p["eye_lid"], 0.011 + 0.3 * w) * cover(1.2 - along.abs(), 0.5)
    albedo = lay(albedo, dark * 0.8, 0.5 * crease * front)
    hx, hy = gx + 0.024 * light[:, :1], gy + 0.026 * light[:, 1:2]
    glint = bell(((ux * side - hx) ** 2 + (y - hy) ** 2).sqrt(), 0.3 * w + 0.006) * eye
    return albedo, eye, glint
