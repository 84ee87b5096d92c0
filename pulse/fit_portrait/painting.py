"""Paint: what a portrait's shapes and single colours cannot meet, soft fields of colour on its materials can.

With the portrait held, its small picture is linear in the fields of `stylegan.portraits.tint`. They are random
functions with a Gaussian prior, smooth over a pixel or two of 16, and small on skin, least around its features. Their
most probable values for a target are found in closed form (Gaussian process regression: C. Rasmussen and C. Williams,
2006, equation 2.25). How much noise the target is taken to have decides how far paint goes: as much as leaves the error
that is asked for (the discrepancy principle of V. Morozov, 1966).

In an animation the paint of the picture before stays, and the change is painted on it under the same prior: what is
near to the last fields is likely, and where nothing changes, nothing is painted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from pulse.fit_portrait.drawing import drawn, one_thread
from pulse.fit_portrait.problem import to_unit
from pulse.operators import downsample
from stylegan.portraits.landmarks import feature_pixels
from stylegan.portraits.render import materials
from stylegan.portraits.tint import TINTED, Tint

# Cells along a side of a field; the side that targets of more pixels are made small to; and of the pictures that are
# drawn meanwhile.
_CELLS, _SMALL, _SIDE = 16, 16, 64
# Deviation of each field in sRGB, and over how many cells it is smooth.
_PRIOR = {
    "skin": (0.25, 3.0),
    "hair": (0.5, 1.3),
    "cloth": (1.0, 1.2),
    "hat": (0.6, 1.3),
    "bone": (0.6, 1.3),
    "trim": (0.6, 1.3),
    "ground": (1.0, 1.3),
}
# On skin a finer field is added. Both are so much less around brows, eyes, nose and mouth, as many cells around.
_FINE, _SPARED, _AROUND = (0.35, 1.5), (0.5, 0.95), 1.8
# Paint on skin blurs a face. It is weakened or strengthened to the first of these shares that comes as close as so many
# times what is asked for: the stronger, the more may be left.
_SHARES = {0.2: 1.05, 0.28: 1.05, 0.4: 1.05, 0.55: 1.05, 0.75: 1.05, 1.0: 1.08, 1.7: 1.9, 3.0: 0.0}
# What is painted on what was painted before is small anyway.
_AGAIN = {1.0: 0.0}
# Variances of the noise that a target may be taken to have. With less than the least, paint would show its cells.
_NOISES = torch.logspace(0.5, -1.8, 60)
# Of `eps`, what paint aims at: answers are compared as they are drawn, a little different at every side.
_MARGIN = 0.9
# The share of what the last picture of an animation was off by that stays.
_KEPT = 0.9
# Errors that are this many times what is asked for are near enough.
_NEAR = 1.02
# Times that paint is corrected for what black and white cut off.
_CORRECTIONS = 5


@dataclass(frozen=True)
class Last:
    """The picture before in an animation: its target (1, 3, s, s), its portrait v (1, K), and its paint."""

    target: Tensor
    v: Tensor
    paint: Tint


def painted(v: Tensor, target: Tensor, share: float, most: float, eps: float, last: Last | None = None) -> Tint:
    """Paint for the portraits of targets.

    Args:
        v: (N, K), the portraits as normal coordinates.
        target: (N, 3, s, s) in [0, 1].
        share: paint leaves this share of the mean squared error, or more where it cannot reach that.
        most, eps: it leaves `most` at most, and never aims at less than 0.9 `eps`.
        last: of one target, the picture before in an animation. Its paint stays; painted on it is by what the targets
            differ and the portraits do not.

    Returns:
        The paint; 0 for portraits that are as near already.
    """
    u = to_unit(v)
    size = min(target.shape[-1], _SMALL)
    goal = _goal(target, size)
    colour = torch.zeros(len(u), len(TINTED), 3, _CELLS, _CELLS)
    before = _small(u, size, None)
    error = (before - goal).square().mean((1, 2))
    asked = (error * share).clamp(max=most).clamp(min=_MARGIN * eps)
    if last is not None:
        return Tint(_repainted(u, goal[0], size, float(asked[0]), last)[None], u)
    for i in ((error > eps) & (error > asked)).nonzero()[:, 0].tolist():
        colour[i] = _paint(u[i : i + 1], before[i], goal[i], float(asked[i]))
    return Tint(colour, u)


def _goal(target: Tensor, size: int) -> Tensor:
    """Targets at the size of a fit: (N, size * size, 3)."""
    goal = target if target.shape[-1] == size else downsample(target, size=size).clamp(0, 1)
    return goal.flatten(2).transpose(1, 2)


def _repainted(u: Tensor, goal: Tensor, size: int, asked: float, last: Last) -> Tensor:
    """Fields for a portrait u (1, K) of an animation: those of the picture before, and what has changed since."""
    shown = _small(to_unit(last.v), size, last.paint)[0]
    held = Tint(last.paint.colour, u)
    before = _small(u, size, held)[0]
    # What the last picture was off by may stay, but for a tenth.
    kept = goal + _KEPT * (shown - _goal(last.target, size)[0])
    return _paint(u, before, goal, asked, kept, held.colour[0])


def _small(u: Tensor, size: int, tint: Tint | None) -> Tensor:
    """Portraits, made small: (N, size * size, 3)."""
    pictures = [drawn(u[i : i + 1], _SIDE, None if tint is None else tint[i : i + 1]) for i in range(len(u))]
    return downsample(torch.cat(pictures), size=size).flatten(2).transpose(1, 2)


def _paint(
    u: Tensor, before: Tensor, goal: Tensor, asked: float, kept: Tensor | None = None, held: Tensor | None = None
) -> Tensor:
    """Fields (7, 3, 16, 16) for one portrait u (1, K) whose small picture `before` (P, 3) is to come near to `goal`.

    Where there are fields `held` already, and `before` shows them, what is added to them aims at `kept` instead. It
    goes as far as brings the picture within `asked` of `goal`.
    """
    kept = goal if kept is None else kept
    best = torch.zeros(len(TINTED), 3, _CELLS, _CELLS) if held is None else held
    first, least = best, float((goal - before).square().mean())
    if least <= _NEAR * asked:
        return best
    size = round(len(goal) ** 0.5)
    with one_thread():
        shown = materials(u, _SIDE)[0]
    spread = _design(shown, size)
    whole = spread @ _covariance(u)
    skin = torch.tensor([name == "skin" for name in TINTED])[:, None, None]
    for share, close in (_SHARES if held is None else _AGAIN).items():
        # Covariances of each field with the small picture, and of the small picture with itself.
        with_picture = torch.where(skin, share**2 * whole, whole)
        values, vectors = torch.linalg.eigh((with_picture @ spread.transpose(1, 2)).sum(0))
        values = values.clamp(min=0)
        shrunk = _NOISES[:, None] / (values + _NOISES[:, None])
        if float((shrunk[-1, :, None] * (vectors.T @ (kept - before))).square().mean()) <= close * asked:
            break
    # What black and white cut off is asked for once more.
    cut, left = torch.zeros_like(before), asked
    for _ in range(_CORRECTIONS):
        seen = vectors.T @ (kept - before - cut)
        more = (vectors.T @ (goal - kept)).expand(len(_NOISES), -1, -1)
        errors = (shrunk[..., None] * seen + more).square().mean((1, 2))
        near = errors <= left
        noise = _NOISES[int(near.float().argmax() if bool(near.any()) else errors.argmin())]
        weight = vectors @ (seen / (values + noise)[:, None])
        fields = first + (with_picture.transpose(1, 2) @ weight).transpose(1, 2).unflatten(2, (_CELLS, _CELLS))
        after = _small(u, size, Tint(fields[None], u))[0]
        error = float((after - goal).square().mean())
        if error < least:
            best, least = fields, error
        if error <= _NEAR * asked:
            break
        cut = after - before - (vectors * values) @ (vectors.T @ weight)
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
    away = (cells[:, None] - feature_pixels(u, _CELLS)[0]).square().sum(2).amin(1)
    near = torch.exp(away / -(_AROUND**2))

    def field(deviation: float, length: float, spared: float = 0.0) -> Tensor:
        line = torch.exp((at[:, None] - at).square() / (-2 * length**2))
        scale = deviation * (1 - spared * near)
        return scale[:, None] * torch.kron(line, line) * scale

    out = {name: field(*_PRIOR[name]) for name in TINTED}
    out["skin"] = field(*_PRIOR["skin"], _SPARED[0]) + field(*_FINE, _SPARED[1])
    return torch.stack(list(out.values()))
