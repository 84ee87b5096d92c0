"""Any file that Pillow reads becomes a tensor."""

import contextlib
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageColor, ImageOps

MAX_PIXELS = 100_000_000
Colour = str | tuple[float, float, float]
Source = str | os.PathLike[str] | Image.Image | np.ndarray | torch.Tensor


class PictureError(ValueError):
    """A picture that cannot be used; its message is one sentence that names the picture and says what to do."""


def read_picture(source: Source, background: Colour = "#808080") -> torch.Tensor:
    """Reads a picture of any mode as a float tensor (1, 3, h, w) in [0, 1], RGB, upright.

    Args:
        source: a path, a Pillow image, an array (h, w) or (h, w, 1 to 4) of uint8, uint16 or floats in [0, 1], or a
            tensor (3, h, w) or (1, 3, h, w) in [0, 1]. Of an animation the first frame is read; EXIF rotation is
            applied.
        background: what shows through transparent pixels: a colour name or "#rrggbb", or three floats in [0, 1]. The
            default is the middle grey, on which both a sprite's dark outline and its white glove stay visible.

    Raises:
        PictureError: the file is missing or unreadable, has no pixels, one pixel, or more than 100 megapixels (found
            out from the header, before anything is decoded), or an array has another shape or type.
    """
    ground = parse_colour(background)
    if isinstance(source, torch.Tensor):
        return _checked(_from_tensor(source), "tensor")
    if isinstance(source, np.ndarray):
        _check_size(source.shape[1::-1] if source.ndim > 1 else (0, 0), "array")
        return _checked(_from_array(source, ground), "array")
    if isinstance(source, Image.Image):
        return _checked(_from_image(source, ground, "picture"), "picture")
    if not isinstance(source, (str, os.PathLike)):
        raise PictureError(
            f"A {type(source).__name__} is no picture; give a path, a Pillow image, an array or a tensor."
        )
    path = Path(source)
    if not path.exists():
        raise PictureError(f"There is no file {path}; check the path.")
    if not path.is_file():
        raise PictureError(f"{path} is not a file; give the path of one picture.")
    name = str(path)
    try:
        with warnings.catch_warnings():
            # Pillow warns about large pictures below our own limit, which is checked right after.
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                if image.format == "EPS":
                    # Pillow decodes it by running Ghostscript, a program, on the file.
                    raise PictureError(f"{name} is PostScript, not pixels; convert it to PNG first.")
                return _checked(_from_image(image, ground, name), name)
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(_too_large(name)) from error
    except MemoryError as error:
        raise PictureError(f"{name} does not fit into memory; make it smaller first.") from error
    except Exception as error:  # a decoder meets damaged data with errors of many types
        raise PictureError(f"{name} cannot be read as a picture; it may be damaged or of an unknown format.") from error


def parse_colour(colour: Colour) -> np.ndarray:
    """A colour name, "#rrggbb" or three floats, as floats (3,) in [0, 1]; ValueError when it is none of these."""
    if isinstance(colour, str):
        try:
            return np.array(ImageColor.getrgb(colour)[:3], dtype=np.float32) / 255
        except ValueError as error:
            raise ValueError(f"There is no colour {colour!r}; write a name such as white, or #rrggbb.") from error
    ground = np.asarray(colour, dtype=np.float32)
    if ground.shape != (3,) or not ((ground >= 0) & (ground <= 1)).all():
        raise ValueError(f"{colour!r} is no colour; give a name, #rrggbb, or three numbers from 0 to 1.")
    return ground


def _from_image(image: Image.Image, ground: np.ndarray, name: str) -> torch.Tensor:
    _check_size(image.size, name)
    image.load()
    # A damaged EXIF block says nothing about the pixels.
    with contextlib.suppress(Exception):
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        grey = np.asarray(image).astype(np.float32) / _white_level(image)
        opaque = np.ones_like(grey)
        key = image.info.get("transparency")
        if isinstance(key, int):
            opaque = (np.asarray(image) != key).astype(np.float32)
        return _composited(grey[..., None], opaque[..., None], ground)
    if image.mode == "LAB":
        from PIL import ImageCms

        to_rgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
        converted = ImageCms.applyTransform(image, to_rgb)
        assert converted is not None
        image = converted
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA")).astype(np.float32) / 255
        return _composited(rgba[..., :3], rgba[..., 3:], ground)
    pixels = torch.from_numpy(np.array(image.convert("RGB")))
    return pixels.permute(2, 0, 1).unsqueeze(0).float() / 255


def _white_level(image: Image.Image) -> float:
    """What counts as 1 in a mode without a fixed range: 65535 for 16-bit files, which may come as 32-bit integers."""
    if image.mode.startswith("I;16"):
        return 65535.0
    peak = float(np.asarray(image).max(initial=0))
    if image.mode == "I":
        return max(peak, 65535.0)
    for level in (1.0, 255.0, 65535.0):
        if peak <= level:
            return level
    return peak


def _from_array(array: np.ndarray, ground: np.ndarray) -> torch.Tensor:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4):
        raise PictureError(f"An array of shape {array.shape} is no picture; give (h, w) or (h, w, 1 to 4).")
    if array.dtype == np.uint8:
        values = array.astype(np.float32) / 255
    elif array.dtype == np.uint16:
        values = array.astype(np.float32) / 65535
    elif array.dtype == bool or np.issubdtype(array.dtype, np.floating):
        values = array.astype(np.float32)
    else:
        raise PictureError(f"An array of {array.dtype} is no picture; give uint8, uint16 or floats in [0, 1].")
    if values.shape[2] in (2, 4):
        return _composited(values[..., :-1], values[..., -1:], ground)
    return _composited(values, np.ones_like(values[..., :1]), ground)


def _from_tensor(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.ndim == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.ndim != 4 or tensor.shape[:2] != (1, 3) or not tensor.is_floating_point():
        raise PictureError(
            f"A {tensor.dtype} tensor of shape {tuple(tensor.shape)} is no picture; give floats (3, h, w) in [0, 1]."
        )
    return tensor.float()


def _composited(values: np.ndarray, alpha: np.ndarray, ground: np.ndarray) -> torch.Tensor:
    pixels = values * alpha + ground * (1 - alpha)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)).unsqueeze(0)


def _checked(image: torch.Tensor, name: str) -> torch.Tensor:
    _check_size((image.shape[3], image.shape[2]), name)
    low, high = image.aminmax()
    # Also false for NaN.
    if not (low >= 0 and high <= 1):
        raise PictureError(f"The picture {name} has values outside [0, 1]; scale them first.")
    return image


def _check_size(size: tuple[int, ...], name: str) -> None:
    pixels = size[0] * size[1]
    if pixels == 0:
        raise PictureError(f"The picture {name} has no pixels; give one of at least two.")
    if pixels == 1:
        raise PictureError(f"The picture {name} is a single pixel, in which no face can be found; give a larger one.")
    if pixels > MAX_PIXELS:
        raise PictureError(_too_large(name))


def _too_large(name: str) -> str:
    return f"The picture {name} has more than {MAX_PIXELS // 1_000_000} megapixels; make it smaller first."
