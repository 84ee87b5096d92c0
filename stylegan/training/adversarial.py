"""StyleGAN2's training loop: logistic loss, lazy R1 and path length, style mixing, averaged weights."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylegan.stylegan2 import Generator
from stylegan.training import pairs
from stylegan.training.losses import discriminator_loss, generator_loss, path_lengths, pyramid_distance, r1_penalty
from stylegan.training.state import (
    Run,
    TrainingOptions,
    copy_for_average,
    finite_gradients,
    grow_into,
    half_dtype,
    new_discriminator,
    new_generator,
    update_average,
)


def mixed_styles(generator: Generator, z: Tensor, share: float) -> Tensor:
    """Styles (N, num_ws, w_dim) of latents (N, z_dim), some crossed over with those of further latents.

    Karras et al. 2019, section 3.1: with probability `share` the styles from a random layer on come from elsewhere.
    """
    ws = generator.mapping(z, update_w_avg=True)
    if share <= 0:
        return ws
    others = generator.mapping(torch.randn_like(z))
    cut = torch.randint(1, generator.num_ws, (len(z), 1), device=z.device)
    cut = torch.where(torch.rand(len(z), 1, device=z.device) < share, cut, generator.num_ws)
    layer = torch.arange(generator.num_ws, device=z.device)[None]
    return torch.where((layer < cut)[:, :, None], ws, others)


def train(
    data: Path,
    folder: Path,
    options: TrainingOptions,
    kimg: float,
    minutes: float | None = None,
    start_from: Generator | None = None,
    save_minutes: float = 5.0,
    log_steps: int = 50,
    device: str = "cpu",
) -> Generator:
    """Train a generator against a discriminator; returns the averaged generator.

    With `options.pair_weight` above 0 half of every batch is generated from latents whose portraits are known, without
    mixing, and held to them by `pyramid_distance` as well.

    Arguments and errors as in `warm_start.warm_start`.
    """
    z_all, pictures_all = pairs.read_shards(data, options.resolution)
    torch.manual_seed(options.seed)
    generator, discriminator = new_generator(options, pairs.Z_DIM), new_discriminator(options)
    if start_from is not None:
        grow_into(start_from, generator)
    average = copy_for_average(generator)
    modules = {"G": generator.to(device), "D": discriminator.to(device), "G_ema": average.to(device)}
    run = Run(folder, options, modules, trained=["G", "D"])
    run.pl_mean = run.pl_mean.to(device)
    run.resume()
    half = half_dtype(torch.device(device))
    synthesis: Any = torch.compile(generator.synthesis) if options.compile else generator.synthesis
    judge: Any = torch.compile(discriminator) if options.compile else discriminator
    n = options.batch_size
    paired = n // 2 if options.pair_weight > 0 else 0
    for step in run.steps(kimg, minutes, save_minutes):
        index = torch.randint(len(z_all), (n,))
        reals = pairs.to_signed(pictures_all[index].to(device))
        z = torch.cat([z_all[index[:paired]], torch.randn(n - paired, pairs.Z_DIM)]).to(device)

        # The generator's turn.
        discriminator.requires_grad_(False)
        ws = torch.cat(
            [mixed_styles(generator, z[:paired], 0), mixed_styles(generator, z[paired:], options.style_mixing)]
            if paired
            else [mixed_styles(generator, z, options.style_mixing)]
        )
        fakes = synthesis(ws, noise_mode="random", half_dtype=half)
        loss = generator_loss(judge(fakes, half_dtype=half))
        run.note("G", loss)
        if paired:
            distance = pyramid_distance(fakes[:paired], reals[:paired])
            run.note("pairs", distance)
            loss = loss + options.pair_weight * distance
        run.optimizers["G"].zero_grad(set_to_none=True)
        loss.backward()
        if options.pl_weight > 0 and step % options.pl_interval == 0:
            few = mixed_styles(generator, z[: max(n // 2, 1)], options.style_mixing)
            lengths = path_lengths(generator.synthesis(few, noise_mode="random", force_fp32=True), few)
            mean = run.pl_mean.lerp(lengths.mean(), 0.01)
            run.pl_mean.copy_(mean.detach())
            ((lengths - mean).square().mean() * options.pl_weight * options.pl_interval).backward()
            run.note("path_length", lengths.mean() * options.pl_interval)
        finite_gradients(list(generator.parameters()))
        run.optimizers["G"].step()

        # The discriminator's turn, on the same pictures.
        discriminator.requires_grad_(True)
        loss = discriminator_loss(judge(reals, half_dtype=half), judge(fakes.detach(), half_dtype=half))
        run.note("D", loss)
        run.optimizers["D"].zero_grad(set_to_none=True)
        loss.backward()
        if step % options.r1_interval == 0:
            pictures = reals.detach().requires_grad_()
            penalty = r1_penalty(discriminator(pictures, force_fp32=True), pictures)
            (penalty * (options.r1_weight / 2 * options.r1_interval)).backward()
            run.note("r1", penalty * options.r1_interval)
        finite_gradients(list(discriminator.parameters()))
        run.optimizers["D"].step()

        update_average(average, generator, options, step)
        run.log(log_steps)
    return average
