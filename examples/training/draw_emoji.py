"""A small set of pictures to try `stylegan train` on: emoji, drawn at random.

python examples/training/draw_emoji.py --count 500 -o emoji
stylegan train emoji -o run --resolution 32 --minutes 10 --mirror
"""

import argparse
import colorsys
import random
from pathlib import Path

from PIL import Image, ImageDraw

# Drawn this much larger, and reduced: Pillow draws without antialiasing.
_ENLARGED = 8


def draw(size: int, chance: random.Random) -> Image.Image:
    """One emoji as an RGBA picture of `size` px: a round face with eyes, mouth, and now and then cheeks or a hat."""
    canvas = Image.new("RGBA", (size * _ENLARGED,) * 2)
    pen = ImageDraw.Draw(canvas)
    unit = size * _ENLARGED
    hue = chance.choice((0.13, 0.13, 0.13, 0.02, 0.33, 0.58, 0.8)) + chance.uniform(-0.02, 0.02)
    radius = unit * chance.uniform(0.37, 0.43)
    x, y = unit * chance.uniform(0.47, 0.53), unit * chance.uniform(0.51, 0.56)
    _disc(pen, x, y, radius, _colour(hue, 0.9, 0.62))
    _disc(pen, x, y, radius * 0.93, _colour(hue, 0.75, 1.0))
    look, dark = chance.uniform(-0.12, 0.12) * radius, (46, 30, 24, 255)
    _eyes(pen, x + look, y - 0.22 * radius, radius, chance, dark)
    if chance.random() < 0.35:
        for side in (-1, 1):
            _disc(pen, x + side * 0.58 * radius, y + 0.22 * radius, 0.16 * radius, _colour(0.97, 0.6, 1.0))
    _mouth(pen, x + look, y + 0.38 * radius, radius, chance, dark)
    if chance.random() < 0.2:
        hat = _colour(chance.random(), 0.8, 0.7)
        top = y - radius * 0.62
        pen.rectangle((x - 0.5 * radius, top - 0.55 * radius, x + 0.5 * radius, top), fill=hat)
        pen.rectangle((x - 0.85 * radius, top - 0.14 * radius, x + 0.85 * radius, top + 0.04 * radius), fill=hat)
    return canvas.resize((size, size), Image.Resampling.BOX)


def _eyes(
    pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, chance: random.Random, dark: tuple[int, ...]
) -> None:
    kind = chance.choice(("dots", "dots", "round", "shut", "wink", "glasses"))
    for side in (-1, 1):
        ex, r = x + side * 0.36 * radius, 0.14 * radius
        if kind == "shut" or (kind == "wink" and side == 1):
            pen.arc((ex - 1.4 * r, y - r, ex + 1.4 * r, y + 1.6 * r), 200, 340, fill=dark, width=int(0.6 * r))
        elif kind == "round":
            _disc(pen, ex, y, 1.7 * r, (255, 255, 255, 255))
            _disc(pen, ex + 0.3 * r, y, 0.8 * r, dark)
        elif kind == "glasses":
            pen.rounded_rectangle((ex - 2.2 * r, y - 1.4 * r, ex + 2.2 * r, y + 1.5 * r), radius=r, fill=dark)
        else:
            pen.ellipse((ex - r, y - 1.5 * r, ex + r, y + 1.5 * r), fill=dark)
    if kind == "glasses":
        pen.rectangle((x - 0.5 * radius, y - 0.2 * radius, x + 0.5 * radius, y - 0.08 * radius), fill=dark)


def _mouth(
    pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, chance: random.Random, dark: tuple[int, ...]
) -> None:
    kind = chance.choice(("smile", "smile", "grin", "sad", "flat", "open"))
    w, line = chance.uniform(0.35, 0.5) * radius, int(0.1 * radius)
    if kind == "smile":
        pen.arc((x - w, y - 0.45 * radius, x + w, y + 0.25 * radius), 20, 160, fill=dark, width=line)
    elif kind == "grin":
        pen.chord((x - w, y - 0.45 * radius, x + w, y + 0.4 * radius), 0, 180, fill=dark)
        pen.chord((x - 0.85 * w, y - 0.4 * radius, x + 0.85 * w, y + 0.2 * radius), 0, 180, fill=(255, 255, 255, 255))
    elif kind == "sad":
        pen.arc((x - w, y, x + w, y + 0.6 * radius), 200, 340, fill=dark, width=line)
    elif kind == "flat":
        pen.rectangle((x - w, y, x + w, y + line), fill=dark)
    else:
        pen.ellipse((x - 0.2 * radius, y - 0.1 * radius, x + 0.2 * radius, y + 0.35 * radius), fill=dark)


def _disc(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: tuple[int, ...]) -> None:
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _colour(hue: float, saturation: float, value: float) -> tuple[int, ...]:
    return (*(round(255 * part) for part in colorsys.hsv_to_rgb(hue % 1, saturation, value)), 255)


def main() -> None:
    """Draw the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for i in range(arguments.count):
        draw(arguments.size, random.Random(f"{arguments.seed} {i}")).save(arguments.out / f"emoji_{i:04d}.png")
    print(f"{arguments.out}: {arguments.count} emoji of {arguments.size} px")


if __name__ == "__main__":
    main()
