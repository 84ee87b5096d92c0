"""StyleGAN2's training loop: logistic loss, lazy R1 and path length, style mixing, augmentation, averaged weights."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylegan.networks.discriminator import Discriminator
from stylegan.networks.stylegan2 import Generator
from stylegan.training import distributed
from stylegan.training.augment import AdaptiveProbability, augment
from stylegan.training.dataset import Dataset, to_signed
from stylegan.training.losses import discriminator_loss, generator_loss, path_lengths, pyramid_distance, r1_penalty
from stylegan.training.metrics import Features, measure
from stylegan.training.networks import (
    copy_for_average,
    finite_gradients,
    grow_into,
    half_dtype,
    new_discriminator,
    new_generator,
    update_average,
)
from stylegan.training.options import Schedule, TrainingOptions
from stylegan.training.run import Run
from stylegan.training.snapshots import draw, grid_path, write_grid

_GRID = 64


def train(
    dataset: Dataset,
    folder: Path,
    options: TrainingOptions,
    schedule: Schedule,
    start_from: tuple[Generator, Discriminator | None] | None = None,
    device: str = "cpu",
    features: Features | None = None,
    tensorboard: bool = False,
) -> Generator:
    """Train a generator against a discriminator; returns the averaged generator.

    With `options.pair_weight` above 0 half of every batch is generated from latents whose portraits are known, without
    mixing, and held to them by `pyramid_distance` as well. Under torchrun each process takes its part of the batch.

    Args:
        dataset: what to learn from.
        folder: of the run, see `Run`; continued if it holds one.
        options: of the run.
        schedule: of this call.
        start_from: a generator of the same or a smaller resolution to begin with, and its discriminator if it is kept.
        device: "cpu", "cuda" or "cuda:N".
        features: see `metrics.measure`.
        tensorboard: write curves for TensorBoard too.

    Raises:
        ValueError: if the options do not fit the pictures, or the folder holds a run with other options.
    """
    n = _share_of_batch(options)
    if options.pair_weight > 0 and dataset.latents is None:
        raise ValueError("pair_weight needs pictures whose latents are known; train on rendered portraits.")
    if dataset.resolution != options.resolution:
        raise ValueError(
            f"The pictures have {dataset.resolution} px and the run {options.resolution}; make them agree."
        )
    torch.manual_seed(options.seed)
    generator, discriminator = new_generator(options, dataset.c_dim), new_discriminator(options, dataset.c_dim)
    if start_from is not None:
        grow_into(start_from[0], generator)
        if start_from[1] is not None:
            grow_into(start_from[1], discriminator)
    adaptive = AdaptiveProbability(options.augment_p, options.ada_target, options.ada_kimg)
    ema = copy_for_average(generator)
    modules = {"G": generator, "D": discriminator, "G_ema": ema, "augment": adaptive}
    for module in modules.values():
        module.to(device)
    run = Run(folder, options, schedule, modules, trained=["G", "D"], tensorboard=tensorboard)
    run.resume()
    look = _Look(dataset, options, folder)
    half = half_dtype(run.device)
    synthesis: Any = torch.compile(generator.synthesis) if options.compile else generator.synthesis
    judge: Any = torch.compile(discriminator) if options.compile else discriminator
    paired = n // 2 if options.pair_weight > 0 else 0
    p = float(adaptive.p) if options.augment != "none" else 0.0
    for step in run.steps():
        index = torch.randint(len(dataset), (n,))
        reals, c = to_signed(dataset.reals(index).to(device)), dataset.c(index).to(device)
        z = torch.randn(n, options.z_dim)
        if paired:
            assert dataset.latents is not None
            z[:paired] = dataset.latents[index[:paired]]
        z = z.to(device)

        # The generator's turn.
        discriminator.requires_grad_(False)
        ws = mixed_styles(generator, z, c, options.style_mixing, paired)
        fakes = synthesis(ws, noise_mode="random", half_dtype=half)
        loss = generator_loss(judge(augment(fakes, p), c, half_dtype=half))
        run.note("G", loss)
        if paired:
            distance = pyramid_distance(fakes[:paired], reals[:paired])
            run.note("pairs", distance)
            loss = loss + options.pair_weight * distance
        run.optimizers["G"].zero_grad(set_to_none=True)
        loss.backward()
        if options.pl_weight > 0 and step % options.pl_interval == 0:
            few = max(n // 2, 1)
            some = mixed_styles(generator, z[:few], c[:few], options.style_mixing)
            lengths = path_lengths(generator.synthesis(some, noise_mode="random", force_fp32=True), some)
            mean = run.pl_mean.lerp(distributed.average(lengths.detach().mean()), 0.01)
            run.pl_mean.copy_(mean)
            ((lengths - mean).square().mean() * options.pl_weight * options.pl_interval).backward()
            run.note("path_length", lengths.mean() * options.pl_interval)
        _step(run, "G", generator)
        generator.mapping.w_avg.copy_(distributed.average(generator.mapping.w_avg))

        # The discriminator's turn, on the same pictures.
        discriminator.requires_grad_(True)
        if options.mirror:
            reals = torch.where(torch.rand(n, 1, 1, 1, device=device) < 0.5, reals.flip(3), reals)
        reals = augment(reals, p)
        logits = judge(reals, c, half_dtype=half)
        loss = discriminator_loss(logits, judge(augment(fakes.detach(), p), c, half_dtype=half))
        run.note("D", loss)
        run.optimizers["D"].zero_grad(set_to_none=True)
        loss.backward()
        if step % options.r1_interval == 0:
            pictures = reals.detach().requires_grad_()
            penalty = r1_penalty(discriminator(pictures, c, force_fp32=True), pictures)
            (penalty * (options.r1_weight / 2 * options.r1_interval)).backward()
            run.note("r1", penalty * options.r1_interval)
        _step(run, "D", discriminator)

        sign = distributed.average(logits.detach().sign().mean())
        run.note("overfitting", sign)
        if options.augment == "ada":
            adaptive.update(sign, options.batch_size)
            p = float(adaptive.p)
        update_average(ema, generator, options, step)
        if run.due(schedule.metric_steps):
            run.tell(measure(ema, dataset, schedule.metric_pictures, features))
        run.log(**({"augment_p": round(p, 5)} if options.augment != "none" else {}))
        if run.due(schedule.grid_steps):
            look.write(ema, grid_path(folder, step + 1))
    if distributed.rank() == 0:
        look.write(ema, folder / "fakes.png")
    return ema


def mixed_styles(generator: Generator, z: Tensor, c: Tensor, share: float, unmixed: int = 0) -> Tensor:
    """Styles (N, num_ws, w_dim) of latents (N, z_dim) and labels (N, c_dim), some crossed over with further latents'.

    Karras et al. 2019, section 3.1: with probability `share` the styles from a random layer on come from elsewhere.
    The first `unmixed` rows are left as they are.
    """
    ws = generator.mapping(z, c, update_w_avg=True)
    if share <= 0:
        return ws
    others = generator.mapping(torch.randn_like(z), c)
    cut = torch.randint(1, generator.num_ws, (len(z), 1), device=z.device)
    cut = torch.where(torch.rand(len(z), 1, device=z.device) < share, cut, generator.num_ws)
    cut[:unmixed] = generator.num_ws
    layer = torch.arange(generator.num_ws, device=z.device)[None]
    return torch.where((layer < cut)[:, :, None], ws, others)


def _step(run: Run, name: str, network: torch.nn.Module) -> None:
    parameters = list(network.parameters())
    distributed.average_gradients(parameters)
    finite_gradients(parameters)
    run.optimizers[name].step()


def _share_of_batch(options: TrainingOptions) -> int:
    """How many pictures of a batch this process takes."""
    share, rest = divmod(options.batch_size, distributed.world_size())
    if rest or share == 0 or (share > 4 and share % 4):
        raise ValueError(
            f"A batch of {options.batch_size} pictures cannot be shared by {distributed.world_size()} processes in"
            " groups of 4; choose another size."
        )
    return share


class _Look:
    """The latents whose pictures a run's grids show, and once the real pictures."""

    def __init__(self, dataset: Dataset, options: TrainingOptions, folder: Path) -> None:
        random = torch.Generator().manual_seed(options.seed)
        self.z = torch.randn(_GRID, options.z_dim, generator=random)
        index = torch.randperm(len(dataset), generator=random)[:_GRID]
        self.c = dataset.c(index[torch.arange(_GRID) % len(index)])
        if distributed.rank() == 0:
            write_grid(folder / "reals.png", dataset.reals(index))

    def write(self, generator: Generator, path: Path) -> None:
        write_grid(path, draw(generator, self.z, self.c))
