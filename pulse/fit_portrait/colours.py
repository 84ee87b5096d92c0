"""The colours of a target where each part of a portrait usually is."""

from __future__ import annotations

import torch
from torch import Tensor

from pulse.fit_portrait.problem import NAMES, to_normal

# Which colour is that of which part of the picture, in rows and columns of 1/16.
_WHERE = {
    "skin": (slice(7, 13), slice(5, 11)),
    "hair": (slice(1, 4), slice(4, 12)),
    "hat": (slice(1, 4), slice(4, 12)),
    "trim": (slice(3, 5), slice(5, 11)),
    "cloth": (slice(14, 16), slice(4, 12)),
    "ground": (slice(0, 6), slice(0, 2)),
    "second": (slice(0, 6), slice(14, 16)),
    "bone": (slice(0, 3), slice(2, 14)),
    "whisker": (slice(12, 15), slice(5, 11)),
}


def coloured(v: Tensor, target: Tensor, rng: torch.Generator) -> Tensor:
    """The points with colours of their own, those of the target where each part usually is."""
    v = v.clone()
    for name in _WHERE:
        at = [NAMES.index(f"{name}_{channel}") for channel in ("red", "green", "blue")]
        colour = colour_of(target, name)
        u = colour + 0.08 * torch.randn(len(v), 3, generator=rng)
        v[:, at] = to_normal(u.clamp(0.02, 0.98))
        if f"{name}_own" in NAMES:
            v[:, NAMES.index(f"{name}_own")] = 0.7
    return v


def colour_of(target: Tensor, name: str) -> Tensor:
    """The mean colour (3,) of a target (3, s, s) where that part usually is."""
    s = target.shape[-1]
    rows, columns = (slice(at.start * s // 16, max(at.stop * s // 16, at.start * s // 16 + 1)) for at in _WHERE[name])
    return target[:, rows, columns].mean((1, 2))


def odd_colour(target: Tensor) -> Tensor:
    """The colour (3,) where eyes usually are that is least like the rest of the face's."""
    s = target.shape[-1]
    eyes = target[:, 6 * s // 16 : max(9 * s // 16, 1), 3 * s // 16 : 13 * s // 16].flatten(1)
    off = (eyes - colour_of(target, "skin")[:, None]).square().sum(0)
    return eyes[:, int(off.argmax())]
