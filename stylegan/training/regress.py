"""Regression: teaches a generator the portrait of each latent, without a discriminator.

It warm-starts a GAN: on two CPU cores it reaches in minutes what a discriminator needs days to teach.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stylegan.common.pixels import bytes_to_signed
from stylegan.networks.stylegan2 import Generator
from stylegan.portraits import COORDINATES, truth
from stylegan.portraits.skin_places import skin_places
from stylegan.training import distributed
from stylegan.training.dataset import Dataset
from stylegan.training.growth import grow_into
from stylegan.training.losses import pyramid_distance, skin_distance, texture_distance
from stylegan.training.metrics import measure
from stylegan.training.muon import Muon
from stylegan.training.networks import (
    copy_for_average,
    draw,
    export_generator,
    half_dtype,
    new_generator,
    update_average,
    weights_from,
)
from stylegan.training.options import TrainingOptions
from stylegan.training.pairs import coordinates_of

_GRID = 64
# The first pairs are never trained on: this share of them, and at most so many. They stay the first when more are
# rendered.
_HELD_OUT, _HELD_OUT_AT_MOST = 1 / 16, 1024


class Regression:
    """A generator that learns to draw the portrait of each z: a `task.Task` for one process.

    Args:
        dataset: portraits with their latents.
        options: of the run.
        device: "cpu" or "cuda".
        start: a generator to begin with, of any resolution; the layers that both have are taken from it.

    Raises:
        ValueError: if the latents of the pictures are not known, the options do not fit, or there are more processes.
    """

    name = "generator"

    def __init__(
        self, dataset: Dataset, options: TrainingOptions, device: str = "cpu", start: Generator | None = None
    ) -> None:
        if dataset.latents is None:
            raise ValueError("A regression needs pictures whose latents are known; train on rendered portraits.")
        if dataset.resolution != options.resolution:
            raise ValueError(
                f"The pictures have {dataset.resolution} px and the run {options.resolution}; make them agree."
            )
        if dataset.latents.shape[1] != options.z_dim:
            raise ValueError(
                f"The latents of the portraits have {dataset.latents.shape[1]} numbers and the run's z_dim is"
                f" {options.z_dim}; make them agree."
            )
        if distributed.world_size() > 1:
            raise ValueError("A regression runs in one process; start it without torchrun.")
        self.options = options
        self.dataset = dataset
        self.latents = dataset.latents
        self.held_out = min(int(len(dataset) * _HELD_OUT), _HELD_OUT_AT_MOST)
        with weights_from(options.seed):
            self.G = new_generator(options)
        if start is not None:
            grow_into(start, self.G)
        self.G_ema = copy_for_average(self.G)
        self.modules: dict[str, nn.Module] = {"G": self.G.to(device), "G_ema": self.G_ema.to(device)}
        self.device = torch.device(device)
        kind = Muon if options.optimizer == "muon" else torch.optim.Adam
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "G": kind(self.G.parameters(), lr=options.learning_rate, betas=(0.9, 0.99), eps=1e-8)
        }
        self._synthesis: Any = torch.compile(self.G.synthesis) if options.compile else self.G.synthesis

    def step(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """One step down the distance between images and portraits on each scale, and those that the options add."""
        self._set_rate(step)
        index = torch.randint(
            self.held_out, len(self.dataset), (self.options.batch_size,), generator=rng, device=rng.device
        ).cpu()
        z = self.latents[index].to(self.device)
        portraits = bytes_to_signed(self.dataset.reals(index).to(self.device))
        ws = self.G.mapping(z, update_emas=True)
        images = self._synthesis(ws, noise_mode="none", half_dtype=half_dtype(self.device))
        loss = pyramid_distance(images, portraits)
        numbers = {"loss": loss.detach()}
        if self.options.texture_weight:
            texture = texture_distance(images, portraits, rng)
            numbers["texture"] = texture.detach()
            loss = loss + self.options.texture_weight * texture
        if self.options.skin_weight:
            skin = skin_distance(images, portraits, self._places(index))
            numbers["skin"] = skin.detach()
            loss = loss + self.options.skin_weight * skin
        self.optimizers["G"].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers["G"].step()
        update_average(self.G_ema, self.G, self.options, step)
        return numbers

    def _set_rate(self, step: int) -> None:
        """The learning rate that `decay_kimg` leaves at a step."""
        end = self.options.decay_kimg * 1000
        left = max(0.0, 1 - step * self.options.batch_size / end) if end else 1.0
        for group in self.optimizers["G"].param_groups:
            group["lr"] = self.options.learning_rate * left

    def _places(self, index: Tensor) -> Tensor:
        """Where portraits have skin: (N, 4, R, R)."""
        facts = truth(coordinates_of(self.latents[index]), self.options.resolution)
        landmarks = torch.stack([fact.landmarks for fact in facts])
        return skin_places(landmarks, self.options.resolution).to(self.device)

    def pictures(self) -> dict[str, Tensor]:
        """Images of the averaged generator, of the latents of `examples`."""
        return {"fakes": self._drawn(self._grid())}

    def examples(self) -> Tensor:
        """Portraits (N, 3, R, R) of uint8 to compare `pictures` with, none of them trained on if there are enough."""
        return self.dataset.reals(self._grid())

    def measure(self, count: int) -> dict[str, float]:
        """The distances of `metrics.measure`, and those to portraits that are not trained on.

        "distance" is the `losses.pyramid_distance` of up to `count` of them. Those of people and of other characters
        are "distance_people" and "distance_others".
        """
        numbers = measure(self.G_ema, self.dataset, count)
        rows = torch.arange(self.held_out)[:count]
        if len(rows) == 0:
            return numbers
        groups = {"distance": rows}
        if self.options.z_dim > len(COORDINATES):
            others = self.latents[rows, len(COORDINATES)] > 0
            groups = {"distance_people": rows[~others], "distance_others": rows[others]}
        for name, group in groups.items():
            if len(group):
                images, portraits = (bytes_to_signed(some) for some in (self._drawn(group), self.dataset.reals(group)))
                numbers[name] = round(float(pyramid_distance(images, portraits)), 5)
        return numbers

    def _grid(self) -> Tensor:
        return torch.arange(min(_GRID, len(self.dataset)))

    def _drawn(self, rows: Tensor) -> Tensor:
        z = self.latents[rows]
        return draw(self.G_ema, z, torch.zeros(len(z), 0))

    def export(self, path: Path) -> None:
        """Writes the averaged generator with its gaussian fit."""
        export_generator(self.G_ema, path)
