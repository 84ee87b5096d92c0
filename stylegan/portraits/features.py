"""Eyes, nose, mouth and brows: where they sit, the curves that outline them, and how eyes and mouths are painted.

Geometry, paint and landmarks share these, so that they cannot disagree. Units are those of `stylegan.portraits.head`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.colours import Colours
from stylegan.portraits.detail import bristles, fibres, lip_lines
from stylegan.portraits.palette import bell, colour, cover, lay
from stylegan.portraits.smooth import Parameters, centred, mix

# |x| where a brow begins, and how far outwards it goes.
BROW_START, BROW_LENGTH = 0.085, 0.385


@dataclass(frozen=True)
class Features:
    """Places on one batch of heads that geometry, paint and landmarks share; each (N, 1)."""

    eye_x: Tensor
    eye_z: Tensor
    eye_half: Tensor
    lid_up: Tensor
    lid_low: Tensor
    tilt: Tensor
    nose_y: Tensor
    nose_w: Tensor
    tip_y: Tensor
    mouth_y: Tensor
    mouth_half: Tensor
    mouth_lift: Tensor
    lip_up: Tensor
    lip_low: Tensor
    gap: Tensor
    brow_y: Tensor
    chin_y: Tensor


@dataclass(frozen=True)
class Place:
    """The points (N, P) to be painted: `ax` is |x| made smooth at 0, `front` 1 on the face and 0 behind the ears, `w`
    (N, 1) how soft the edges of paint are and `pixel` (N, 1) the size of a pixel."""

    x: Tensor
    y: Tensor
    z: Tensor
    ax: Tensor
    front: Tensor
    w: Tensor
    pixel: Tensor


def features(p: Parameters) -> Features:
    """Place eyes, nose, mouth and brows of the heads with parameters `p`."""
    child, old, happy, male = p["child"], p["old"], p["happy"], p["male"]
    size = 1 + 0.10 * centred(p["eye_size"]) + 0.13 * child
    opening = mix(0.62, 1.12, p["eye_open"]) * (1 - 0.2 * p["teeth"] * happy) * (1 - 0.12 * old) * (1 - 0.08 * male)
    lid = mix(0.85, 1.1, p["eye_lid"])
    big, hollow = p["big_eyes"], p["eye_style: hollow"]
    wide = torch.maximum(torch.maximum(p["eye_style: dots"], hollow), 0.7 * big)
    size = size * (1 + 1.1 * big + 0.25 * hollow)
    tall = 1 + 0.8 * p["tall_eyes"]
    nose_y = -0.34 - 0.032 * centred(p["nose_length"]) + 0.07 * child - 0.03 * old
    mouth_y = nose_y - 0.275 - 0.015 * male + 0.025 * child
    lips = (1 - 0.25 * old) * (1 - 0.1 * p["teeth"]) * (1 - 0.15 * male)
    return Features(
        eye_x=0.270 + 0.018 * centred(p["eye_spacing"]) + 0.08 * big + 0.07 * p["wide_eyes"],
        eye_z=0.615 + 0 * child,
        eye_half=0.112 * size,
        lid_up=mix(0.060 * opening * lid, 0.085, wide) * size * (1 + 0.25 * big) * tall,
        lid_low=mix(0.038 * (0.45 + 0.55 * opening) * (1 - 0.25 * happy * p["teeth"]), 0.085, wide)
        * size
        * (1 + 0.6 * big)
        * tall,
        tilt=0.12 * centred(p["eye_tilt"]) + 0.05 * (1 - male) - 0.08 * old,
        nose_y=nose_y,
        nose_w=0.105 + 0.032 * centred(p["nose_width"]) + 0.012 * male - 0.018 * child + 0.012 * happy,
        tip_y=nose_y + 0.03 + 0.045 * centred(p["nose_tip"]) + 0.02 * child,
        mouth_y=mouth_y,
        mouth_half=0.220 + 0.028 * centred(p["mouth_width"]) + 0.06 * happy - 0.022 * child + 0.22 * p["wide_mouth"],
        mouth_lift=0.075 * happy - 0.035 * p["sad"],
        lip_up=(0.070 + 0.026 * centred(p["lip_upper"])) * lips,
        lip_low=(0.086 + 0.028 * centred(p["lip_lower"])) * lips,
        gap=p["open"] * (1 - 0.3 * child) + 0.2 * p["gaping"],
        brow_y=0.205 + 0.016 * centred(p["brow_height"]) + 0.032 * (p["brow_raise"] - 0.4) - 0.02 * male + 0.07 * big,
        chin_y=-1.03
        - 0.055 * centred(p["chin_length"])
        - 0.03 * male
        + 0.10 * child
        - (0.4 * p["open"] + 0.06 * p["gaping"]) * (1 - p["round"]),
    )


def lid_curves(a: Features, ux: Tensor) -> tuple[Tensor, Tensor]:
    """Heights (N, P) of the upper and lower lid at the distance `ux` outwards from the eye's centre."""
    e = ux / a.eye_half
    arc = (1 - e * e).clamp(min=0)
    slope = a.tilt * ux
    return slope + a.lid_up * arc.clamp(min=1e-5) ** 0.7 * (1 - 0.12 * e), slope - a.lid_low * arc * (1 + 0.15 * e)


def mouth_curves(a: Features, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Heights (N, P) of the lips at x: upper outer, upper inner, lower inner, lower outer edge."""
    m = x / a.mouth_half
    arc = (1 - m * m).clamp(min=0)
    line = a.mouth_y + a.mouth_lift * m * m
    # A mouth opens mostly downwards, with the jaw.
    above, below = 0.25 * a.gap * arc, 0.75 * a.gap * arc
    bow = 1 - 0.22 * torch.exp(-((m / 0.16) ** 2)) - 0.1 * m.abs()
    upper = line + above + a.lip_up * bow * 1.1 * arc.clamp(min=1e-5) ** 0.8
    lower = line - below - a.lip_low * arc
    return upper, line + above, line - below, lower


def brow_curve(p: Parameters, a: Features, ax: Tensor) -> tuple[Tensor, Tensor]:
    """Height of the brow's centre line at |x| and the place along it (0 inner, 1 outer end)."""
    s = (ax - BROW_START) / BROW_LENGTH
    arch = 0.042 + 0.038 * p["brow_arch"]
    worry = 0.04 * (p["sad"] - 0.6 * (1 - p["brow_raise"]))
    return a.brow_y + arch * (1 - 3.2 * (s - 0.5) ** 2) - 0.09 * (s - 0.55).clamp(min=0) - 0.026 - worry * (s - 0.5), s


def paint_mouth(
    p: Parameters, a: Features, colours: Colours, at: Place, albedo: Tensor, dark: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Lips, teeth and the line between the lips; also how much (N, P) of each point is moist lip, and mouth at all."""
    x, y, ax, front, w = at.x, at.y, at.ax, at.front, at.w
    upper, inner_up, inner_low, lower = mouth_curves(a, x)
    beyond = (ax - a.mouth_half).clamp(min=0)
    lips = cover(torch.minimum(upper - y, y - lower) - beyond, w * 1.3) * front
    skin, natural = colours.skin, colours.natural
    rouge = colour(skin, 0.42, 0.07, 0.09) * (0.25 + 1.1 * skin.mean(1, keepdim=True))
    lip = skin * colour(skin, 0.56, 0.22, 0.23) + colour(skin, 0.030, 0.003, 0.007)
    lip = torch.where(natural < 1, skin * 0.45 + (lip - skin * 0.45) * natural, lip)
    lip = lip * (1 - 0.85 * p["inked_lips"])
    made_up = ((p["lip_colour"] - 0.45) / 0.55).clamp(0, 1) * (1 - p["male"]) * (1 - p["child"]) * 0.85
    albedo = lay(albedo, lip + (rouge - lip) * made_up, 0.92 * lips)
    inside = cover(torch.minimum(inner_up - y, y - inner_low) - 2 * beyond, w) * front * (a.gap / 0.02).clamp(max=1)
    albedo = lay(albedo, colour(skin, 0.055, 0.018, 0.018), inside)
    drop = a.gap * (0.62 + 0.3 * p["teeth"])
    biting = cover(y - (inner_up - drop), w) * inside * cover(a.mouth_half * 0.93 - ax, 0.08)
    gaps = 1 - 0.16 * bell(torch.sin(x * 36), 0.25)
    shaded = gaps * (1 - 0.5 * (ax / a.mouth_half) ** 2)
    albedo = lay(albedo, colour(skin, 0.74, 0.70, 0.64)[..., None] * shaded[:, None], biting * 0.95)
    seam = bell(y - (inner_up + inner_low) / 2, 0.011 + 0.35 * w) * cover(a.mouth_half * 1.04 - ax, 0.05) * front
    lined = 1 + 0.10 * lip_lines(x, y, at.pixel) * lips * (1 - inside)
    albedo = lay(albedo, dark * 0.5, 0.75 * seam * (1 - inside)) * lined[:, None]
    return albedo, lips * (1 - inside), torch.maximum(lips, inside)


def paint_eyes(
    p: Parameters, a: Features, colours: Colours, at: Place, albedo: Tensor, dark: Tensor, light: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Eyeballs, lashes and lids; also how much (N, P) of each point is eyeball, and (2, N, P) the catchlight there and
    how much it glows in the iris's colour."""
    y, ax, front, w = at.y, at.ax, at.front, at.w
    ux, side = ax - a.eye_x, at.x / ax
    up, low = lid_curves(a, ux)
    out = (ux.abs() - a.eye_half).clamp(min=0)
    eye = cover(torch.minimum(up - y, y - low) - out, w) * front
    size = (0.056 + 0.12 * (a.eye_half - 0.122)) * (1 + 0.35 * p["big_eyes"])
    gx, gy = 0.032 * (2 * p["gaze_x"] - 1), 0.008 + 0.014 * (2 * p["gaze_y"] - 1)
    dx, dy = ux * side - gx, y - gy
    r = (dx * dx + dy * dy + 1e-6).sqrt()
    # Less light is thrown back into the eye by darker skin around it.
    white = colour(y, 0.46, 0.43, 0.40) * (0.6 + 0.4 * (dark.mean(1, keepdim=True) / 0.12).clamp(max=1))
    white = white + (colour(y, 0.85, 0.84, 0.82) - white) * p["big_eyes"]
    ball = white[..., None].expand(-1, 3, y.shape[1])
    pink = 0.6 * bell(ux + a.eye_half * 0.98, 0.035) + 0.3 * (ux / a.eye_half).abs().clamp(max=1) ** 3
    ball = lay(ball, colour(y, 0.42, 0.22, 0.19), pink)
    ring = 0.4 + 0.8 * bell(r - 0.6 * size, 0.42 * size) - 0.9 * cover(r - 0.84 * size, 0.02)
    ring = ring.clamp(min=0.15) * (1 + 0.35 * fibres(dx, dy, at.pixel))
    ball = lay(ball, colours.iris[..., None] * ring[:, None], cover(size - r, w * 1.2))
    slit = p["eye_style: slit"]
    pupil = torch.where(slit > 0, ((dx / 0.28) ** 2 + (dy / 1.25) ** 2 + 1e-6).sqrt(), r)
    ball = lay(ball, colour(y, 0.004, 0.004, 0.004), cover(mix(0.44, 0.72, slit) * size - pupil, w))
    # The upper lid and its lashes throw a shadow on the ball.
    ball = ball * (1 - 0.6 * torch.exp((y - up).clamp(max=0) / 0.028))[:, None]
    drawn = p["eye_style: hearts"] + p["eye_style: arcs"]
    human = 1 - p["eye_style: plain"] - p["eye_style: glowing"] - p["eye_style: hollow"] - p["eye_style: dots"]
    shine = 0 * r
    if not bool((human > 0).all()):
        black = p["eye_style: hollow"] + p["eye_style: dots"]
        plain = colours.iris * (1 - black) + 0.006 * black
        ball = torch.where((human > 0)[..., None], ball, plain[..., None])
        shine = p["eye_style: glowing"] + 0.8 * p["eye_style: hollow"] * bell(r, 0.030)
    # Dots and holes have no lids. Hearts and arcs are painted on the skin, where no eye is.
    oval = p["eye_style: dots"] + p["eye_style: hollow"]
    if bool(oval.any()):
        high = (a.lid_up + a.lid_low) / 2
        inside = 1 - ((ux / a.eye_half) ** 2 + ((y - (a.lid_up - a.lid_low) / 2) / high) ** 2 + 1e-6).sqrt()
        eye = torch.where(oval > 0, cover(inside * torch.minimum(a.eye_half, high), w) * front, eye)
    drawn = drawn + oval
    eye = eye * (1 - drawn + oval)
    albedo = lay(albedo, ball, eye)
    along = ux / a.eye_half
    black = colour(y, 0.012, 0.008, 0.007)
    lash = bell(y - up - 0.004, 0.016 + 0.3 * w) * cover(1.10 - along.abs(), 0.2) * front
    lash = (lash * (1 + 0.2 * along.clamp(-1, 1)) * (1.0 - 0.2 * p["male"])).clamp(0, 1) * (1 - drawn)
    albedo = lay(albedo, black, (lash * (1 + 0.3 * bristles(2 * at.x, y, -along * side, at.pixel))).clamp(0, 1))
    under = bell(y - low + 0.002, 0.009 + 0.3 * w) * cover(1.02 - along.abs(), 0.2) * front
    albedo = lay(albedo, dark * 0.35, (0.55 + 0.2 * along.clamp(-1, 1)) * under * (1 - drawn))
    crease = bell(y - up - 0.032 - 0.014 * p["eye_lid"], 0.011 + 0.3 * w) * cover(1.2 - along.abs(), 0.5)
    albedo = lay(albedo, dark * 0.8, 0.5 * crease * front * (1 - drawn))
    if bool(drawn.any()):
        albedo = _drawn_eyes(p, a, colours, at, albedo)
    hx, hy = gx + 0.024 * light[:, :1], gy + 0.026 * light[:, 1:2]
    glint = bell(((ux * side - hx) ** 2 + (y - hy) ** 2).sqrt(), 0.3 * w + 0.006) * eye
    return albedo, eye, torch.stack((1.1 * glint * (1 - p["eye_style: hollow"]), shine * eye))


def _drawn_eyes(p: Parameters, a: Features, colours: Colours, at: Place, albedo: Tensor) -> Tensor:
    """Eyes shut in laughter, and hearts in the iris's colour."""
    u, v = (at.ax - a.eye_x) / a.eye_half, at.y / a.eye_half
    arc = 0.30 - (((u * u + (v + 0.25) ** 2 + 1e-6).sqrt() - 0.95).abs() + 2 * (-0.25 - v).clamp(min=0))
    black = colour(at.y, 0.012, 0.008, 0.007)
    albedo = lay(albedo, black, p["eye_style: arcs"] * cover(arc * a.eye_half, at.w) * at.front)
    # The upper edge of a heart follows |u|.
    heart = 1.35 - ((1.15 * u) ** 2 + (1.25 * (v + 0.1) - 0.75 * (u * u + 0.01).sqrt()) ** 2 + 1e-6).sqrt()
    return lay(albedo, colours.iris, p["eye_style: hearts"] * cover(heart * a.eye_half, at.w) * at.front)
