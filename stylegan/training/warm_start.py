"""Teaching a generator the renderer by regression: G(z) is to be the portrait that z stands for."""

from pathlib import Path
from typing import Any

import torch

from stylegan.networks.stylegan2 import Generator
from stylegan.training.dataset import Dataset, to_signed
from stylegan.training.losses import pyramid_distance, texture_distance
from stylegan.training.networks import copy_for_average, grow_into, half_dtype, new_generator, update_average
from stylegan.training.options import Schedule, TrainingOptions
from stylegan.training.run import Run


def warm_start(
    dataset: Dataset,
    folder: Path,
    options: TrainingOptions,
    schedule: Schedule,
    start_from: Generator | None = None,
    device: str = "cpu",
) -> Generator:
    """Train on pictures whose latents are known, in one process; returns the averaged generator.

    Args and errors as in `gan.train`.
    """
    if dataset.latents is None:
        raise ValueError("A warm start needs pictures whose latents are known; train on rendered portraits.")
    torch.manual_seed(options.seed)
    generator = new_generator(options)
    if start_from is not None:
        grow_into(start_from, generator)
    ema = copy_for_average(generator)
    run = Run(folder, options, schedule, {"G": generator.to(device), "G_ema": ema.to(device)}, trained=["G"])
    run.resume()
    synthesis: Any = torch.compile(generator.synthesis) if options.compile else generator.synthesis
    for step in run.steps():
        index = torch.randint(len(dataset), (options.batch_size,))
        z, pictures = dataset.latents[index].to(device), to_signed(dataset.reals(index).to(device))
        ws = generator.mapping(z, update_w_avg=True)
        images = synthesis(ws, noise_mode="none", half_dtype=half_dtype(z.device))
        loss = pyramid_distance(images, pictures)
        run.note("loss", loss)
        if options.texture_weight:
            texture = texture_distance(images, pictures)
            run.note("texture", texture)
            loss = loss + options.texture_weight * texture
        run.optimizers["G"].zero_grad(set_to_none=True)
        loss.backward()
        run.optimizers["G"].step()
        update_average(ema, generator, options, step)
        run.log()
    return ema
