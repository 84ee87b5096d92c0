"""Multi-scale sliced Wasserstein distance between two sets of pictures (Karras et al. 2018, section 5).

Each picture becomes a Laplacian pyramid, of which 7x7 patches describe the structure at each scale. Two sets of
pictures are alike if their sets of patches are. The distance is measured along random lines: on a line, the Wasserstein
distance is the mean difference of the sorted values.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

PATCH = 7
# Adelson and Burt's binomial filter, whose square is the kernel of the pyramid.
_TAPS = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
_PICTURES_AT_ONCE = 128
_DIRECTIONS_AT_ONCE = 16


def sliced_wasserstein(
    a: Any,
    b: Any,
    patches: int = 128,
    directions: int = 512,
    smallest: int = 16,
    seed: int = 0,
    device: str = "cpu",
) -> dict[int, float]:
    """The distance times 1000 at each level, {R: ..., R/2: ..., smallest: ...}; smaller is more alike.

    It never reaches 0: two halves of one set have a distance too, which falls with the number of pictures. Compare
    numbers of the same count only; Karras et al. take 16,384 pictures.

    Args:
        a: pictures (N, C, R, R) of uint8, as an array or a tensor; a memory-mapped one is read in parts.
        b: other pictures, of the same shape.
        patches: from each picture at each level.
        directions: random lines at each level.
        smallest: the last level's resolution.
        seed: of the patches' places and of the lines.
        device: where it is computed. It takes 8 * N * patches * 49 * C bytes there: 1.2 GB for 8,192 pictures.

    Raises:
        ValueError: if the sets differ in shape, are empty, or R is no power of two times `smallest`.
    """
    if a.shape != b.shape or len(a.shape) != 4 or len(a) == 0 or a.shape[2] != a.shape[3]:
        raise ValueError(
            f"Two sets of as many square pictures (N, C, R, R) can be compared, not {tuple(a.shape)} and"
            f" {tuple(b.shape)}; cut them to the same shape."
        )
    resolution = a.shape[2]
    sizes = level_sizes(resolution, smallest)
    distances = {}
    for level, size in enumerate(sizes):
        rng = np.random.default_rng([seed, size])
        x, y = (_descriptors(pictures, level, len(sizes), patches, rng, device) for pictures in (a, b))
        distances[size] = 1000 * _distance(x, y, directions, rng)
        del x, y
    return distances


def level_sizes(resolution: int, smallest: int) -> list[int]:
    """`resolution`, half of it, and so on to `smallest`; ValueError if that is not reached or holds no 7x7 patch."""
    sizes = [resolution]
    while sizes[-1] > smallest and sizes[-1] % 2 == 0:
        sizes.append(sizes[-1] // 2)
    if sizes[-1] != smallest or smallest < PATCH:
        raise ValueError(f"Halving {resolution} px does not lead to {smallest} px, or that is below {PATCH} px.")
    return sizes


def laplacian_pyramid(pictures: Tensor, levels: int) -> list[Tensor]:
    """Pictures (N, C, R, R) as `levels` tensors: what each scale adds to the next, and the smallest picture last.

    Burt & Adelson 1983. With `upsample`, each level plus the enlarged sum of those after it gives the picture back.
    """
    pyramid = []
    for _ in range(levels - 1):
        smaller = _blurred(pictures, step=2)
        pyramid.append(pictures - upsample(smaller))
        pictures = smaller
    return [*pyramid, pictures]


def upsample(pictures: Tensor) -> Tensor:
    """Pictures (N, C, H, W) at twice the size: zeros between the pixels, then the pyramid's filter."""
    n, c, h, w = pictures.shape
    larger = pictures.new_zeros(n, c, 2 * h, 2 * w)
    larger[:, :, ::2, ::2] = pictures * 4
    return _blurred(larger)


def _blurred(pictures: Tensor, step: int = 1) -> Tensor:
    """Filters along both axes, at every `step`-th pixel, by sums of slices: five times as fast as a grouped conv2d."""
    h, w = pictures.shape[2:]
    padded = F.pad(pictures, (0, 0, 2, 2), mode="reflect")
    rows = [padded[:, :, k : k + h : step] for k in range(len(_TAPS))]
    padded = F.pad(_weighted(rows), (2, 2, 0, 0), mode="reflect")
    return _weighted([padded[:, :, :, k : k + w : step] for k in range(len(_TAPS))])


def _weighted(shifted: list[Tensor]) -> Tensor:
    total = shifted[0] * _TAPS[0]
    for tap, tensor in zip(_TAPS[1:], shifted[1:], strict=True):
        total.add_(tensor, alpha=tap)
    return total


def _descriptors(pictures: Any, level: int, levels: int, patches: int, rng: np.random.Generator, device: str) -> Tensor:
    """Patches (N * patches, C * 49) of one level at random places, each channel with mean 0 and deviation 1."""
    n, c, resolution, _ = pictures.shape
    size = resolution >> level
    found = torch.empty(n, patches, c, PATCH, PATCH, device=device)
    inside = torch.arange(PATCH)
    for i in range(0, n, _PICTURES_AT_ONCE):
        some = pictures[i : i + _PICTURES_AT_ONCE]
        part = (some if isinstance(some, Tensor) else torch.from_numpy(np.array(some))).to(device).float()
        # This level only needs the next one, if there is one.
        layer = laplacian_pyramid(part, min(level + 2, levels))[level]
        top, left = torch.from_numpy(rng.integers(0, size - PATCH + 1, (2, len(part), patches)))
        rows, columns = top[:, :, None, None] + inside[:, None], left[:, :, None, None] + inside
        which = torch.arange(len(part))[:, None, None, None]
        # Indices on both sides of a slice put the sliced dimension last.
        found[i : i + len(part)] = layer[which, :, rows, columns].permute(0, 1, 4, 2, 3)
    deviation, mean = torch.std_mean(found, dim=(0, 1, 3, 4), keepdim=True)
    return found.sub_(mean).div_(deviation.clamp(min=1e-8)).flatten(0, 1).flatten(1)


def _distance(x: Tensor, y: Tensor, directions: int, rng: np.random.Generator) -> float:
    lines = torch.from_numpy(rng.standard_normal((directions, x.shape[1]), dtype=np.float32)).to(x.device)
    lines = lines / lines.norm(dim=1, keepdim=True)
    total = 0.0
    for part in lines.split(_DIRECTIONS_AT_ONCE):
        total += float((_sorted(part @ x.T) - _sorted(part @ y.T)).abs().mean(dim=1).sum())
    return total / directions


def _sorted(rows: Tensor) -> Tensor:
    if rows.device.type != "cpu":
        return rows.sort(dim=1).values
    # numpy sorts floats with vector instructions, ten times as fast as torch on a CPU.
    array = rows.numpy()
    array.sort(axis=1)
    return rows


def mean_distance(distances: dict[int, float]) -> float:
    """The mean over the levels, which is the number in papers."""
    return float(np.mean(list(distances.values())))
