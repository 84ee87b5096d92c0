"""Portraits with the latent that each of them belongs to.

A portrait is a point of the unit cube (`stylegan.portraits`), and a normalised z of a generator is, coordinate by
coordinate, close to unit normal. So the normal distribution function carries every z to a portrait, and the renderer
can be taught to a network as plain regression before any adversarial training begins: on two CPU cores that reaches
in minutes what a discriminator needs days to teach.
"""

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stylegan import portraits
from stylegan.common.processes import in_processes
from stylegan.networks.layers import normalize_2nd_moment
from stylegan.training.dataset import Dataset

Z_DIM = 64
SHARD = 512
# Pictures rendered at a time: few, so that an interrupted run ends soon.
_PART = 32


def coordinates_of(z: Tensor) -> Tensor:
    """The portraits (N, K) in [0, 1] that latents (N, 64) stand for."""
    return torch.special.ndtr(normalize_2nd_moment(z.double())).float()[:, : len(portraits.COORDINATES)]


def render_shards(
    folder: Path,
    count: int,
    resolution: int = 128,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    processes: int = 1,
) -> None:
    """Render `count` pairs into files of 512; files that are there already are kept, so a killed run resumes.

    Each file holds `z` (512, 64) float32 and `pictures` (512, 3, resolution, resolution) uint8 and appears whole or
    not at all. More than one of the `processes` of one thread each need a program that begins behind
    `if __name__ == "__main__"`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = range(-(-count // SHARD))
    missing = [i for i in shards if not _path(folder, seed, i).exists()]
    jobs = ((part.numpy(), resolution) for i in missing for part in _latents(seed, i).split(_PART))
    rendered = in_processes(_render_part, jobs, processes)
    for i in shards:
        path = _path(folder, seed, i)
        if i in missing:
            pictures = np.concatenate(list(islice(rendered, SHARD // _PART)))
            beside = path.with_suffix(".part")
            with beside.open("wb") as file:
                np.savez(file, z=_latents(seed, i).numpy(), pictures=pictures)
            beside.replace(path)
        if progress is not None:
            progress(min((i + 1) * SHARD, count))


def _path(folder: Path, seed: int, shard: int) -> Path:
    return folder / f"pairs_{seed}_{shard:05d}.npz"


def _latents(seed: int, shard: int) -> Tensor:
    return torch.randn(SHARD, Z_DIM, generator=torch.Generator().manual_seed(seed * 1_000_003 + shard))


def _render_part(job: tuple[NDArray[np.float32], int]) -> NDArray[np.uint8]:
    z, resolution = job
    return to_bytes(portraits.render(coordinates_of(torch.from_numpy(z)), resolution)).numpy()


def dataset_of(folder: Path, resolution: int) -> Dataset:
    """The pairs of a folder as a dataset with latents; errors as in `read_shards`."""
    z, pictures = read_shards(folder, resolution)
    return Dataset(pictures.numpy(), latents=z)


def read_shards(folder: Path, resolution: int) -> tuple[Tensor, Tensor]:
    """All pairs of a folder: z (N, 64) and pictures (N, 3, R, R) uint8, reduced by area to `resolution`.

    Raises:
        ValueError: if the folder has none, or its pictures are smaller than `resolution`.
    """
    paths = sorted(folder.glob("pairs_*.npz"))
    if not paths:
        raise ValueError(f"{folder} holds no pairs; render some with `python -m stylegan.training render`.")
    zs, parts = [], []
    for path in paths:
        with np.load(path) as data:
            pictures = torch.from_numpy(data["pictures"])
            zs.append(torch.from_numpy(data["z"]))
        size = pictures.shape[-1]
        if size < resolution:
            raise ValueError(f"{path} holds pictures of {size} px; the run asks for {resolution} px.")
        if size > resolution:
            pictures = to_bytes(torch.nn.functional.adaptive_avg_pool2d(pictures.float() / 255, resolution))
        parts.append(pictures)
    return torch.cat(zs), torch.cat(parts)


def to_bytes(pictures: Tensor) -> Tensor:
    """Pictures in [0, 1] as uint8."""
    return pictures.mul(255).round().clamp(0, 255).to(torch.uint8)
