"""StyleGAN2's training: logistic loss, lazy R1 and path length, style mixing, augmentation, averaged weights.

Karras et al. 2020, Analyzing and Improving the Image Quality of StyleGAN; augmentation of Karras et al. 2020, Training
Generative Adversarial Networks with Limited Data.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stylegan.common.pixels import bytes_to_signed
from stylegan.networks.discriminator import Discriminator
from stylegan.networks.stylegan2 import Generator
from stylegan.training import distributed
from stylegan.training.augment import AdaptiveProbability, augment
from stylegan.training.dataset import Dataset
from stylegan.training.growth import grow_into
from stylegan.training.losses import discriminator_loss, generator_loss, path_lengths, pyramid_distance, r1_penalty
from stylegan.training.metrics import Features, measure
from stylegan.training.networks import (
    copy_for_average,
    draw,
    export_generator,
    finite_gradients,
    half_dtype,
    new_discriminator,
    new_generator,
    random_noise,
    update_average,
    weights_from,
)
from stylegan.training.options import TrainingOptions

_GRID = 64


class PathLengthMean(nn.Module):
    """The running mean of the path lengths, which the penalty pulls each length to (Karras et al. 2020, equation 4)."""

    def __init__(self, decay: float = 0.01) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("mean", torch.zeros([]))
        self.mean: Tensor

    def update(self, lengths: Tensor) -> Tensor:
        """Moves the mean towards that of lengths (N,), over all processes; returns it."""
        self.mean.lerp_(distributed.average(lengths.detach().mean()), self.decay)
        return self.mean.clone()


class Gan:
    """A generator that is trained against a discriminator: a `task.Task`.

    With `options.pair_weight` above 0, half of every batch is generated from latents whose portraits are known, without
    style mixing, and is held to these portraits by `pyramid_distance` as well. Under torchrun each process takes its
    part of the batch.

    Args:
        dataset: what to learn from.
        options: of the run.
        device: "cpu", "cuda" or "cuda:N".
        start: a generator of the same or a smaller resolution to begin with, and its discriminator if there is one.
        features: for FID and KID, see `metrics.measure`.

    Raises:
        ValueError: if the options do not fit the pictures, the processes or the networks to begin with.
    """

    name = "generator"

    def __init__(
        self,
        dataset: Dataset,
        options: TrainingOptions,
        device: str = "cpu",
        start: tuple[Generator, Discriminator | None] | None = None,
        features: Features | None = None,
    ) -> None:
        if options.pair_weight > 0 and dataset.latents is None:
            raise ValueError("pair_weight needs pictures whose latents are known; train on rendered portraits.")
        if dataset.resolution != options.resolution:
            raise ValueError(
                f"The pictures have {dataset.resolution} px and the run {options.resolution}; make them agree."
            )
        self.options = options
        self.dataset = dataset
        self.features = features
        self.share = distributed.share_of_batch(options.batch_size)
        with weights_from(options.seed):
            self.G, self.D = new_generator(options, dataset.c_dim), new_discriminator(options, dataset.c_dim)
        if start is not None:
            grow_into(start[0], self.G)
            if start[1] is not None:
                grow_into(start[1], self.D)
        self.G_ema = copy_for_average(self.G)
        self.adaptive = AdaptiveProbability(options.augment_p, options.ada_target, options.ada_kimg)
        self.path_length = PathLengthMean()
        self.modules: dict[str, nn.Module] = {
            "G": self.G,
            "D": self.D,
            "G_ema": self.G_ema,
            "augment": self.adaptive,
            "path_length": self.path_length,
        }
        for module in self.modules.values():
            module.to(device)
        self.device = torch.device(device)
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.Adam(self.modules[name].parameters(), options.learning_rate, betas=(0.0, 0.99), eps=1e-8)
            for name in ("G", "D")
        }
        self._synthesis: Any = torch.compile(self.G.synthesis) if options.compile else self.G.synthesis
        self._discriminator: Any = torch.compile(self.D) if options.compile else self.D
        # The grids always show the same latents and labels.
        rng = torch.Generator().manual_seed(options.seed)
        self._grid_z = torch.randn(_GRID, options.z_dim, generator=rng)
        self._grid_reals = torch.randperm(len(dataset), generator=rng)[:_GRID]
        self._grid_c = dataset.c(self._grid_reals[torch.arange(_GRID) % len(self._grid_reals)])

    def step(self, step: int, rng: torch.Generator) -> dict[str, Tensor]:
        """The generator's turn and then the discriminator's, on the same pictures."""
        options, dataset, n = self.options, self.dataset, self.share
        paired = n // 2 if options.pair_weight > 0 else 0
        p = float(self.adaptive.p) if options.augment != "none" else 0.0
        index = torch.randint(len(dataset), (n,), generator=rng, device=rng.device).cpu()
        reals, c = bytes_to_signed(dataset.reals(index).to(self.device)), dataset.c(index).to(self.device)
        z = torch.randn(n, options.z_dim, generator=rng, device=rng.device)
        if paired:
            assert dataset.latents is not None
            z[:paired] = dataset.latents[index[:paired]].to(self.device)
        fakes, numbers = self._step_generator(step, z, c, reals[:paired], p, rng)
        numbers |= self._step_discriminator(step, fakes.detach(), reals, c, p, rng)
        if options.augment == "ada":
            self.adaptive.update(numbers["overfitting"], options.batch_size)
        if options.augment != "none":
            numbers["augment_p"] = self.adaptive.p.clone()
        update_average(self.G_ema, self.G, options, step)
        return numbers

    def pictures(self) -> dict[str, Tensor]:
        """Images of the averaged generator."""
        return {"fakes": draw(self.G_ema, self._grid_z, self._grid_c)}

    def examples(self) -> Tensor:
        """Real pictures (N, 3, R, R) of uint8 to compare `pictures` with."""
        return self.dataset.reals(self._grid_reals)

    def measure(self, count: int) -> dict[str, float]:
        """The distances of `metrics.measure`."""
        return measure(self.G_ema, self.dataset, count, self.features)

    def export(self, path: Path) -> None:
        """Writes the averaged generator with its gaussian fit."""
        export_generator(self.G_ema, path)

    def _step_generator(
        self, step: int, z: Tensor, c: Tensor, portraits: Tensor, p: float, rng: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Updates the generator; returns its images of z. With portraits, the first rows of z are their latents."""
        options, paired, half = self.options, len(portraits), half_dtype(self.device)
        self.D.requires_grad_(False)
        ws = mixed_styles(self.G, z, c, options.style_mixing, rng, unmixed=paired)
        fakes = self._synthesis(ws, noise=random_noise(self.G, len(z), rng), half_dtype=half)
        loss = generator_loss(self._discriminator(augment(fakes, p, rng), c, half_dtype=half))
        numbers = {"G": loss.detach()}
        if paired:
            distance = pyramid_distance(fakes[:paired], portraits)
            numbers["pairs"] = distance.detach()
            loss = loss + options.pair_weight * distance
        self.optimizers["G"].zero_grad(set_to_none=True)
        loss.backward()
        if options.pl_weight > 0 and step % options.pl_interval == 0:
            few = max(len(z) // 2, 1)
            ws = mixed_styles(self.G, z[:few], c[:few], options.style_mixing, rng)
            images = self.G.synthesis(ws, noise=random_noise(self.G, few, rng), force_fp32=True)
            lengths = path_lengths(images, ws, rng)
            mean = self.path_length.update(lengths)
            ((lengths - mean).square().mean() * options.pl_weight * options.pl_interval).backward()
            numbers["path_length"] = lengths.detach().mean() * options.pl_interval
        self._update("G")
        self.G.mapping.w_avg.copy_(distributed.average(self.G.mapping.w_avg))
        return fakes, numbers

    def _step_discriminator(
        self, step: int, fakes: Tensor, reals: Tensor, c: Tensor, p: float, rng: torch.Generator
    ) -> dict[str, Tensor]:
        """Updates the discriminator; "overfitting" is the mean sign of its logits of real pictures."""
        options, half = self.options, half_dtype(self.device)
        self.D.requires_grad_(True)
        if options.mirror:
            mirrored = torch.rand(len(reals), 1, 1, 1, generator=rng, device=rng.device) < 0.5
            reals = torch.where(mirrored, reals.flip(3), reals)
        reals = augment(reals, p, rng)
        real_logits = self._discriminator(reals, c, half_dtype=half)
        loss = discriminator_loss(real_logits, self._discriminator(augment(fakes, p, rng), c, half_dtype=half))
        numbers = {"D": loss.detach()}
        self.optimizers["D"].zero_grad(set_to_none=True)
        loss.backward()
        if step % options.r1_interval == 0:
            pictures = reals.detach().requires_grad_()
            penalty = r1_penalty(self.D(pictures, c, force_fp32=True), pictures)
            (penalty * (options.r1_weight / 2 * options.r1_interval)).backward()
            numbers["r1"] = penalty.detach() * options.r1_interval
        self._update("D")
        numbers["overfitting"] = distributed.average(real_logits.detach().sign().mean())
        return numbers

    def _update(self, name: str) -> None:
        parameters = list(self.modules[name].parameters())
        distributed.average_gradients(parameters)
        finite_gradients(parameters)
        self.optimizers[name].step()


def mixed_styles(
    generator: Generator, z: Tensor, c: Tensor, share: float, rng: torch.Generator, unmixed: int = 0
) -> Tensor:
    """Styles (N, num_ws, w_dim) of latents, in a share of which the later layers take those of other latents.

    Style mixing of Karras et al. 2019, section 3.1. The layer from which on the other styles count is random.

    Args:
        generator: its running average of w takes in the styles of z.
        z: latents (N, z_dim), on the device of `rng`.
        c: labels (N, c_dim).
        share: probability that a row is mixed.
        rng: what the other latents, the rows and the layers are drawn from.
        unmixed: how many rows, from the first, are never mixed.
    """
    ws = generator.mapping(z, c, update_emas=True)
    if share <= 0:
        return ws
    device = rng.device
    others = generator.mapping(torch.randn(z.shape, generator=rng, device=device), c)
    cut = torch.randint(1, generator.num_ws, (len(z), 1), generator=rng, device=device)
    cut = torch.where(torch.rand(len(z), 1, generator=rng, device=device) < share, cut, generator.num_ws)
    cut[:unmixed] = generator.num_ws
    layer = torch.arange(generator.num_ws, device=device)[None]
    return torch.where((layer < cut)[:, :, None], ws, others)
