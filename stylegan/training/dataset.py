"""The pictures of a run: read once, made square, made one size, and kept as bytes in the run's folder.

They are `pictures.npy`, (N, 3, R, R) uint8, with `pictures.json` beside it. A continued run uses exactly these
pictures, even if their source has changed.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from stylegan.common import pictures
from stylegan.common.files import check_room, whole_file, write_text
from stylegan.common.framing import check_framing, parse_colour, square_picture
from stylegan.common.pictures import PictureError
from stylegan.common.progress import progress
from stylegan.training.options import PictureOptions
from stylegan.training.picture_files import Found, PictureFile, find
from stylegan.training.state import link


@dataclass(frozen=True)
class Dataset:
    """Pictures in memory or memory-mapped.

    Attributes:
        pictures: (N, 3, R, R) uint8.
        classes: names of the labels; empty where there are none.
        labels: (N,) the class of each picture.
        latents: (N, z_dim), the latent of each picture; None where they are not known.
        skipped: files that could not be read, with the reason.
        others: how many files had the ending of something else than a picture, for each ending.
    """

    pictures: np.ndarray
    classes: tuple[str, ...] = ()
    labels: Tensor | None = None
    latents: Tensor | None = None
    skipped: tuple[str, ...] = ()
    others: tuple[tuple[str, int], ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def resolution(self) -> int:
        """Pixels a side."""
        return self.pictures.shape[-1]

    @property
    def c_dim(self) -> int:
        """Length of a label; 0 where there are none."""
        return len(self.classes)

    def reals(self, index: Tensor) -> Tensor:
        """The pictures of indices (n,), as uint8 (n, 3, R, R)."""
        return torch.from_numpy(np.array(self.pictures[index.numpy()]))

    def c(self, index: Tensor) -> Tensor:
        """One-hot labels (n, c_dim) of the pictures of indices (n,)."""
        if self.labels is None:
            return torch.zeros(len(index), 0)
        return torch.nn.functional.one_hot(self.labels[index], self.c_dim).float()


def kept(folder: Path) -> Dataset | None:
    """The pictures that a run's folder holds; None where it holds none.

    Raises:
        ValueError: if they are damaged.
    """
    if not (folder / "pictures.json").exists():
        return None
    try:
        told = json.loads((folder / "pictures.json").read_text(encoding="utf-8"))
        labels = None if told["labels"] is None else torch.tensor(told["labels"])
        # A file shorter than its header says is refused here, so that no later access can fault.
        table = np.load(folder / "pictures.npy", mmap_mode="r")
        others = tuple((ending, count) for ending, count in told.get("others", []))
        return Dataset(table, tuple(told["classes"]), labels, skipped=tuple(told["skipped"]), others=others)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"The pictures that {folder} keeps are damaged; remove its pictures.json, and they are read again."
        ) from error


def files_of(folder: Path) -> list[str]:
    """The names of the files that the pictures of a run's folder were read from, in their order."""
    return [str(name) for name in json.loads((folder / "pictures.json").read_text(encoding="utf-8"))["files"]]


def take_over(origin: Path, folder: Path) -> Dataset | None:
    """Gives a folder the pictures that another run's folder holds; None where that holds none."""
    if kept(origin) is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("pictures.npy", "pictures.json"):
        link(origin / name, folder / name)
    return kept(folder)


def read(
    source: Path,
    folder: Path,
    resolution: int | None = None,
    largest: int = 256,
    options: PictureOptions | None = None,
) -> Dataset:
    """Reads all pictures of a source into the run's folder.

    Each picture is read and made square as for a search (`stylegan.common.framing`), so that a search with the same
    framing and background looks for the training picture. Files that cannot be read are named in `skipped`.

    Args:
        source: a folder, with its sub-folders, or a zip file.
        folder: of the run.
        resolution: a power of two from 8; None for the largest that is neither above the median of the pictures'
            shorter sides nor above `largest`.
        largest: see `resolution`.
        options: how pictures are read.

    Raises:
        ValueError: if there is no such source or no readable picture in it; or, with labels, if a picture is outside of
            sub-folders or there is only one of those.
        DiskFullError: if there is no room for the pictures.
    """
    options = options or PictureOptions()
    check_framing(options.framing)
    parse_colour(options.background)
    if resolution is not None and (resolution < 8 or resolution & (resolution - 1)):
        raise ValueError(f"A resolution of {resolution} px cannot be trained; give a power of two from 8 upwards.")
    with find(source) as found:
        sizes, skipped = _sizes(found)
        if not sizes:
            what = f" that can be read ({skipped[0].rstrip('.')})" if skipped else ""
            raise ValueError(f"{source} holds no pictures{what}; give a folder or a zip with PNG or JPEG files.")
        if resolution is None:
            median = float(np.median([min(size) for _, size in sizes]))
            resolution = int(min(largest, 2 ** np.floor(np.log2(max(median, 8)))))
        names = [file.name for file, _ in sizes]
        classes = _classes(source, names) if options.labelled else ()
        folder.mkdir(parents=True, exist_ok=True)
        needed = len(sizes) * 3 * resolution**2
        check_room(folder, needed, f"{len(sizes)} pictures of {resolution} px")
        good: list[str] = []
        with _table(folder / "pictures.npy", resolution) as rows, progress("Reading pictures", len(sizes)) as advance:
            for file, _ in sizes:
                try:
                    picture = _square(file, resolution, options)
                except Exception as error:  # a decoder meets damaged data with errors of many types
                    skipped.append(_sentence(file.name, error))
                else:
                    rows.append(picture)
                    good.append(file.name)
                advance(1)
            if not good:
                why = skipped[0].rstrip(".")
                raise ValueError(f"{source} holds no pictures that can be read ({why}); give PNG or JPEG files.")
    labels = [classes.index(PurePosixPath(name).parts[0]) for name in good] if classes else None
    told = asdict(options) | {
        "classes": classes,
        "labels": labels,
        "skipped": skipped,
        "others": list(found.others.items()),
        "files": good,
    }
    write_text(folder / "pictures.json", json.dumps(told))
    dataset = kept(folder)
    assert dataset is not None
    return dataset


class _Rows:
    """Rows that are added to a .npy file by ordinary writes: a memory map would fault on a full disk."""

    def __init__(self, file: BinaryIO, resolution: int) -> None:
        self._file = file
        self._shape = (3, resolution, resolution)
        self.count = 0
        self.write_header()

    def append(self, row: Tensor) -> None:
        """Adds a picture (3, R, R) of uint8."""
        self._file.write(row.contiguous().numpy().tobytes())
        self.count += 1

    def write_header(self) -> None:
        # numpy leaves room in the header for a first dimension of any length.
        self._file.seek(0)
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, header)


@contextmanager
def _table(path: Path, resolution: int) -> Iterator[_Rows]:
    with whole_file(path) as part, part.open("wb") as file:
        rows = _Rows(file, resolution)
        yield rows
        rows.write_header()


def _sizes(found: Found) -> tuple[list[tuple[PictureFile, tuple[int, int]]], list[str]]:
    """The pictures with their width and height, from their headers; and the files without a readable one."""
    sizes, skipped = [], list(found.unreadable)
    with progress("Looking at pictures", len(found.files)) as advance:
        for file in found.files:
            try:
                with file.open() as opened:
                    sizes.append((file, pictures.size(opened, name=file.name)))
            except Exception as error:  # a decoder meets damaged data with errors of many types
                skipped.append(_sentence(file.name, error))
            advance(1)
    return sizes, skipped


def _square(file: PictureFile, resolution: int, options: PictureOptions) -> Tensor:
    # Only "pad" keeps the longer side, so only then may the decoder reduce the picture by it.
    largest = 4 * resolution if options.framing == "pad" else None
    with file.open() as opened:
        picture = pictures.read(opened, name=file.name, largest=largest)
    return square_picture(picture, resolution, options.framing, options.background)


def _classes(source: Path, names: Sequence[str]) -> tuple[str, ...]:
    outside = [name for name in names if "/" not in name]
    if outside:
        raise ValueError(
            f"{outside[0]} in {source} lies in no sub-folder, and so has no label; put each picture into one."
        )
    classes = tuple(sorted({PurePosixPath(name).parts[0] for name in names}))
    if len(classes) < 2:
        raise ValueError(f"{source} has one sub-folder of pictures, and so one label; train without labels.")
    return classes


def _sentence(name: str, error: Exception) -> str:
    if isinstance(error, PictureError):
        return str(error)
    reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged"
    return f"{name} cannot be read ({reason})."
