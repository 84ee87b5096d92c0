"""A tensor becomes a PNG that says what it is and how it was made."""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from PIL import Image, PngImagePlugin


def software() -> str:
    """This program's name, and its version where it is installed."""
    from importlib import metadata

    try:
        return f"pulse {metadata.version('pulse')}"
    except metadata.PackageNotFoundError:
        return "pulse"


def check_folder(path: Path) -> None:
    """Raises ValueError if `path` is no folder that can be written to, and could not be made one."""
    nearest = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not nearest.is_dir():
        raise ValueError(f"The results cannot go to {path} because {nearest} is a file; name a folder.")
    if not os.access(nearest, os.W_OK):
        raise ValueError(
            f"The results cannot go to {path} because {nearest} cannot be written to; name another folder."
        )


def check_replaceable(path: Path) -> None:
    """Raises ValueError if there is a file that this program did not write, which its text chunks say."""
    if path.exists() and not read_text(path).get("Software", "").startswith("pulse"):
        raise ValueError(f"{path} exists and is not a result of pulse; choose another folder, or overwrite it.")


def to_pil(image: torch.Tensor) -> Image.Image:
    """A tensor (3, H, W) in [0, 1] as an 8-bit RGB Pillow image, rounded to the nearest level."""
    pixels = (image.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy())


def write_picture(
    path: str | os.PathLike[str], image: torch.Tensor | Image.Image, text: Mapping[str, str] | None = None
) -> None:
    """Writes a tensor (3, H, W) in [0, 1], or a Pillow image, as a PNG with `text` in its text chunks.

    The file appears whole or not at all: it is written beside and renamed. Missing folders are made.
    """
    chunks = PngImagePlugin.PngInfo()
    for key, value in (text or {}).items():
        chunks.add_text(key, value)
    picture = image if isinstance(image, Image.Image) else to_pil(image)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        picture.save(beside, format="PNG", pnginfo=chunks)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def read_text(path: str | os.PathLike[str]) -> dict[str, str]:
    """The text chunks of a PNG; empty when the file is missing, has none, or is no readable PNG."""
    try:
        with Image.open(path) as image:
            if image.format != "PNG":
                return {}
            image.load()  # chunks may also follow the pixels
            return {key: str(value) for key, value in getattr(image, "text", {}).items()}
    except Exception:  # a damaged file is, for this question, the same as none
        return {}
