"""Pictures that are no pixel art: crops of photographs, portraits, and smooth or drawn pictures."""

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from benchmarks.pixel_cases import as_jpeg
from stylegan import portraits
from stylegan.common.pixels import to_bytes

_PHOTOGRAPHS = (
    *("astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel", "moon", "rocket", "retina"),
    *("hubble_deep_field", "immunohistochemistry", "page", "text", "clock", "cell", "stereo_motorcycle"),
)


def others(count: int, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """`count` pictures (h, w, 4) of uint8, a third of each kind, with their names."""
    third = count // 3
    for _ in range(count - 2 * third):
        yield photograph(rng)
    u = portraits.sample(third, torch.Generator().manual_seed(int(rng.integers(2**31))))
    for i, point in enumerate(u.split(1)):
        side = int(rng.choice([48, 64, 96, 128]))
        picture = opaque(to_bytes(portraits.render(point, side))[0].permute(1, 2, 0).numpy())
        yield _perhaps_jpeg(f"portrait {i}, {side} px", picture, rng)
    for _ in range(third):
        yield smooth(rng)


def photograph(rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """A crop of a photograph of scikit-image's, perhaps resized, perhaps a JPEG."""
    import skimage.data

    name = str(rng.choice(_PHOTOGRAPHS))
    whole = getattr(skimage.data, name)()
    whole = whole[0] if isinstance(whole, tuple) else whole
    picture = Image.fromarray(np.asarray(whole)).convert("RGB")
    width, height = (min(side, int(rng.integers(48, 400))) for side in picture.size)
    x, y = int(rng.integers(0, picture.width - width + 1)), int(rng.integers(0, picture.height - height + 1))
    picture = picture.crop((x, y, x + width, y + height))
    if rng.random() < 0.4:
        by = rng.uniform(0.3, 1.0)
        picture = picture.resize((max(16, int(width * by)), max(16, int(height * by))), Image.Resampling.LANCZOS)
    return _perhaps_jpeg(f"{name} {picture.width}x{picture.height} at {x}, {y}", opaque(np.asarray(picture)), rng)


def smooth(rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """A gradient, clouds, waves, noise, or shapes with soft edges."""
    width, height = (int(n) for n in rng.integers(32, 500, 2))
    y, x = np.mgrid[:height, :width] / max(width, height)
    kind = str(rng.choice(["linear", "radial", "clouds", "waves", "noise", "shapes", "slow"]))
    ends = rng.uniform(0, 255, (2, 3))
    if kind in ("linear", "radial", "slow"):
        angle = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])
        t = x * np.cos(angle) + y * np.sin(angle)
        if kind == "radial":
            t = np.hypot(x - rng.uniform(0, 1), y - rng.uniform(0, 1))
        if kind == "slow":
            # So little that its levels are bands of many pixels.
            ends[1] = ends[0] + rng.uniform(-20, 20, 3)
        pixels = ends[0] + (ends[1] - ends[0]) * t[..., None]
    elif kind == "clouds":
        field = gaussian_filter(rng.standard_normal((height, width, 3)), (*[rng.uniform(1, 12)] * 2, 0))
        pixels = 128 + 50 * field / field.std()
    elif kind == "waves":
        t = np.sin(rng.uniform(10, 200) * x + rng.uniform(0, 6)) * np.sin(rng.uniform(0, 200) * y + rng.uniform(0, 6))
        pixels = ends[0] + (ends[1] - ends[0]) * (t[..., None] + 1) / 2
    elif kind == "noise":
        pixels = rng.uniform(0, 255, (height, width, 3))
    else:
        large = Image.new("RGB", (4 * width, 4 * height), tuple(int(c) for c in ends[0]))
        pen = ImageDraw.Draw(large)
        for _ in range(int(rng.integers(3, 20))):
            a, b = rng.uniform(-0.2, 1, 2) * large.size
            w, h = rng.uniform(0.1, 0.6, 2) * large.size
            pen.ellipse([a, b, a + w, b + h], fill=tuple(int(c) for c in rng.integers(0, 256, 3)))
        pixels = np.asarray(large.resize((width, height), Image.Resampling.BOX))
    return _perhaps_jpeg(f"{kind} {width}x{height}", opaque(np.clip(np.rint(pixels), 0, 255).astype(np.uint8)), rng)


def opaque(pixels: np.ndarray) -> np.ndarray:
    """Pixels (h, w, 3) with full opacity, (h, w, 4)."""
    return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])


def _perhaps_jpeg(name: str, picture: np.ndarray, rng: np.random.Generator) -> tuple[str, np.ndarray]:
    if rng.random() < 0.5:
        return name, picture
    quality = int(rng.integers(20, 96))
    return f"{name}, JPEG {quality}", as_jpeg(picture, quality, int(rng.choice([0, 2])))
