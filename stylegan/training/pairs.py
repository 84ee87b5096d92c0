"""Portraits and their latents.

A portrait is a point of the unit cube (`stylegan.portraits`), and each coordinate of a generator's normalised z is
nearly unit normal. So the normal distribution function maps every z to a portrait, and a network can learn the renderer
by plain regression. A latent is as long as the portrait's point: 64 for people, 128 for characters.
"""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from stylegan.portraits.held_out import check_seed
from stylegan.training.dataset import Dataset

SHARD = 512
# Pictures rendered at a time: few, so that an interrupted run ends soon.
_PART = 32


def z_dim_of(kind: str) -> int:
    """Length of a latent for portraits of a kind: 64 for "people", 128 for "characters".

    Raises:
        ValueError: if there is no such kind.
    """
    if kind not in portraits.KINDS:
        raise ValueError(f"The kind of portraits is {kind!r}; give one of {', '.join(portraits.KINDS)}.")
    return len(portraits.COORDINATES) + (0 if kind == "people" else len(portraits.EXTRAS))


def kind_of(z_dim: int) -> str:
    """The kind of portraits for latents of that length; the inverse of `z_dim_of`.

    Raises:
        ValueError: if portraits of no kind have latents of that length.
    """
    lengths = {z_dim_of(kind): kind for kind in portraits.KINDS}
    if z_dim not in lengths:
        known = " or ".join(f"{length} for {kind}" for length, kind in lengths.items())
        raise ValueError(f"Latents of length {z_dim} stand for no portraits; give a z_dim of {known}.")
    return lengths[z_dim]


def coordinates_of(z: Tensor) -> Tensor:
    """The portraits, points (N, K) of the unit cube, of latents (N, K); K is 64 for people and 128 for characters.

    Raises:
        ValueError: if K is another length.
    """
    kind_of(z.shape[1])
    return torch.special.ndtr(normalize_2nd_moment(z.double())).float()


def render_shards(
    folder: Path,
    count: int,
    resolution: int = 128,
    seed: int = 0,
    kind: str = "people",
    progress: Callable[[int], None] | None = None,
    processes: int = 1,
) -> None:
    """Renders `count` pairs, rounded up to files of 512. Existing files are kept, so a killed call resumes.

    Each file holds `z` (512, K) float32, `pictures` (512, 3, resolution, resolution) uint8, and the `kind`.

    Args:
        folder: for the files; made if it is missing.
        count: how many pairs.
        resolution: pixels a side.
        seed: of the latents.
        kind: "people", or "characters", of which half are people.
        progress: called with the number of pairs that exist.
        processes: how many render, each with one thread. A program that asks for more than one must begin behind
            `if __name__ == "__main__"`.

    Raises:
        ValueError: if the kind is unknown, the portraits are kept from training (`stylegan.portraits.held_out`), or the
            folder holds files of another kind or resolution, or damaged ones.
        DiskFullError: if there is no room for the files.
    """
    z_dim = z_dim_of(kind)
    shards = range(-(-count // SHARD))
    for i in shards:
        check_seed(_seed(seed, i))
    folder.mkdir(parents=True, exist_ok=True)
    for path in _paths(folder):
        _check_shard(path, z_dim, resolution)
    missing = [i for i in shards if not _path(folder, seed, i).exists()]
    check_room(folder, len(missing) * SHARD * 3 * resolution**2, f"{len(missing) * SHARD} portraits")
    jobs = ((part.numpy(), resolution) for i in missing for part in _latents(seed, i, z_dim).split(_PART))
    rendered = in_processes(_render_part, jobs, processes)
    for i in shards:
        path = _path(folder, seed, i)
        if i in missing:
            pictures = np.concatenate(list(islice(rendered, SHARD // _PART)))
            with whole_file(path) as part, part.open("wb") as file:
                np.savez(file, z=_latents(seed, i, z_dim).numpy(), pictures=pictures, kind=np.array(kind))
        if progress is not None:
            progress(min((i + 1) * SHARD, count))


def _path(folder: Path, seed: int, shard: int) -> Path:
    return folder / f"pairs_{seed}_{shard:05d}.npz"


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("pairs_*.npz"))


def _seed(seed: int, shard: int) -> int:
    return seed * 1_000_003 + shard


def _latents(seed: int, shard: int, z_dim: int) -> Tensor:
    return torch.randn(SHARD, z_dim, generator=torch.Generator().manual_seed(_seed(seed, shard)))


def _render_part(job: tuple[NDArray[np.float32], int]) -> NDArray[np.uint8]:
    z, resolution = job
    return to_bytes(portraits.render(coordinates_of(torch.from_numpy(z)), resolution)).numpy()


def _check_shard(path: Path, z_dim: int, resolution: int) -> None:
    """ValueError if a file holds portraits of another kind or resolution; reads no picture."""
    with _readable(path), zipfile.ZipFile(path) as archive:
        shapes = {name: _shape_in(archive, f"{name}.npy") for name in ("z", "pictures")}
    has, side = kind_of(shapes["z"][1]), shapes["pictures"][-1]
    asked = kind_of(z_dim)
    if (has, side) != (asked, resolution):
        raise ValueError(
            f"{path} holds {has} of {side} px, and {asked} of {resolution} px are asked for; choose another folder."
        )


def _shape_in(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    with archive.open(name) as file:
        np.lib.format.read_magic(file)
        return np.lib.format.read_array_header_1_0(file)[0]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns the errors of reading a damaged file into a ValueError that names it."""
    try:
        yield
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be read; remove it and render it again.") from error


def are_in(folder: Path) -> bool:
    """Whether a folder holds files of `render_shards`."""
    return next(folder.glob("pairs_*.npz"), None) is not None


def dataset_of(folder: Path, resolution: int | None = None) -> Dataset:
    """The pairs of a folder as a dataset with latents; same arguments and errors as `read_shards`."""
    z, pictures = read_shards(folder, resolution)
    return Dataset(pictures.numpy(), latents=z)


def read_shards(folder: Path, resolution: int | None = None) -> tuple[Tensor, Tensor]:
    """All pairs of a folder: z (N, K) and pictures (N, 3, R, R) uint8, reduced by area to `resolution`.

    Args:
        folder: of `render_shards`.
        resolution: None for that of the first file.

    Raises:
        ValueError: if the folder has none, a file is damaged or of another kind than the first, or pictures are smaller
            than `resolution`.
    """
    paths = _paths(folder)
    if not paths:
        raise ValueError(f"{folder} holds no pairs; render some with `stylegan render-pairs`.")
    zs: list[Tensor] = []
    parts: list[Tensor] = []
    for path in paths:
        with _readable(path), np.load(path) as data:
            pictures, z = torch.from_numpy(data["pictures"]), torch.from_numpy(data["z"])
        if zs and z.shape[1] != zs[0].shape[1]:
            kinds = kind_of(z.shape[1]), kind_of(zs[0].shape[1])
            raise ValueError(f"{path} holds {kinds[0]}, and {paths[0].name} beside it {kinds[1]}; keep them apart.")
        size = pictures.shape[-1]
        resolution = resolution or size
        if size < resolution:
            raise ValueError(f"{path} holds pictures of {size} px; the run asks for {resolution} px.")
        if size > resolution:
            pictures = to_bytes(torch.nn.functional.adaptive_avg_pool2d(pictures.float() / 255, resolution))
        zs.append(z)
        parts.append(pictures)
    return torch.cat(zs), torch.cat(parts)
