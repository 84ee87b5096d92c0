"""Teaching a generator the renderer by regression: G(z) is to be the portrait that z stands for."""

from pathlib import Path
from typing import Any

import torch

from stylegan.stylegan2 import Generator
from stylegan.training import pairs
from stylegan.training.losses import pyramid_distance
from stylegan.training.state import (
    Run,
    TrainingOptions,
    copy_for_average,
    grow_into,
    half_dtype,
    new_generator,
    update_average,
)


def warm_start(
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
    """Train on the pairs of a folder; returns the averaged generator.

    Args:
        data: folder of `pairs.render_shards`.
        folder: of the run, see `Run`; continued if it holds one.
        options: of the run.
        kimg: length of the run in thousands of pictures.
        minutes: stop earlier, after so many minutes of this call.
        start_from: a generator of the same or a smaller resolution to begin with.
        save_minutes: minutes between two saves.
        log_steps: steps between two lines of the log.
        device: "cpu" or "cuda".

    Raises:
        ValueError: if there are no pairs, or the folder holds a run with other options.
    """
    z_all, pictures_all = pairs.read_shards(data, options.resolution)
    torch.manual_seed(options.seed)
    generator = new_generator(options, pairs.Z_DIM)
    if start_from is not None:
        grow_into(start_from, generator)
    average = copy_for_average(generator)
    run = Run(folder, options, {"G": generator.to(device), "G_ema": average.to(device)}, trained=["G"])
    run.resume()
    synthesis: Any = torch.compile(generator.synthesis) if options.compile else generator.synthesis
    for step in run.steps(kimg, minutes, save_minutes):
        index = torch.randint(len(z_all), (options.batch_size,))
        z, pictures = z_all[index].to(device), pairs.to_signed(pictures_all[index].to(device))
        ws = generator.mapping(z, update_w_avg=True)
        images = synthesis(ws, noise_mode="none", half_dtype=half_dtype(z.device))
        loss = pyramid_distance(images, pictures)
        run.optimizers["G"].zero_grad(set_to_none=True)
        loss.backward()
        run.optimizers["G"].step()
        update_average(average, generator, options, step)
        run.note("loss", loss)
        run.log(log_steps)
    return average
