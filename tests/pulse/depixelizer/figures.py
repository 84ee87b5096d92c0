"""Figures and sheets that tests draw for themselves."""

import numpy as np
from PIL import Image

from pulse.app import sprites
from stylegan.common.pixels import to_pil


def sprite(i: int) -> Image.Image:
    """One of the demonstration's heads, 16x16, RGB."""
    names = sprites.names()
    return to_pil(sprites.load(names[i % len(names)])[0])


def cut_out(i: int) -> Image.Image:
    """The same without its background, RGBA."""
    pixels = np.array(sprite(i).convert("RGBA"))
    near = np.abs(pixels[..., :3].astype(int) - pixels[0, 0, :3]).max(-1) < 30
    pixels[near] = 0
    return Image.fromarray(pixels)


def figure(
    rng: np.random.Generator, height: int, head: float, colours: bool = True
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """A figure (h, w, 4) that stands, with arms, and left, top, right and bottom of its head.

    Args:
        rng: of its proportions and colours.
        height: in pixels.
        head: the share of the height that the head has.
        colours: whether skin and clothes differ in colour.
    """
    width = height
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    skin, cloth, hair = rng.integers(60, 256, (3, 3))
    if not colours:
        cloth = hair = skin
    pixels = np.zeros((height, width, 4), np.uint8)
    middle = width / 2 + rng.uniform(-1, 1)
    tall = head * height
    wide = tall * rng.uniform(0.85, 1.1)

    def fill(where: np.ndarray, colour: np.ndarray) -> None:
        pixels[where] = (*colour, 255)

    body = max(0.28 * height, 0.75 * wide)
    fill((np.abs(columns - middle) < 0.17 * wide + 0.5) & (rows > 0.8 * tall) & (rows < tall * 1.2), skin)
    hips = tall + 0.5 * (height - tall)
    fill((np.abs(columns - middle) < body / 2) & (rows > tall * 1.08) & (rows < hips), cloth)
    for side in (-1, 1):
        arm = np.abs(columns - middle - side * (body / 2 + 0.05 * height)) < 0.05 * height
        fill(arm & (rows > tall * 1.1) & (rows < hips), skin)
        fill((np.abs(columns - middle - side * body / 4) < 0.08 * height) & (rows >= hips), cloth // 2)
    skull = ((columns - middle) / (wide / 2)) ** 2 + ((rows - tall / 2) / (tall / 2)) ** 2 < 1
    fill(skull, skin)
    fill(skull & (rows < 0.35 * tall), hair)
    return pixels, (middle - wide / 2, 0.0, middle + wide / 2, tall)


def reaching(
    rng: np.random.Generator, height: int, head: float
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """The same with both arms straight up beside the head, and hands above it; arguments as of `figure`."""
    small, (left, top, right, bottom) = figure(rng, height, head)
    up = max(3, round(0.15 * height))
    pixels = np.zeros((height + up, height + 2 * up, 4), np.uint8)
    pixels[up:, up:-up] = small
    left, top, right, bottom = left + up, top + up, right + up, bottom + up
    rows, columns = np.mgrid[0 : pixels.shape[0], 0 : pixels.shape[1]] + 0.5
    middle, tall, thick = (left + right) / 2, bottom - top, max(1.0, 0.05 * height)
    away = np.abs(columns - middle)
    body = max(0.28 * height, 0.75 * (right - left))
    skin = pixels[int(top + 0.6 * tall), int(middle)].copy()
    pixels[(away > body / 2) & (rows > top + 1.1 * tall)] = 0
    reach = max(body, right - left) / 2 + thick + 2
    wrist = top + 1.1 * tall + 2 * thick
    pixels[(np.abs(away - reach) < thick) & (rows < wrist)] = skin
    pixels[(rows > top + 1.08 * tall) & (rows < wrist) & (away < reach)] = skin
    return pixels, (left, top, right, bottom)
