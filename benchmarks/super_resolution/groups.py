"""Groups of people: what a portrait shows, by the coordinates that drew it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from stylegan.portraits.colours import tone_index
from stylegan.portraits.coordinates import decode

# The groups of each grouping, in the order of their numbers. Sex is as drawn; poses are seen from the viewer.
GROUPINGS: dict[str, tuple[str, ...]] = {
    "tone": ("Monk 1-3", "Monk 4-7", "Monk 8-10"),
    "age": ("under 18", "18 to 59", "60 and over"),
    "sex": ("women", "men"),
    "glasses": ("without", "with"),
    "pose": ("turned left", "frontal", "turned right"),
}
# What a mirrored picture makes of the groups of a grouping.
MIRRORED = {"pose": (2, 1, 0)}
_TURNED = math.radians(10)


def groups_of(u: Tensor) -> Tensor:
    """The group of each of the portraits u (N, K) in each of `GROUPINGS`: (N, 5) int64."""
    p = decode(u)
    tone, years, yaw = tone_index(p), 4 + 76 * p["age"][:, 0], p["yaw_rad"][:, 0]
    columns = [
        (tone > 2).long() + (tone > 6),
        (years >= 18).long() + (years >= 60),
        (p["male"][:, 0] > 0.5).long(),
        (p["glasses_on"][:, 0] > 0).long(),
        (yaw >= -_TURNED).long() + (yaw > _TURNED),
    ]
    return torch.stack(columns, 1)
