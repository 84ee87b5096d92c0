"""The large pictures that are made small: held-out portraits, or those of a folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.skin_places import bare
from benchmarks.super_resolution import measures
from benchmarks.super_resolution.groups import groups_of
from benchmarks.super_resolution.measures import Known
from pulse import pictures
from pulse.operators import downsample
from stylegan import portraits
from stylegan.common import console
from stylegan.common.files import whole_file
from stylegan.common.pixels import to_bytes
from stylegan.portraits.held_out import held_out

# Held-out portraits from this number on test the reader of groups; those before are for the benchmark.
_FOR_READER = 20_000
_READER_SIDE = 64
_PART = 32


@dataclass(frozen=True, eq=False)
class Subjects:
    """Large pictures.

    Args:
        known: the pictures, and where their faces are.
        groups: (N, 5), see `groups.GROUPINGS`; None of pictures whose groups nobody knows.
        about: one sentence.
        u: the coordinates (N, K) that drew them; None of pictures that were not drawn.
    """

    known: Known
    groups: np.ndarray | None
    about: str
    u: Tensor | None = None


def people(count: int, resolution: int, folder: Path) -> Subjects:
    """Held-out portraits; what takes long is kept in the folder."""
    u = held_out(count)
    about = f"{count} portraits that no training may touch (`stylegan.portraits.held_out`), drawn at {resolution} px."
    landmarks = np.stack([fact.landmarks.numpy() for fact in portraits.truth(u, resolution)])
    key = hashlib.sha256(u.numpy().tobytes() + bytes(f"{resolution} {measures.VERSION}", "ascii")).hexdigest()
    path = folder / f"truths-{key[:12]}.npz"
    if not path.exists():
        # One at a time: drawn together, they are the same only to within rounding, and answers are kept by their bytes.
        images = torch.cat([to_bytes(portraits.render(one, resolution)) for one in u.split(1)])
        _keep(path, images, landmarks, bare(u, landmarks, resolution))
    return Subjects(_kept(path), groups_of(u).numpy(), about, u)


def of_folder(source: Path, count: int, resolution: int, folder: Path) -> Subjects:
    """The first `count` pictures of a folder by name, cropped to squares of `resolution` pixels.

    Raises:
        ValueError: if the folder has no picture that can be read and is large enough.
    """
    if not source.is_dir():
        raise ValueError(f"There is no folder {source}; name one with pictures of faces.")
    images: list[Tensor] = []
    for path in sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith(".")):
        if len(images) == count:
            break
        try:
            image = pictures.read_picture(path)
        except pictures.PictureError as error:
            console.warn(f"{path.name} is left out: {error}")
            continue
        side = min(image.shape[-2:])
        if side < resolution:
            console.warn(f"{path.name} is left out: its shorter side has {side} pixels, fewer than {resolution}.")
            continue
        top, left = (image.shape[-2] - side) // 2, (image.shape[-1] - side) // 2
        square = image[..., top : top + side, left : left + side]
        if side > resolution:
            square = downsample(square, size=resolution)
        images.append(to_bytes(square[0]))
    if not images:
        raise ValueError(f"The folder {source} has no picture of at least {resolution} px; name another.")
    together = torch.stack(images)
    key = hashlib.sha256(together.numpy().tobytes() + bytes(f"{measures.VERSION}", "ascii")).hexdigest()
    path = folder / f"truths-{key[:12]}.npz"
    if not path.exists():
        _keep(path, together, None, None)
    about = f"{len(images)} pictures of {source.name}, cropped to squares of {resolution} px."
    return Subjects(_kept(path), None, about)


def for_reader(count: int, folder: Path) -> tuple[Tensor, np.ndarray]:
    """Portraits (count, 3, 64, 64) in [0, 1] on which the reader of groups is tested, and their groups (count, 5)."""
    u = held_out(_FOR_READER + count)[_FOR_READER:]
    path = folder / f"reader-{hashlib.sha256(u.numpy().tobytes()).hexdigest()[:12]}.npz"
    if not path.exists():
        images = torch.cat([to_bytes(portraits.render(some, _READER_SIDE)) for some in u.split(_PART)])
        with whole_file(path) as part, part.open("wb") as file:
            np.savez(file, images=images.numpy())
    with np.load(path) as data:
        return torch.from_numpy(data["images"]).float() / 255, groups_of(u).numpy()


def _keep(path: Path, images: Tensor, landmarks: np.ndarray | None, shown: np.ndarray | None) -> None:
    known = measures.of_truths(images.float() / 255, landmarks, shown)
    with whole_file(path) as part, part.open("wb") as file:
        np.savez(file, images=images.numpy(), landmarks=known.landmarks, boxes=known.boxes, bare=known.bare)


def _kept(path: Path) -> Known:
    with np.load(path) as data:
        images = torch.from_numpy(data["images"]).float() / 255
        return Known(images, data["landmarks"], data["boxes"], data["bare"])
