"""Sprites of many kinds, their enlargements, and pictures that are no pixel art, for `benchmarks.true_pixels`."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter

from pulse.app import sprites

# The kinds of cases, and how many of each there are among 600.
CATEGORIES = {
    "integer": 80,
    "fractional": 80,
    "soft edges": 40,
    "partial cells": 90,
    "JPEG": 90,
    "bilinear": 60,
    "bicubic": 40,
    "alpha": 60,
    "drift": 60,
}
_LONGEST = 1000


@dataclass(frozen=True, eq=False)
class Case:
    """An enlarged sprite.

    Attributes:
        category: one of CATEGORIES.
        picture: (h, w, 4) of uint8.
        sprite: (m, n, 4) of uint8, the true pixels.
        scale: pixels of the picture in one of the sprite.
        note: how it was enlarged.
    """

    category: str
    picture: np.ndarray
    sprite: np.ndarray
    scale: float
    note: str


def cases(count: int, rng: np.random.Generator) -> Iterator[Case]:
    """`count` cases, the categories in the proportions of CATEGORIES."""
    total = sum(CATEGORIES.values())
    for category, share in CATEGORIES.items():
        for _ in range(max(1, round(count * share / total))):
            yield _case(category, rng)


def _case(category: str, rng: np.random.Generator) -> Case:
    while True:
        sprite = draw_sprite(rng)
        if is_primitive(sprite):
            break
    if category == "alpha":
        sprite = with_holes(sprite, rng)
    most = min(40.0, _LONGEST / max(sprite.shape[:2]))
    scale = float(np.exp(rng.uniform(np.log(2), np.log(max(most, 2.01)))))
    if category in ("integer", "JPEG") or (category in ("partial cells", "alpha", "bilinear") and rng.random() < 0.5):
        scale = float(max(2, round(scale)))
    kernel = {"bilinear": "bilinear", "bicubic": "bicubic", "soft edges": "area"}.get(category, "repeat")
    if category == "alpha" and rng.random() < 0.25:
        kernel = "bilinear"
    if category == "drift":
        scale = max(scale, min(6.0, most))
        picture = _drifted(sprite, scale, rng)
    else:
        picture = enlarge(sprite, scale, kernel)
    note = f"{kernel}, {scale:.4g}"
    if category in ("partial cells", "alpha") and (category != "alpha" or rng.random() < 0.4):
        picture, note = _cropped(picture, scale, rng, note)
    if category == "JPEG":
        quality, subsampling = int(rng.integers(60, 96)), int(rng.choice([0, 2]))
        if rng.random() < 0.25:
            picture, note = _cropped(picture, scale, rng, note)
        picture = as_jpeg(picture, quality, subsampling)
        note += f", JPEG {quality} {'4:4:4' if subsampling == 0 else '4:2:0'}"
    return Case(category, picture, sprite, scale, note)


def enlarge(sprite: np.ndarray, scale: float, kernel: str) -> np.ndarray:
    """A sprite (m, n, 4) enlarged; "area" repeats pixels and then reduces, so that edges are a pixel wide and soft."""
    size = round(sprite.shape[1] * scale), round(sprite.shape[0] * scale)
    image = Image.fromarray(sprite)
    if kernel == "area":
        large = int(np.ceil(scale)) + 1
        return np.asarray(
            image.resize((sprite.shape[1] * large, sprite.shape[0] * large), Image.Resampling.NEAREST).resize(
                size, Image.Resampling.BOX
            )
        )
    how = {"repeat": "NEAREST", "bilinear": "BILINEAR", "bicubic": "BICUBIC"}[kernel]
    return np.asarray(image.resize(size, Image.Resampling[how]))


def as_jpeg(picture: np.ndarray, quality: int, subsampling: int) -> np.ndarray:
    """An opaque picture (h, w, 4) after it was a JPEG."""
    file = io.BytesIO()
    Image.fromarray(picture[..., :3]).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file).convert("RGBA"))


def _cropped(picture: np.ndarray, scale: float, rng: np.random.Generator, note: str) -> tuple[np.ndarray, str]:
    """Less than a cell is cut from each side, and some of every cell stays."""
    left, top, right, bottom = (int(rng.integers(0, max(1, int(scale)))) for _ in range(4))
    height, width = picture.shape[:2]
    return picture[top : height - bottom, left : width - right], f"{note}, cut {left} {top} {right} {bottom}"


def _drifted(sprite: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Cells of which none is quite like the next: the scale wanders by some per cent, and each line is off a little."""
    picture = sprite
    for axis in (0, 1):
        n = sprite.shape[axis]
        wander = 1 + 0.05 * np.sin(rng.uniform(0, 2 * np.pi) + np.linspace(0, rng.uniform(1, 6), n))
        lines = np.concatenate([[0], np.cumsum(scale * wander)])
        lines[1:-1] += rng.uniform(-0.08, 0.08, n - 1) * scale
        picture = np.repeat(picture, np.diff(np.round(lines).astype(int)), axis=axis)
    return picture


def is_primitive(sprite: np.ndarray) -> bool:
    """Whether a sprite is no enlargement itself: it changes at lines of every parity, across and down, often enough."""
    for axis in (0, 1):
        seen = sprite.astype(int)
        where = np.flatnonzero(np.abs(np.diff(seen, axis=axis)).max(axis=(1 - axis, 2)) > 12) + 1
        if len(where) < 5 or any(len(np.unique(where % k)) == 1 for k in (2, 3, 4, 5)):
            return False
    return True


def draw_sprite(rng: np.random.Generator) -> np.ndarray:
    """An opaque sprite (m, n, 4) of 8 to 64 px: one of ours, an invader, letters, a texture, or a scene."""
    kind = rng.choice(["ours", "invader", "letters", "texture", "scene"], p=[0.15, 0.25, 0.2, 0.2, 0.2])
    width, height = (round(float(np.exp(rng.uniform(np.log(8), np.log(64))))) for _ in range(2))
    if rng.random() < 0.6:
        height = width
    palette = rng.integers(0, 256, (int(rng.integers(3, 12)), 3))
    if kind == "ours":
        pixels = (sprites.load(str(rng.choice(sprites.names())))[0].permute(1, 2, 0).numpy() * 255).round()
    elif kind == "invader":
        pixels = palette[_invader(height, width, len(palette), rng)]
    elif kind == "letters":
        pixels = palette[_letters(height, width, len(palette), rng)]
    elif kind == "texture":
        field = gaussian_filter(rng.standard_normal((height, width)), rng.uniform(0.5, 2.0), mode="wrap")
        field += rng.uniform(0, 0.3) * field.std() * rng.standard_normal(field.shape)
        ranks = (field.argsort(axis=None).argsort() * len(palette) // field.size).reshape(field.shape)
        pixels = palette[np.argsort(palette.sum(1))][ranks]
    else:
        pixels = _scene(height, width, palette, rng)
    return np.dstack([pixels.astype(np.uint8), np.full(pixels.shape[:2], 255, np.uint8)])


def with_holes(sprite: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A sprite whose commonest colour is transparent; what is hidden there is noise."""
    colours, index = np.unique(sprite[..., :3].reshape(-1, 3), axis=0, return_inverse=True)
    hidden = (index == np.bincount(index.ravel()).argmax()).reshape(sprite.shape[:2])
    made = sprite.copy()
    made[hidden] = np.concatenate([rng.integers(0, 256, (hidden.sum(), 3)), np.zeros((hidden.sum(), 1))], axis=1)
    return made if len(colours) > 2 else sprite


def _invader(height: int, width: int, colours: int, rng: np.random.Generator) -> np.ndarray:
    half = -(-width // 2)
    y, x = np.mgrid[:height, :half]
    body = np.hypot((y - height / 2) / height, (half - 1 - x) / width) < rng.uniform(0.25, 0.5)
    body &= rng.random(body.shape) < rng.uniform(0.6, 0.95)
    index = np.where(body, rng.integers(1, colours, body.shape), 0)
    return np.concatenate([index, index[:, ::-1][:, : width - half]], axis=1)


def _letters(height: int, width: int, colours: int, rng: np.random.Generator) -> np.ndarray:
    canvas = Image.new("P", (width, height), 0)
    pen = ImageDraw.Draw(canvas)
    pen.fontmode = "1"
    font = ImageFont.load_default(int(rng.integers(8, 15)))
    y = -2
    while y < height:
        words = "".join(chr(int(c)) for c in rng.integers(33, 127, 16))
        pen.text((int(rng.integers(-3, 3)), y), words, fill=int(rng.integers(1, colours)), font=font)
        y += int(rng.integers(7, 13))
    return np.asarray(canvas)


def _scene(height: int, width: int, palette: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    canvas = Image.new("RGB", (width, height), tuple(int(c) for c in palette[0]))
    pen = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(5, 16))):
        x, y = rng.uniform(-0.2, 1, 2) * (width, height)
        w, h = rng.uniform(0.1, 0.7, 2) * (width, height)
        shape = rng.choice(["ellipse", "rectangle", "line"])
        colour = tuple(int(c) for c in palette[rng.integers(len(palette))])
        box = [int(x), int(y), int(x + w), int(y + h)]
        if shape == "line":
            pen.line(box, fill=colour)
        else:
            getattr(pen, str(shape))(box, fill=colour)
    return np.asarray(canvas)
