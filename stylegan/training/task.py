"""The interface of what a run trains; `gan.Gan` and `regress.Regression` are tasks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Task(Protocol):
    """What a run trains.

    Attributes:
        name: of the product: a run writes NAME.safetensors.
        options: a frozen dataclass with `seed` and `batch_size` (pictures a step, over all processes); a run is only
            continued with the options that it began with.
        modules: what is saved, by name: networks, averages, and what else the next step needs. All on one device.
        optimizers: what is saved of the optimisation, by name.
    """

    name: str
    options: Any
    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]

    def step(self, step: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        """Takes step number `step`, from 0; returns numbers for the log, which are averaged between two lines.

        A number that is only known every k steps is returned k times as large. Everything random is drawn from `rng`,
        which is on the device of the modules.
        """

    def pictures(self) -> Mapping[str, Tensor]:
        """Pictures for the grids, (N, 3, R, R) of uint8 by name, always of the same inputs."""

    def measure(self, count: int) -> Mapping[str, float]:
        """Numbers that cost more than a step, from about `count` pictures."""

    def export(self, path: Path) -> None:
        """Writes what the task has made so far as a safetensors file, whole or not at all."""
