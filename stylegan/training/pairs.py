"""Portraits and their latents.

A portrait is a point of the unit cube (`stylegan.portraits`), and each coordinate of a generator's normalised z is
nearly unit normal. So the normal distribution function maps every z to a portrait, and a network can learn the renderer
by plain regression.
"""

import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stylegan import portraits
from stylegan.common.files import check_room, whole_file
from stylegan.common.pixels import to_bytes
from stylegan.common.processes import in_processes
from stylegan.networks.layers import normalize_2nd_moment
from stylegan.training.dataset import Dataset

Z_DIM = 64
SHARD = 512
# Pictures rendered at a time: few, so that an interrupted run ends soon.
_PART = 32


def coordinates_of(z: Tensor) -> Tensor:
    """The portraits, points (N, K) of the unit cube, of latents (N, 64)."""
    return torch.special.ndtr(normalize_2nd_moment(z.double())).float()[:, : len(portraits.COORDINATES)]


def render_shards(
    folder: Path,
    count: int,
    resolution: int = 128,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    processes: int = 1,
) -> None:
    """Renders `count` pairs, rounded up to files of 512. Existing files are kept, so a killed call resumes.

    Each file holds `z` (512, 64) float32 and `pictures` (512, 3, resolution, resolution) uint8.

    Args:
        folder: for the files; made if it is missing.
        count: how many pairs.
        resolution: pixels a side.
        seed: of the latents.
        progress: called with the number of pairs that exist.
        processes: how many render, each with one thread. A program that asks for more than one must begin behind
            `if __name__ == "__main__"`.

    Raises:
        DiskFullError: if there is no room for the files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = range(-(-count // SHARD))
    missing = [i for i in shards if not _path(folder, seed, i).exists()]
    check_room(folder, len(missing) * SHARD * 3 * resolution**2, f"{len(missing) * SHARD} portraits")
    jobs = ((part.numpy(), resolution) for i in missing for part in _latents(seed, i).split(_PART))
    rendered = in_processes(_render_part, jobs, processes)
    for i in shards:
        path = _path(folder, seed, i)
        if i in missing:
            pictures = np.concatenate(list(islice(rendered, SHARD // _PART)))
            with whole_file(path) as part, part.open("wb") as file:
                np.savez(file, z=_latents(seed, i).numpy(), pictures=pictures)
        if progress is not None:
            progress(min((i + 1) * SHARD, count))


def _path(folder: Path, seed: int, shard: int) -> Path:
    return folder / f"pairs_{seed}_{shard:05d}.npz"


def _latents(seed: int, shard: int) -> Tensor:
    return torch.randn(SHARD, Z_DIM, generator=torch.Generator().manual_seed(seed * 1_000_003 + shard))


def _render_part(job: tuple[NDArray[np.float32], int]) -> NDArray[np.uint8]:
    z, resolution = job
    return to_bytes(portraits.render(coordinates_of(torch.from_numpy(z)), resolution)).numpy()


def are_in(folder: Path) -> bool:
    """Whether a folder holds files of `render_shards`."""
    return next(folder.glob("pairs_*.npz"), None) is not None


def dataset_of(folder: Path, resolution: int | None = None) -> Dataset:
    """The pairs of a folder as a dataset with latents; same arguments and errors as `read_shards`."""
    z, pictures = read_shards(folder, resolution)
    return Dataset(pictures.numpy(), latents=z)


def read_shards(folder: Path, resolution: int | None = None) -> tuple[Tensor, Tensor]:
    """All pairs of a folder: z (N, 64) and pictures (N, 3, R, R) uint8, reduced by area to `resolution`.

    Args:
        folder: of `render_shards`.
        resolution: None for that of the first file.

    Raises:
        ValueError: if the folder has none, a file is damaged, or pictures are smaller than `resolution`.
    """
    paths = sorted(folder.glob("pairs_*.npz"))
    if not paths:
        raise ValueError(f"{folder} holds no pairs; render some with `stylegan render-pairs`.")
    zs, parts = [], []
    for path in paths:
        try:
            with np.load(path) as data:
                pictures, z = torch.from_numpy(data["pictures"]), torch.from_numpy(data["z"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path} cannot be read; remove it and render it again.") from error
        size = pictures.shape[-1]
        resolution = resolution or size
        if size < resolution:
            raise ValueError(f"{path} holds pictures of {size} px; the run asks for {resolution} px.")
        if size > resolution:
            pictures = to_bytes(torch.nn.functional.adaptive_avg_pool2d(pictures.float() / 255, resolution))
        zs.append(z)
        parts.append(pictures)
    return torch.cat(zs), torch.cat(parts)
