"""The options of a search, with PULSE's names and defaults."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass

from pulse.latents import SPACES
from pulse.losses import parse_loss
from pulse.noise import NOISE_TYPES, parse_bad_noise_layers
from pulse.operators import KERNELS
from pulse.optimizer import OPTIMIZERS, SCHEDULES


@dataclass(frozen=True)
class SearchOptions:
    """How to search; names and defaults are PULSE's where PULSE has them. Raises ValueError for a value that makes
    no sense.

    steps: moves of the optimiser, at least 0; steps + 1 points are evaluated.
    learning_rate: step size at the top of the schedule.
    lr_schedule: "linear1cycledrop", "linear1cycle" or "fixed".
    opt_name: "adam", "sgd", "sgdm" or "adamax".
    eps: the mean squared error, on [0, 1], at which an image counts as the target's; also the floor of L1 and L2.
    loss_str: see `pulse.losses.parse_loss`; it needs L1 or L2 in it.
    noise_type: "trainable", "fixed" (drawn, not changed) or "zero".
    num_trainable_noise_layers: how many noise inputs, from the lowest resolution on, are changed when "trainable".
    bad_noise_layers: dotted indices of noise inputs that stay 0; those beyond the generator's are ignored.
    tile_latent: one latent for all styles.
    seed: image i uses seed + i; None draws one, which the result tells.
    space: "gaussianized" (PULSE's), "z", "w" or "w+"; see `pulse.latents.latent_space`.
    kernel: "bicubic" (PULSE's), "area", "lanczos" or "nearest".
    starts: starting points per image; the best is returned.
    batch_size: starts (of all images) that run at once; None takes 4 at 128 px on a CPU, 64 on a GPU, and so on.
    stop_when_reached: whether a start ends at its first point within eps; otherwise it goes on to lower the loss.
    """

    steps: int = 100
    learning_rate: float = 0.4
    lr_schedule: str = "linear1cycledrop"
    opt_name: str = "adam"
    eps: float = 2e-3
    loss_str: str = "100*L2+0.05*GEOCROSS"
    noise_type: str = "trainable"
    num_trainable_noise_layers: int = 5
    bad_noise_layers: str = "17"
    tile_latent: bool = False
    seed: int | None = None
    space: str = "gaussianized"
    kernel: str = "bicubic"
    starts: int = 1
    batch_size: int | None = None
    stop_when_reached: bool = False

    def __post_init__(self) -> None:
        _whole("steps", self.steps, 0)
        _whole("num_trainable_noise_layers", self.num_trainable_noise_layers, 0)
        _whole("starts", self.starts, 1)
        if self.batch_size is not None:
            _whole("batch_size", self.batch_size, 1)
        if self.seed is not None:
            _whole("seed", self.seed, 0)
        if not (_finite(self.learning_rate) and self.learning_rate > 0):
            raise ValueError(f"The option learning_rate is {self.learning_rate!r}; give a number above 0.")
        if not (_finite(self.eps) and self.eps >= 0):
            raise ValueError(f"The option eps is {self.eps!r}; give a number of at least 0.")
        for name, choices in (
            ("lr_schedule", SCHEDULES),
            ("opt_name", OPTIMIZERS),
            ("noise_type", NOISE_TYPES),
            ("space", (*SPACES, "pulse")),
            ("kernel", KERNELS),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"The option {name} is {getattr(self, name)!r}; choose one of {', '.join(choices)}.")
        parse_bad_noise_layers(self.bad_noise_layers)
        if not any(name in ("L1", "L2") for _, name in parse_loss(self.loss_str).terms):
            raise ValueError(f"The loss {self.loss_str!r} compares nothing with the target; add a term L2 or L1.")


def _whole(name: str, value: int, least: int) -> None:
    try:
        fits = operator.index(value) >= least
    except TypeError:
        fits = False
    if not fits:
        raise ValueError(f"The option {name} is {value!r}; give a whole number of at least {least}.")


def _finite(value: float) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
