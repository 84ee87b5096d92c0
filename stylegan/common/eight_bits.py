"""A loaded Pillow image of any mode becomes RGB or RGBA of eight bits, in strips, so that it takes little memory."""

from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

_STRIP_PIXELS = 1 << 20


def eight_bits(image: Image.Image, factor: int, refuse: Callable[[str], Exception]) -> Image.Image:
    """The image as "RGBA" if it has transparency and else "RGB", reduced by a whole factor (the mean of each block).

    Sixteen bits and floats are scaled so that 65535, or the white of their range, becomes 255.

    Args:
        image: a loaded image; it stays as it is.
        factor: 1 keeps the size.
        refuse: makes the error to raise from what is wrong, as "holds values that are no numbers; ...".
    """
    convert = _converter(image, refuse)
    has_alpha = image.has_transparency_data
    made = Image.new("RGBA" if has_alpha else "RGB", (-(-image.width // factor), -(-image.height // factor)))
    for top, strip in _strips(image, factor):
        converted = convert(strip).convert(made.mode)
        made.paste(converted.reduce(factor) if factor > 1 else converted, (0, top // factor))
    return made


def _strips(image: Image.Image, factor: int = 1) -> Iterator[tuple[int, Image.Image]]:
    rows = max(1, _STRIP_PIXELS // image.width // factor) * factor
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(image.height, top + rows)))


def _converter(image: Image.Image, refuse: Callable[[str], Exception]) -> Callable[[Image.Image], Image.Image]:
    if image.mode == "LAB":
        from PIL import ImageCms

        to_rgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")

        def lab(strip: Image.Image) -> Image.Image:
            converted = ImageCms.applyTransform(strip, to_rgb)
            assert converted is not None
            return converted

        return lab
    if image.mode.startswith("I") or image.mode == "F":
        white = _white_level(image, refuse)
        key = image.info.get("transparency")

        def numbers(strip: Image.Image) -> Image.Image:
            values = np.asarray(strip)
            grey = Image.fromarray((values.astype(np.float32) * (255 / white)).round().clip(0, 255).astype(np.uint8))
            if not isinstance(key, int):
                return grey
            return Image.merge("LA", (grey, Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8))))

        return numbers
    return lambda strip: strip


def _white_level(image: Image.Image, refuse: Callable[[str], Exception]) -> float:
    """What counts as white in a mode without a fixed range: of 16 bits, which may come as 32-bit integers, 65535."""
    if image.mode.startswith("I;16"):
        return 65535.0
    peak = 0.0
    for _, strip in _strips(image):
        values = np.asarray(strip)
        if not np.isfinite(values).all():
            raise refuse("holds values that are no numbers (NaN or infinity); replace them and save it again")
        if values.min() < 0:
            raise refuse("holds values below 0; scale them to the range from 0 to 1 and save it again")
        peak = max(peak, float(values.max()))
    if image.mode == "I":
        return max(peak, 65535.0)
    return next((level for level in (1.0, 255.0, 65535.0) if peak <= level), peak)
