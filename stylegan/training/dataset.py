"""The pictures of a run: read once from a folder or a zip, cut square, made one size, and kept as bytes.

What is trained on lies in the run's folder as `pictures.npy`, (N, 3, R, R) uint8 and memory-mapped, with
`pictures.json` beside it: a run that is continued finds the very same pictures, whatever has become of their source.
"""

import contextlib
import io
import json
import os
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageColor, ImageOps
from torch import Tensor

from stylegan.common.progress import progress

FITS = ("crop", "pad")
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".tga")
# Formats that are pixels (Pillow reads MPO as JPEG); it would run a program on PostScript.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "TGA")
_MAX_PIXELS = 100_000_000
_MAX_BYTES = 500_000_000


@dataclass(frozen=True)
class Dataset:
    """Pictures in memory or memory-mapped.

    Args:
        pictures: (N, 3, R, R) uint8.
        classes: names of the labels; empty where there are none.
        labels: (N,) the class of each picture.
        latents: (N, z_dim), where it is known which latent stands for which picture.
        skipped: files that could not be read, with the reason.
    """

    pictures: np.ndarray
    classes: tuple[str, ...] = ()
    labels: Tensor | None = None
    latents: Tensor | None = None
    skipped: tuple[str, ...] = ()

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


def to_signed(pictures: Tensor) -> Tensor:
    """uint8 pictures as floats in [-1, 1], channels_last."""
    return (pictures.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def kept(folder: Path) -> Dataset | None:
    """The pictures that a run's folder holds already; None where it holds none."""
    if not (folder / "pictures.json").exists():
        return None
    told = json.loads((folder / "pictures.json").read_text(encoding="utf-8"))
    labels = None if told["labels"] is None else torch.tensor(told["labels"])
    pictures = np.load(folder / "pictures.npy", mmap_mode="r")
    return Dataset(pictures, tuple(told["classes"]), labels, skipped=tuple(told["skipped"]))


def read(
    source: Path,
    folder: Path,
    resolution: int | None = None,
    largest: int = 256,
    fit: str = "crop",
    background: str = "white",
    labelled: bool = False,
) -> Dataset:
    """Read all pictures of a source into the run's folder.

    Pictures are turned upright as their EXIF says, laid over `background` where they are transparent, made square and
    reduced (or enlarged) to `resolution`. Of an animation the first frame is taken. Files that cannot be read are
    passed over and named in `skipped`.

    Args:
        source: a folder, with its sub-folders, or a zip file.
        folder: of the run.
        resolution: a power of two from 8; None for the largest that is not above the median of the pictures' shorter
            sides, nor above `largest`.
        largest: see `resolution`.
        fit: "crop" cuts to the square in the middle; "pad" keeps all and fills up with `background`.
        background: a colour name or "#rrggbb".
        labelled: the name of the first sub-folder is the label of what lies in it.

    Raises:
        ValueError: if there is no such source, no readable picture in it, or with `labelled` a picture outside of
            sub-folders or fewer than two of those.
    """
    if fit not in FITS:
        raise ValueError(f"There is no fit {fit!r}; choose one of {', '.join(FITS)}.")
    try:
        ground = ImageColor.getrgb(background)[:3]
    except ValueError:
        raise ValueError(f"There is no colour {background!r}; write a name such as white, or #rrggbb.") from None
    if resolution is not None and (resolution < 8 or resolution & (resolution - 1)):
        raise ValueError(f"A resolution of {resolution} px cannot be trained; give a power of two from 8 upwards.")
    with contextlib.ExitStack() as stack:
        files = _files(source, stack)
        sizes, skipped = _sizes(files)
        if not sizes:
            what = f"none of its {len(files)} can be read, {skipped[0]}" if skipped else "no file with such an ending"
            raise ValueError(f"{source} holds no pictures ({what}); give a folder or a zip with PNG or JPEG files.")
        if resolution is None:
            median = float(np.median([min(size) for size in sizes.values()]))
            resolution = int(min(largest, 2 ** np.floor(np.log2(max(median, 8)))))
        classes = _classes(source, list(sizes)) if labelled else ()
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / "pictures.npy.part"
        found: list[str] = []
        shape = (len(sizes), 3, resolution, resolution)
        table = np.lib.format.open_memmap(beside, mode="w+", dtype=np.uint8, shape=shape)
        with progress("Reading pictures", len(sizes)) as advance:
            for name in sizes:
                try:
                    picture = _square(_upright(files[name], ground), resolution, fit, ground)
                    table[len(found)] = np.asarray(picture).transpose(2, 0, 1)
                    found.append(name)
                except Exception as error:  # a decoder meets damaged data with errors of many types
                    skipped.append(f"{name}: {_reason(error)}")
                advance(1)
    if not found:
        beside.unlink()
        raise ValueError(f"{source} holds no pictures (none can be read, {skipped[0]}); give some that can be.")
    _keep(folder, beside, table, len(found))
    labels = [classes.index(PurePosixPath(name).parts[0]) for name in found] if classes else None
    told = {"classes": classes, "labels": labels, "skipped": skipped, "files": found, "fit": fit}
    part = folder / "pictures.json.part"
    part.write_text(json.dumps(told), encoding="utf-8")
    os.replace(part, folder / "pictures.json")
    dataset = kept(folder)
    assert dataset is not None
    return dataset


def _keep(folder: Path, beside: Path, table: Any, count: int) -> None:
    """Give the finished table its name, without the rows of pictures that turned out unreadable."""
    table.flush()
    if count < len(table):
        rows = np.array(table[:count])
        with beside.open("wb") as file:
            np.save(file, rows)
    os.replace(beside, folder / "pictures.npy")


def _files(source: Path, stack: contextlib.ExitStack) -> dict[str, Callable[[], io.BytesIO]]:
    """For each file that may be a picture: its name within the source, with slashes, and a way to read it."""
    if source.is_dir():
        paths = sorted(Path(where) / name for where, _, names in os.walk(source) for name in names)
        return {p.relative_to(source).as_posix(): _reader(p) for p in paths if _is_picture(p.relative_to(source))}
    if not source.is_file():
        raise ValueError(f"There is no folder or file {source}; check the path.")
    try:
        archive = stack.enter_context(zipfile.ZipFile(source))
    except (zipfile.BadZipFile, OSError):
        raise ValueError(f"{source} is no folder and no zip file; give one of these, with pictures in it.") from None
    members = sorted(archive.infolist(), key=lambda member: member.filename)
    return {m.filename: _member_reader(archive, m) for m in members if _is_picture(PurePosixPath(m.filename))}


def _is_picture(name: Path | PurePosixPath) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.parts)
    return name.suffix.lower() in _ENDINGS and not hidden


def _reader(path: Path) -> Callable[[], io.BytesIO]:
    def read_file() -> io.BytesIO:
        if not path.is_file():
            raise ValueError("it is no regular file")
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"it has more than {_MAX_BYTES // 1_000_000} MB")
        return io.BytesIO(path.read_bytes())

    return read_file


def _member_reader(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], io.BytesIO]:
    def read_member() -> io.BytesIO:
        # The size that the directory tells is where zipfile stops reading, whatever the data would unpack to.
        if member.file_size > _MAX_BYTES:
            raise ValueError(f"it has more than {_MAX_BYTES // 1_000_000} MB")
        return io.BytesIO(archive.read(member))

    return read_member


def _sizes(files: dict[str, Callable[[], io.BytesIO]]) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """Width and height of each picture, from its header; and those without a readable one."""
    sizes, skipped = {}, []
    for name, reader in files.items():
        try:
            with _opened(reader) as image:
                sizes[name] = image.size
        except Exception as error:  # a decoder meets damaged data with errors of many types
            skipped.append(f"{name}: {_reason(error)}")
    return sizes, skipped


@contextlib.contextmanager
def _opened(reader: Callable[[], io.BytesIO]) -> Any:
    with warnings.catch_warnings():
        # Pillow warns about large pictures below our own limit, which is checked right after.
        warnings.simplefilter("ignore")
        with Image.open(reader(), formats=_FORMATS) as image:
            if not 0 < image.width * image.height <= _MAX_PIXELS:
                raise ValueError(f"it has {image.width} by {image.height} pixels, more than can be read safely")
            yield image


def _upright(reader: Callable[[], io.BytesIO], ground: tuple[int, ...]) -> Image.Image:
    with _opened(reader) as image:
        image.load()
        # A damaged EXIF block says nothing about the pixels.
        with contextlib.suppress(Exception):
            image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16") or image.mode == "I":
            # Sixteen bits a pixel, which Pillow's own conversion would clip to eight.
            return Image.fromarray((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8)).convert("RGB")
        if image.has_transparency_data:
            over = image.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", over.size, (*ground, 255)), over).convert("RGB")
        return image.convert("RGB")


def _square(image: Image.Image, resolution: int, fit: str, ground: tuple[int, ...]) -> Image.Image:
    size = (resolution, resolution)
    if fit == "pad":
        return ImageOps.pad(image, size, Image.Resampling.LANCZOS, color=ground)
    return ImageOps.fit(image, size, Image.Resampling.LANCZOS)


def _classes(source: Path, names: Sequence[str]) -> tuple[str, ...]:
    outside = [name for name in names if "/" not in name]
    if outside:
        raise ValueError(
            f"{outside[0]} in {source} lies in no sub-folder, and so has no label; put each picture into one."
        )
    classes = tuple(sorted({PurePosixPath(name).parts[0] for name in names}))
    if len(classes) < 2:
        raise ValueError(f"{source} holds one sub-folder of pictures, and so one label; train without labels.")
    return classes


def _reason(error: Exception) -> str:
    if isinstance(error, ValueError) and str(error).startswith("it "):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "it is damaged or of an unknown format"
