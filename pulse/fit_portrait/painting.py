"""Paint: what a portrait's shapes and single colours cannot meet, soft fields of colour on its materials can.

With the portrait held, its small picture is linear in the fields of `stylegan.portraits.tint`. They are random
functions with a Gaussian prior, smooth over a pixel or two of 16, and small on skin, least around eyes and mouth. Their
most probable values for a target are found in closed form (Gaussian process regression: C. Rasmussen and C. Williams,
2006, equation 2.25). How much noise the target is taken to have decides how far paint goes: as much as leaves the error
that is asked for (the discrepancy principle of V. Morozov, 1966).
"""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from pulse.fit_portrait.problem import to_unit
from pulse.operators import downsample
from stylegan import portraits
from stylegan.portraits.landmarks import feature_pixels
from stylegan.portraits.render import materials
from stylegan.portraits.tint import TINTED, Tint

# Cells along a side of a field; the side that targets of more pixels are made small to; and of the pictures that are
# drawn meanwhile.
_CELLS, _SMALL, _SIDE = 16, 16, 64
# Deviation of each field in sRGB, and over how many cells it is smooth.
_PRIOR = {
    "skin": (0.30, 1.7),
    "hair": (0.5, 1.3),
    "cloth": (1.0, 1.2),
    "hat": (0.6, 1.3),
    "bone": (0.6, 1.3),
    "trim": (0.6, 1.3),
    "ground": (1.0, 1.3),
}
# By how much paint on skin is less around eyes and mouth, and how many cells around them.
_SPARED, _AROUND = 0.8, 1.3
# Variances of the noise that a target may be taken to have. With less than the least, paint would show its cells.
_NOISES = torch.logspace(0.5, -1.8, 60)
# Of `eps`, what paint aims at: answers are compared as they are drawn, a little different at every side.
_MARGIN = 0.9
# Times that paint is corrected for what black and white cut off.
_CORRECTIONS = 3


def painted(v: Tensor, target: Tensor, share: float, most: float, eps: float) -> Tint:
    """Paint for the portraits of targets.

    Args:
        v: (N, K), the portraits as normal coordinates.
        target: (N, 3, s, s) in [0, 1].
        share: paint leaves this share of the mean squared error, or more where it cannot reach that.
        most, eps: it leaves `most` at most, and never aims at less than 0.9 `eps`.

    Returns:
        The paint; 0 for portraits that are as near already.
    """
    u = to_unit(v)
    size = min(target.shape[-1], _SMALL)
    goal = target if target.shape[-1] == size else downsample(target, size=size).clamp(0, 1)
    goal = goal.flatten(2).transpose(1, 2)
    colour = torch.zeros(len(u), len(TINTED), 3, _CELLS, _CELLS)
    before = _small(u, size, None)
    error = (before - goal).square().mean((1, 2))
    asked = (error * share).clamp(max=most).clamp(min=_MARGIN * eps)
    for i in ((error > eps) & (error > asked)).nonzero()[:, 0].tolist():
        colour[i] = _paint(u[i : i + 1], before[i], goal[i], float(asked[i]))
    return Tint(colour, u)


def _small(u: Tensor, size: int, tint: Tint | None) -> Tensor:
    """Portraits, made small: (N, size * size, 3)."""
    pictures = [portraits.render(u[i : i + 1], _SIDE, None if tint is None else tint[i : i + 1]) for i in range(len(u))]
    return downsample(torch.cat(pictures), size=size).flatten(2).transpose(1, 2)


def _paint(u: Tensor, before: Tensor, goal: Tensor, asked: float) -> Tensor:
    """Fields (7, 3, 16, 16) for one portrait u (1, K) whose small picture `before` (P, 3) is to come near to `goal`."""
    size = round(len(goal) ** 0.5)
    spread = _design(materials(u, _SIDE)[0], size)
    # Covariances of each field with the small picture, and of the small picture with itself.
    with_picture = spread @ _covariance(u)
    values, vectors = torch.linalg.eigh((with_picture @ spread.transpose(1, 2)).sum(0))
    values = values.clamp(min=0)
    wanted, left = goal - before, asked
    best, least = torch.zeros(len(TINTED), 3, _CELLS, _CELLS), float((goal - before).square().mean())
    for _ in range(_CORRECTIONS):
        seen = vectors.T @ wanted
        shrunk = _NOISES[:, None] / (values + _NOISES[:, None])
        errors = (shrunk.square() @ seen.square().sum(1)) / wanted.numel()
        noise = _NOISES[int((errors <= left).float().argmax())] if bool((errors <= left).any()) else _NOISES[-1]
        weight = vectors @ (seen / (values + noise)[:, None])
        fields = (with_picture.transpose(1, 2) @ weight).transpose(1, 2).unflatten(2, (_CELLS, _CELLS))
        after = _small(u, size, Tint(fields[None], u))[0]
        error = float((after - goal).square().mean())
        if error < least:
            best, least = fields, error
        if error <= 1.02 * asked:
            break
        # What black and white have cut off is asked for once more.
        wanted = goal - (after - (vectors * values) @ (vectors.T @ weight))
        left *= min(1.0, asked / error)
    return best


def _design(masks: Tensor, size: int) -> Tensor:
    """(7, size * size, 256): what one of every cell adds to a small picture of materials `masks` (7, 64, 64)."""
    spread = _spread(size)
    columns = torch.einsum("piy,myx->mpix", spread, masks)
    return torch.einsum("mpix,qjx->mpqij", columns, spread).flatten(3).flatten(1, 2)


@cache
def _spread(size: int) -> Tensor:
    """(size, 16, 64): along one axis, how much a pixel has from each place of the large picture and each cell there."""
    lines = torch.eye(_SIDE)[:, None, None].expand(_SIDE, 3, _SIDE, _SIDE)
    down = downsample(lines, size=size)[:, 0, 0].T
    lines = torch.eye(_CELLS)[:, None, None].expand(_CELLS, 1, _CELLS, _CELLS)
    up = F.interpolate(lines, size=(_SIDE, _SIDE), mode="bicubic")[:, 0, 0]
    return down[:, None] * up


def _covariance(u: Tensor) -> Tensor:
    """(7, 256, 256), the prior covariance of each field of a portrait u (1, K)."""
    at = torch.arange(_CELLS).float()
    y, x = torch.meshgrid(at, at, indexing="ij")
    cells = torch.stack([x.flatten(), y.flatten()], 1)
    # Landmarks 36 to 67 of 68 are eyes and mouth.
    away = (cells[:, None] - feature_pixels(u, _CELLS)[0, 19:]).square().sum(2).amin(1)
    spared = 1 - _SPARED * torch.exp(away / -(_AROUND**2))
    out = []
    for name in TINTED:
        deviation, length = _PRIOR[name]
        line = torch.exp((at[:, None] - at).square() / (-2 * length**2))
        scale = deviation * (spared if name == "skin" else torch.ones_like(spared))
        out.append(scale[:, None] * torch.kron(line, line) * scale)
    return torch.stack(out)
