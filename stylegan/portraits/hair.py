"""Hair: its colour, where it grows, its locks and their sheen, brows and whiskers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.colours import Colours
from stylegan.portraits.detail import bristles
from stylegan.portraits.features import Features, Place, brow_curve, mouth_curves
from stylegan.portraits.palette import cover, lay
from stylegan.portraits.smooth import Parameters, centred, locks, mix, soft_min, waves


@dataclass(frozen=True)
class Hairline:
    """What decides where hair ends, each (N, 1): depth `z` of the edge below and above the ears, where the parting is,
    how far the fringe is combed across and down, how wide and high the forehead is free, and how rough the hair is."""

    edge_low: Tensor
    edge_rise: Tensor
    part: Tensor
    depth: Tensor
    centre: Tensor
    width: Tensor
    tall: Tensor
    peak: Tensor
    slant: Tensor
    nape: Tensor
    curls: Tensor
    strands: Tensor


def hairline(p: Parameters) -> Hairline:
    """The hairlines of the heads with parameters `p`."""
    long = ((p["length"] - 0.12) / 0.4).clamp(0, 1)
    edge_low = -0.17 + 0.42 * long
    fringe = ((p["hair_fringe"] - 0.45) / 0.55).clamp(0, 1) * (p["length"] * 4).clamp(0, 1)
    side = centred(p["hair_part"])
    return Hairline(
        edge_low=edge_low,
        edge_rise=0.36 - 0.55 * p["recede"] + 0.02 * long - edge_low,
        part=0.28 * side,
        depth=0.05 * long.sqrt(),
        centre=0.30 * side * fringe,
        width=0.64 + 0.1 * p["recede"],
        tall=0.80 - 0.36 * fringe + 0.7 * p["recede"] + 0.04 * p["child"],
        peak=0.16 * (1 - fringe),
        slant=0.10 * side * fringe,
        nape=mix(-0.5, -3.0, long),
        curls=0.004 + 0.036 * p["curl"],
        strands=0.013 * (1 - p["curl"]) * p["length"].sqrt(),
    )


def trim(line: Hairline, volume: Tensor, x: Tensor, y: Tensor, z: Tensor, ax: Tensor, fine: bool) -> Tensor:
    """Signed distances (N, P) to the hair, from those to its whole `volume`; `ax` is |x|, smooth at 0."""
    edge = line.edge_low + line.edge_rise * torch.sigmoid((y - 0.02) * 9) + (ax - 0.64).clamp_(min=-0.9)
    off = (x - line.part) ** 2
    tall = line.tall + line.peak * (off * (-1 / 0.16**2)).clamp_(min=-30).exp_()
    back = z - edge
    if fine:
        strand = locks(x, y, z)
        tall = tall + 0.02 * strand
        back = back + 0.02 * strand
        parting = (off * (-1 / 0.05**2)).clamp_(min=-30).exp_() * ((y - 0.3) * 4).clamp_(0, 1)
        volume = volume + waves(1.5 * x, 1.5 * y, 1.5 * z) * line.curls + strand * line.strands + parting * line.depth
    across = (x - line.centre).abs_().div_(line.width)
    up = (y + 0.06 - line.slant * x).clamp_(min=0).div_(tall)
    window = (1 - (across**2.4 + up * up + 1e-6).sqrt_()) * tall
    mask = soft_min(back, window + 0.1 * (z - 0.7), 0.12)
    mask = torch.maximum(mask, line.nape - y)
    return -soft_min(-volume, mask * -0.8, 0.07)


def paint_whiskers(p: Parameters, a: Features, colours: Colours, at: Place, albedo: Tensor) -> tuple[Tensor, Tensor]:
    """Beard, moustache and stubble; also how much (N, P) of each point they cover."""
    x, y, z, ax = at.x, at.y, at.z, at.ax
    upper, _, _, lower = mouth_curves(a, x)
    beyond = (ax - a.mouth_half).clamp(min=0)
    jaw_line = -0.60 + 0.62 * ((0.42 - z) / 0.42).clamp(min=0)
    jaw = cover(jaw_line - y, 0.16) * cover(z, 0.08) * cover(y + 1.30 + p["long_beard"], 0.2)
    lip = cover(a.nose_y - 0.135 - y, 0.05) * cover(y - lower, 0.1) * cover(a.mouth_half * 1.08 - ax, 0.09) * at.front
    clean = 1 - cover(torch.minimum(upper - y, y - lower) - beyond * 1.5 + 0.005, 0.04)
    hairs = bristles(x, y, 0.35 * x, at.pixel)
    grain = 1 + 0.25 * locks(2 * x, y, 2 * z) + 0.5 * hairs
    whisk = torch.maximum(jaw * p["beard_full"] * 0.97, lip * p["moustache_full"] * 0.95)
    shade = 0.38 * p["stubble_dark"] * torch.maximum(jaw, lip) * (1 - p["grey"] * 0.6)
    whisk = (torch.maximum(whisk, shade) * clean).clamp(0, 1)
    return lay(albedo, colours.whiskers[..., None] * (0.95 * grain)[:, None], whisk), whisk


def paint_brows(p: Parameters, a: Features, colours: Colours, at: Place, albedo: Tensor) -> Tensor:
    """Lay brows over the skin (N, 3, P)."""
    centre, s = brow_curve(p, a, at.ax)
    half = 0.021 + 0.025 * p["brow_thickness"] + 0.006 * p["male"] + 0.04 * (p["brows"] - 1).clamp(min=0)
    hairs = bristles(at.ax, at.y, -0.5 - 0.6 * s, at.pixel)
    half = half * (1.1 - 0.6 * s.clamp(0, 1)) + 0.010 * hairs
    brow = cover(half - (at.y - centre).abs(), at.w + 0.006) * cover(s, 0.14) * cover(1 - s, 0.2) * at.front
    grain = (1 + 0.1 * waves(3 * at.x, at.y, at.z)).clamp(max=1) * (1 + 0.22 * hairs)
    alpha = brow * (0.84 + 0.13 * p["brow_thickness"]) * grain * p["brows"].clamp(max=1)
    return lay(albedo, colours.brows, alpha.clamp(max=1))


def strands(p: Parameters, x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Darker and lighter locks (N, P) around 1, straight ones by the angle around the crown, curls by `waves`."""
    lock = (
        0.5 * locks(1.2 * x, y, 1.2 * z)
        + 0.5 * locks(2.7 * x + 1, 1.6 * y, 2.7 * z)
        + 0.4 * locks(5.1 * x, 2 * y, 5.1 * z)
    )
    curls = waves(1.9 * x, 1.9 * y, 1.9 * z)
    mixed = lock * (1 - p["curl"]) * 0.24 + curls * (0.05 + 0.34 * p["curl"])
    return (1 + mixed).clamp(0.4, 1.6)


def sheen(x: Tensor, z: Tensor, n: Tensor, halfway: Tensor) -> Tensor:
    """Highlight (N, P) of strands that run down from the crown, laid into the surface (Kajiya and Kay 1989)."""
    tx, ty, tz = x * 0.6, -1.0, (z + 0.35) * 0.6
    along = tx * n[0] + ty * n[1] + tz * n[2]
    tangent = tx - along * n[0], ty - along * n[1], tz - along * n[2]
    length = (tangent[0] ** 2 + tangent[1] ** 2 + tangent[2] ** 2 + 1e-6).rsqrt()
    cosine = (tangent[0] * halfway[0] + tangent[1] * halfway[1] + tangent[2] * halfway[2]) * length
    across = (1 - cosine * cosine).clamp(min=0)
    return across**14 * 0.10 + across**50 * 0.16
