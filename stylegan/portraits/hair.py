"""Where hair grows: a mask that cuts the volume of the hair along the hairline, the temples and the nape."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan.portraits.coordinates import Parameters
from stylegan.portraits.smooth import centred, locks, mix, soft_min, waves


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
