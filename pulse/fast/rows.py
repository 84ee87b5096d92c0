"""The variables of a walk: a row for each start, which moves by itself, when it is its turn.

The rows of a batch take different numbers of steps. So that each finds what it would find alone, it has its own
moments and its own count of steps. A row is one vector, because a step has many small operations, and one operation on
a long vector takes as long as one on a short vector.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pulse import sphere

# The defaults of `torch.optim`.
_BETA1, _BETA2, _TINY, _MOMENTUM = 0.9, 0.999, 1e-8, 0.9


class Rows:
    """Variables and the optimiser that moves them: the optimisers of `pulse.optimizer`, row by row.

    Args:
        name: one of `pulse.optimizer.OPTIMIZERS`.
        learning_rate: of all variables, before `rates`.
        variables: tensors (M, n, ...), as of `pulse.optimizer.SphericalOptimizer`.
        spherical: which of them keep their lengths.
        rates: a factor of the learning rate for each of them.

    Attributes:
        flat: (M, D), all variables of each row side by side.
        rates: (M, D), the factors of the learning rate.
    """

    def __init__(
        self,
        name: str,
        learning_rate: float,
        variables: Sequence[Tensor],
        spherical: Sequence[bool],
        rates: Sequence[float],
    ) -> None:
        self._name, self._learning_rate = name, learning_rate
        self._shapes = [v.shape[1:] for v in variables]
        self._sizes = [shape.numel() for shape in self._shapes]
        self.flat = torch.cat([v.detach().flatten(1) for v in variables], 1)
        self.rates = torch.cat(
            [v.new_full((len(v), size), rate) for v, size, rate in zip(variables, self._sizes, rates, strict=True)], 1
        )
        self._lengths = [sphere.norms(v.detach()) if on else None for v, on in zip(variables, spherical, strict=True)]
        self._count = torch.zeros(len(self.flat), 1, dtype=torch.float64, device=self.flat.device)
        self._first, self._second = torch.zeros_like(self.flat), torch.zeros_like(self.flat)

    def parts(self, flat: Tensor) -> list[Tensor]:
        """The variables (m, n, ...) in rows (m, D)."""
        return [part.unflatten(1, shape) for part, shape in zip(flat.split(self._sizes, 1), self._shapes, strict=True)]

    def columns(self, part: int) -> slice:
        """Where variable number `part` lies in a row."""
        first = sum(self._sizes[:part])
        return slice(first, first + self._sizes[part])

    @torch.no_grad()
    def step(self, rows: Tensor, gradient: Tensor) -> None:
        """Moves rows, by their numbers (m,), along their gradients (m, D), each back to its spheres."""
        moved = self.flat[rows] - self._learning_rate * self.rates[rows] * self._move(rows, gradient)
        for part, lengths in zip(self.parts(moved), self._lengths, strict=True):
            if lengths is not None:
                sphere.retract_(part, lengths[rows])
        self.flat[rows] = moved

    def _move(self, rows: Tensor, gradient: Tensor) -> Tensor:
        """The move of `torch.optim`'s optimiser for a learning rate of 1."""
        if self._name == "sgd":
            return gradient
        if self._name == "sgdm":
            self._first[rows] = first = _MOMENTUM * self._first[rows] + gradient
            return first
        self._count[rows] += 1
        unbiased1 = (1 - _BETA1 ** self._count[rows]).to(gradient.dtype)
        unbiased2 = (1 - _BETA2 ** self._count[rows]).to(gradient.dtype)
        self._first[rows] = first = torch.lerp(gradient, self._first[rows], _BETA1)
        if self._name == "adamax":
            second = torch.maximum(_BETA2 * self._second[rows], gradient.abs() + _TINY)
            self._second[rows] = second
            return first / (unbiased1 * second)
        second = torch.lerp(gradient.square(), self._second[rows], _BETA2)
        self._second[rows] = second
        return first / unbiased1 / ((second / unbiased2).sqrt() + _TINY)
