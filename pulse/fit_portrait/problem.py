"""The targets of a fit, and the portraits that are drawn to meet them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pulse.finish import Solution, least_squares
from pulse.operators import downsample
from stylegan import portraits

PEOPLE, ALL = len(portraits.COORDINATES), len(portraits.COORDINATES) + len(portraits.EXTRAS)
NAMES = (*portraits.COORDINATES, *portraits.EXTRAS)
# Of one coordinate, in deviations: what lies further out looks the same, and is not a likely face.
MOST = 2.6
# The numbers below 0.5 are people, the others characters.
CHARACTER = PEOPLE + portraits.EXTRAS.index("character")
# Switches of people: name, a value for off, the bound, and a value for on.
SWITCHES = {"glasses": (0.4, 0.78, 0.9), "hat": (0.4, 0.88, 0.95)}


def to_unit(v: Tensor) -> Tensor:
    """The point u (N, K) of the unit cube of normal coordinates v."""
    return torch.special.ndtr(v.double()).float().clamp(0, 1)


def to_normal(u: Tensor) -> Tensor:
    """Normal coordinates of points u of the unit cube, at most `MOST` from 0."""
    return torch.special.ndtri(u.double()).float().clamp(-MOST, MOST)


class Problem:
    """The targets, and what is drawn to meet them."""

    def __init__(self, target: Tensor, kind: str, prior: float) -> None:
        self.target, self.flat = target, target.flatten(1)
        self.size = int(target.shape[-1])
        self.k = PEOPLE if kind == "people" else ALL
        self.prior = prior
        self.evaluations = 0
        kinds = [row.kind for row in portraits.TABLE]
        people = [name not in SWITCHES for name in portraits.COORDINATES]
        self.continuous = torch.tensor((people + [k == "continuous" for k in kinds])[: self.k])

    def draw(self, v: Tensor) -> Tensor:
        """(M, 3 * s * s), portraits v (M, K) made small."""
        self.evaluations += len(v)
        small = []
        for part in v.split(512):
            images = portraits.render(to_unit(part.clamp(-MOST, MOST)), max(32, 2 * self.size))
            small.append(downsample(images, size=self.size).flatten(1))
        return torch.cat(small)

    def polish(
        self, v: Tensor, rows: Tensor, steps: int, callback: Callable[[int, Solution], object] | None = None
    ) -> Solution:
        """Moves v (M, K), of which each is for the target `rows`, along what is continuous."""
        free = self.continuous.expand_as(v).clone()
        if self.k == ALL:
            free[:, PEOPLE:] &= v[:, CHARACTER, None] > 0
        return least_squares(
            self.draw,
            v,
            self.flat[rows],
            prior=self.prior,
            free=free,
            renew=2,
            steps=steps,
            enough=2e-5,
            callback=callback,
        )


def rows_of(solution: Solution, rows: Tensor) -> Solution:
    """Some rows of a solution."""
    parts: dict[str, Any] = {name: x[rows] if isinstance(x, Tensor) else x for name, x in vars(solution).items()}
    return Solution(**parts)
