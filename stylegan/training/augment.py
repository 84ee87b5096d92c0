"""Adaptive discriminator augmentation (Karras et al. 2020, Training Generative Adversarial Networks with Limited Data).

A discriminator memorises a small set of pictures. So all pictures that it sees, real and generated, are turned,
moved, stretched and recoloured at random, each transformation with the same probability p. While p is below about 0.8
the generator gains nothing by drawing augmented pictures, because the distribution of augmented pictures determines
that of plain ones (section 3.1). p is kept just large enough to stop the overfitting.

Here are the three groups that helped in the paper's figure 4, with the parameters of its appendix B: pixel blitting,
general geometry, colour. Blitting picks pixels and loses nothing. Geometry is a bilinear look-up at twice the
resolution between two low-pass filters.

The augmentation can be differentiated once. grid_sample has no second derivative, and R1 needs none: it is taken with
respect to the augmented pictures.
"""

from math import log, pi, sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# The low-pass filter of the wavelet sym6 (Daubechies 1992, table 6.3: least asymmetric, order 6): its shifts by two
# are orthonormal, so that upsampling and downsampling with it, with nothing between, gives a picture back.
_SYM6 = torch.tensor(
    [
        0.015404109327027373,
        0.0034907120842174702,
        -0.11799011114819057,
        -0.048311742585633,
        0.4910559419267466,
        0.787641141030194,
        0.3379294217276218,
        -0.07263752278646252,
        -0.021060292512300564,
        0.04472490177066578,
        0.0017677118642428036,
        -0.007800708325034148,
    ]
)
_MARGIN = len(_SYM6) // 2
# The filter is only nearly symmetric: its centre of mass lies this far before its middle.
_LEAD = (len(_SYM6) - 1) / 2 - float((_SYM6 * torch.arange(len(_SYM6))).sum() / _SYM6.sum())


def augment(pictures: Tensor, p: float, rng: torch.Generator) -> Tensor:
    """Pictures (N, 3, R, R) in [-1, 1], each transformed by each transformation with probability p.

    Args:
        pictures: on the device of `rng`.
        p: from 0, which returns the pictures as they are, to 1.
        rng: what the transformations are drawn from.
    """
    if p <= 0:
        return pictures
    n, _, resolution, _ = pictures.shape
    pictures = blit(pictures, *random_blits(n, resolution, p, rng))
    pictures = warp(pictures, random_warps(n, p, rng))
    return recolour(pictures, random_colours(n, p, rng))


class AdaptiveProbability(nn.Module):
    """p, steered so that the overfitting r_t = E[sign(D(real))] stays near a target (section 3.3).

    Args:
        p: the first probability.
        target: of r_t.
        kimg: thousands of pictures in which p can go from 0 to 1.
        interval: steps between two changes of p.
    """

    def __init__(self, p: float = 0.0, target: float = 0.6, kimg: float = 500.0, interval: int = 4) -> None:
        super().__init__()
        self.target, self.kimg, self.interval = target, kimg, interval
        self.register_buffer("p", torch.tensor(p, dtype=torch.float64))
        self.register_buffer("signs", torch.zeros([], dtype=torch.float64))
        self.register_buffer("steps", torch.zeros([], dtype=torch.int64))
        self.register_buffer("overfitting", torch.zeros([], dtype=torch.float64))
        self.p: Tensor
        self.signs: Tensor
        self.steps: Tensor
        self.overfitting: Tensor

    @torch.no_grad()
    def update(self, mean_sign: Tensor, batch_size: int) -> None:
        """Adds the mean sign of a step's logits of real pictures; moves p every `interval` steps."""
        self.signs += mean_sign
        self.steps += 1
        if int(self.steps) == self.interval:
            self.overfitting.copy_(self.signs / self.interval)
            change = torch.sign(self.overfitting - self.target) * batch_size * self.interval / (self.kimg * 1000)
            self.p.copy_((self.p + change).clamp(0, 1))
            self.signs.zero_()
            self.steps.zero_()


def random_blits(n: int, resolution: int, p: float, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Mirrorings (n,) of 0 or 1, quarter turns (n,) from 0 to 3, and shifts (n, 2) in pixels, up to an eighth."""
    flips = _with_probability(torch.randint(2, (n,), generator=rng, device=rng.device), 0, p, rng)
    turns = _with_probability(torch.randint(4, (n,), generator=rng, device=rng.device), 0, p, rng)
    shifts = ((torch.rand(n, 2, generator=rng, device=rng.device) * 2 - 1) * 0.125 * resolution).round().long()
    return flips, turns, _with_probability(shifts, 0, p, rng)


def random_warps(n: int, p: float, rng: torch.Generator) -> Tensor:
    """Scalings, rotations and fractional shifts as matrices (n, 3, 3) on coordinates (x, y, 1) in [-1, 1]."""
    # Two rotations, before and after the change of aspect, are together as likely as each other transformation.
    p_rotation = 1 - sqrt(1 - p)
    matrix = _scales(_log_normal(n, 0.2, p, rng), inverse=False)
    matrix = _rotations(_angle(n, p_rotation, rng)) @ matrix
    matrix = _scales(_log_normal(n, 0.2, p, rng), inverse=True) @ matrix
    matrix = _rotations(_angle(n, p_rotation, rng)) @ matrix
    # An eighth of the width, which is 2 in these coordinates.
    return _shifts(_with_probability(torch.randn(n, 2, generator=rng, device=rng.device) * 0.25, 0, p, rng)) @ matrix


def random_colours(n: int, p: float, rng: torch.Generator) -> Tensor:
    """Brightness, contrast, luma flip, hue and saturation as matrices (n, 4, 4) on colours (r, g, b, 1) in [-1, 1]."""
    device = rng.device
    grey = torch.ones(3, 3, device=device) / 3
    eye = torch.eye(3, device=device)
    offset = _with_probability(torch.randn(n, generator=rng, device=rng.device) * 0.2, 0, p, rng)
    contrast = _log_normal(n, 0.5, p, rng)
    flip = _with_probability(torch.randint(2, (n,), generator=rng, device=rng.device), 0, p, rng)
    angle = _angle(n, p, rng)
    saturation = _log_normal(n, 1.0, p, rng)
    # Rodrigues' rotation about the grey axis v: cos(t) I + sin(t) [v]x + (1 - cos(t)) v v'.
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=device) / sqrt(3)
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    linear = contrast[:, None, None] * (eye - 2 * flip[:, None, None] * grey)
    linear = (cosine * eye + sine * cross + (1 - cosine) * grey) @ linear
    saturating = grey + saturation[:, None, None] * (eye - grey)
    linear = saturating @ linear
    # Brightness comes first, along the grey axis, so the later transformations act on it too.
    moved = linear @ offset[:, None, None].expand(n, 3, 1)
    matrix = torch.eye(4, device=device).repeat(n, 1, 1)
    matrix[:, :3, :3], matrix[:, :3, 3:] = linear, moved
    return matrix


def blit(pictures: Tensor, flips: Tensor, turns: Tensor, shifts: Tensor) -> Tensor:
    """Pictures (N, C, R, R) mirrored, then turned counter-clockwise, then shifted (down, right), edges reflected."""
    n, c, r, _ = pictures.shape
    along = torch.arange(r, device=pictures.device)
    row, column = (_reflected(along - shift[:, None], r) for shift in shifts.T)
    row, column = row[:, :, None].expand(n, r, r), column[:, None, :].expand(n, r, r)
    turn = turns[:, None, None]
    row, column = (
        torch.where(
            turn == 0, row, torch.where(turn == 1, column, torch.where(turn == 2, r - 1 - row, r - 1 - column))
        ),
        torch.where(
            turn == 0, column, torch.where(turn == 1, r - 1 - row, torch.where(turn == 2, r - 1 - column, row))
        ),
    )
    column = torch.where(flips[:, None, None] == 1, r - 1 - column, column)
    where = (row * r + column).view(n, 1, -1).expand(n, c, -1)
    return pictures.flatten(2).gather(2, where).view(n, c, r, r)


def warp(pictures: Tensor, matrices: Tensor) -> Tensor:
    """Pictures (N, C, R, R) under matrices (N, 3, 3) that map (x, y, 1) in [-1, 1] to where it appears.

    Those under the identity stay exactly as they are.
    """
    moved = (matrices != torch.eye(3, device=matrices.device)).any(dim=2).any(dim=1).nonzero()[:, 0]
    if len(moved) == 0:
        return pictures
    some = pictures[moved]
    r = some.shape[-1]
    # Each picture's pixel k lies between the samples 2k and 2k + 1 of the doubled one.
    doubled = _doubled(some)
    position = (torch.arange(1 - _MARGIN, 2 * r + _MARGIN - 1).to(matrices) + 0.5 + _LEAD) / r - 1
    y, x = torch.meshgrid(position, position, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], dim=-1).view(1, -1, 3)
    sources = (points @ torch.linalg.inv(matrices[moved]).mT)[:, :, :2].view(-1, len(position), len(position), 2)
    looked_up = F.grid_sample(
        doubled,
        (sources - _LEAD / r).to(doubled.dtype),
        mode="bilinear",
        padding_mode="reflection",
        align_corners=False,
    )
    return pictures.index_copy(0, moved, _halved(looked_up))


def recolour(pictures: Tensor, matrices: Tensor) -> Tensor:
    """Pictures (N, 3, R, R) under matrices (N, 4, 4) on (r, g, b, 1)."""
    n, _, h, w = pictures.shape
    matrices = matrices.to(pictures.dtype)
    return torch.baddbmm(matrices[:, :3, 3:], matrices[:, :3, :3], pictures.flatten(2)).view(n, 3, h, w)


def _doubled(pictures: Tensor) -> Tensor:
    c, r = pictures.shape[1], pictures.shape[-1]
    taps = (_SYM6 * sqrt(2)).to(pictures).expand(c, 1, 1, -1)
    larger = F.pad(pictures, (_MARGIN,) * 4, mode="reflect")
    larger = F.conv_transpose2d(larger, taps, stride=(1, 2), groups=c)
    larger = F.conv_transpose2d(larger, taps.mT, stride=(2, 1), groups=c)
    first = 3 * _MARGIN - 1
    return larger[:, :, first : first + 2 * r, first : first + 2 * r]


def _halved(pictures: Tensor) -> Tensor:
    c = pictures.shape[1]
    taps = (_SYM6 / sqrt(2)).to(pictures).expand(c, 1, 1, -1)
    return F.conv2d(F.conv2d(pictures, taps, stride=(1, 2), groups=c), taps.mT, stride=(2, 1), groups=c)


def _reflected(position: Tensor, size: int) -> Tensor:
    position = position.abs()
    return torch.where(position > size - 1, 2 * (size - 1) - position, position)


def _with_probability(drawn: Tensor, neutral: float, p: float, rng: torch.Generator) -> Tensor:
    """The drawn values for a share p of the pictures, and the neutral one for the others."""
    strikes = torch.rand(len(drawn), generator=rng, device=rng.device) < p
    return torch.where(strikes.view(-1, *[1] * (drawn.ndim - 1)), drawn, torch.full_like(drawn, neutral))


def _log_normal(n: int, octaves: float, p: float, rng: torch.Generator) -> Tensor:
    return _with_probability((torch.randn(n, generator=rng, device=rng.device) * octaves * log(2)).exp(), 1, p, rng)


def _angle(n: int, p: float, rng: torch.Generator) -> Tensor:
    return _with_probability((torch.rand(n, generator=rng, device=rng.device) * 2 - 1) * pi, 0, p, rng)


def _scales(scale: Tensor, inverse: bool) -> Tensor:
    """Matrices (n, 3, 3) that scale both axes, or with `inverse` the second by 1 / scale."""
    second = 1 / scale if inverse else scale
    return torch.diag_embed(torch.stack([scale, second, torch.ones_like(scale)], dim=1))


def _rotations(angle: Tensor) -> Tensor:
    cosine, sine, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    rows = [[cosine, sine, zero], [-sine, cosine, zero], [zero, zero, one]]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def _shifts(shift: Tensor) -> Tensor:
    matrix = torch.eye(3, device=shift.device).repeat(len(shift), 1, 1)
    matrix[:, :2, 2] = shift
    return matrix
