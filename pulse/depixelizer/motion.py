"""How a sprite moves as a whole from frame to frame, and a picture that moves with it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

Shift = tuple[int, int]
"""Pixels to the right and down."""

# The share of the side by which a frame may have moved from the one before.
_REACH = 0.15
# A move has to explain this share of what changed.
_EXPLAINED = 0.6


def shifts(targets: Sequence[Tensor]) -> list[Shift]:
    """How far each target (3, s, s) in [0, 1] has moved since the first, in whole pixels.

    Each is compared with the one before, moved as that was. What has changed in other ways as well, such as eyes that
    blink, need not be explained.
    """
    found: list[Shift] = [(0, 0)]
    for before, now in pairwise(targets):
        x, y = _shift(before, now)
        found.append((found[-1][0] + x, found[-1][1] + y))
    return found


def steadied(pictures: Sequence[Tensor], places: Sequence[Shift]) -> list[Tensor]:
    """The pictures (..., h, w) with their shifts taken back; what has left the frame is as it was last seen."""
    steady: list[Tensor] = []
    for picture, (x, y) in zip(pictures, places, strict=True):
        back = moved(picture, (-x, -y))
        if steady:
            inside = torch.ones(picture.shape[-2:], dtype=torch.bool)
            height, width = inside.shape
            inside[: max(-y, 0)] = inside[min(height - y, height) :] = False
            inside[:, : max(-x, 0)] = inside[:, min(width - x, width) :] = False
            back = torch.where(inside, back, steady[-1])
        steady.append(back)
    return steady


def _shift(before: Tensor, now: Tensor) -> Shift:
    reach = max(1, round(_REACH * now.shape[-1]))
    still = float((now - before).square().mean())
    best, least = (0, 0), (1 - _EXPLAINED) * still
    for y in range(-reach, reach + 1):
        for x in range(-reach, reach + 1):
            error = float((moved(before, (x, y)) - now).square().mean())
            if error < least:
                best, least = (x, y), error
    return best


def moved(picture: Tensor, shift: Shift) -> Tensor:
    """A picture (..., h, w) moved by whole pixels; its border pixels are repeated where nothing is known."""
    x, y = shift
    height, width = picture.shape[-2:]
    rows = (torch.arange(height) - y).clamp(0, height - 1)
    columns = (torch.arange(width) - x).clamp(0, width - 1)
    return picture[..., rows, :][..., columns]
