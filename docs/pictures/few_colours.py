"""What the scripts beside this one write their pictures with."""

from pathlib import Path

from PIL import Image

from pulse.pictures import software, write_picture


def write_few_colours(path: Path, picture: Image.Image, colours: int = 192) -> None:
    """Writes a PNG of a few hundred colours, which at this size no eye tells from all of them, and says its size."""
    made = picture.convert("RGB").quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
    write_picture(path, made.convert("RGB"), {"Software": software(), "synthetic": "true"})
    print(f"{path}: {made.width} x {made.height}, {path.stat().st_size // 1000} kB")
