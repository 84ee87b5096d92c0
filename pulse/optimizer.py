"""Projected gradient descent on spheres: a step in the plain space, then a rescaling to the original length.

A normal prior in d dimensions has nearly all its mass near the sphere of radius sqrt(d) (R. Vershynin, High-Dimensional
Probability, 2018, Theorem 3.1.1), so PULSE searches that sphere (Menon et al., CVPR 2020, section 3, "Latent Space
Exploration"). The steps are taken by `torch.optim` with its defaults: Adam (Kingma and Ba, ICLR 2015, Algorithm 1),
Adamax (Algorithm 2 there), and gradient descent with and without momentum.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pulse import sphere

OPTIMIZERS = ("adam", "sgd", "sgdm", "adamax")
SCHEDULES = ("fixed", "linear1cycle", "linear1cycledrop")


class SphericalOptimizer:
    """An optimiser whose variables keep the norms that they had when it was made.

    Args:
        name: "adam", "sgd", "sgdm" (momentum 0.9) or "adamax".
        params: tensors (N, n, ...) that require gradients. The axes from the third on are one vector: a style
            vector of one image (N, n, d), or a noise map of one image (N, 1, h, w).
        learning_rate: step size of the inner optimiser, before the factor of `step`.
        spherical: one truth value per tensor; a tensor with False moves freely. All are held on spheres by default.

    Raises:
        ValueError: for an unknown name.
    """

    def __init__(
        self, name: str, params: Sequence[Tensor], learning_rate: float, spherical: Sequence[bool] | None = None
    ) -> None:
        if name not in OPTIMIZERS:
            raise ValueError(f"The optimiser {name!r} is unknown; choose one of {', '.join(OPTIMIZERS)}.")
        self.params = list(params)
        self.learning_rate = learning_rate
        flags = [True] * len(self.params) if spherical is None else list(spherical)
        self._norms = [
            (p, sphere.norms(p.detach())) for p, on_sphere in zip(self.params, flags, strict=True) if on_sphere
        ]
        self._inner: torch.optim.Optimizer
        if name == "adam":
            self._inner = torch.optim.Adam(self.params, lr=learning_rate)
        elif name == "adamax":
            self._inner = torch.optim.Adamax(self.params, lr=learning_rate)
        else:
            self._inner = torch.optim.SGD(self.params, lr=learning_rate, momentum=0.9 if name == "sgdm" else 0.0)

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """Moves every variable along its `.grad` with `factor` times the learning rate, and rescales it to its norm."""
        for group in self._inner.param_groups:
            group["lr"] = self.learning_rate * factor
        self._inner.step()
        for param, norm in self._norms:
            sphere.retract_(param, norm)


def lr_factors(schedule: str, steps: int) -> list[float]:
    """The factors of the learning rate for each of `steps` steps.

    "fixed": 1. "linear1cycle": from 0.1 up to 1 halfway and down again. "linear1cycledrop": the same in the first
    nine tenths, then down from 0.1 towards 0.001. The cycle is that of L. N. Smith and N. Topin (Super-Convergence,
    2018, section 3); the numbers are PULSE's.

    Raises:
        ValueError: for an unknown schedule.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"The learning-rate schedule {schedule!r} is unknown; choose one of {', '.join(SCHEDULES)}.")
    if schedule == "fixed":
        return [1.0] * steps
    if schedule == "linear1cycle":
        return [_triangle(i / steps) for i in range(steps)]
    cycle = 0.9 * steps
    return [_triangle(i / cycle) if i < cycle else 0.1 - 0.099 * (i - cycle) / (steps - cycle) for i in range(steps)]


def _triangle(x: float) -> float:
    return 0.1 + 0.9 * (1 - abs(2 * x - 1))
