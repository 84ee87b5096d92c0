"""Making an image smaller: separable linear operators with their adjoints."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

import cuda_ops

KERNELS = ("bicubic", "area", "lanczos", "nearest")


def downsample(
    image: Tensor, size: int | tuple[int, int] | None = None, factor: float | None = None, kernel: str = "bicubic"
) -> Tensor:
    """Reduce `image` (..., H, W) to `size` (h, w), or to (H, W) / `factor` rounded; differentiable. Returns (...,
    h, w).

    Exactly one of `size` (one number means a square) and `factor` (>= 1, also fractional) is given; `kernel` as in
    `Downsampler`.

    Raises ValueError for neither or both, an unknown kernel, or a size that is not between 1 and the image's own.

    >>> downsample(torch.ones(1, 3, 128, 96), factor=8).shape
    torch.Size([1, 3, 16, 12])
    """
    if image.ndim < 2:
        raise ValueError(f"The image to downsample has the shape {tuple(image.shape)}; give (..., H, W).")
    height, width = image.shape[-2:]
    if (size is None) == (factor is None):
        raise ValueError("downsample needs either a size or a factor; give exactly one of the two.")
    if factor is not None:
        if not (math.isfinite(factor) and factor >= 1):
            raise ValueError(f"The downsampling factor {factor} does not reduce; give a number of at least 1.")
        size = (max(1, round(height / factor)), max(1, round(width / factor)))
    assert size is not None
    out_size = (size, size) if isinstance(size, int) else (size[0], size[1])
    return _cached((height, width), out_size, kernel).A(image)


class Downsampler:
    """The operator A that reduces images of `in_size` (H, W) to `out_size` (h, w), and its adjoint.

    kernel:
        "bicubic": cubic convolution with a = -0.5 (R. Keys, IEEE TASSP 29(6), 1981, eq. 15), widened by the factor
            against aliasing, the image mirrored at its edges without repeating the edge pixel. For integer factors
            this is PULSE's operator (Menon et al., CVPR 2020), including that an odd factor samples half a pixel
            further to the lower right (its kernel has 4 * factor taps, so no middle one).
        "area": the mean over the area that an output pixel covers.
        "lanczos": the sinc windowed by its own third lobe, widened by the factor, cut at the image's edge (as
        Pillow's LANCZOS).
        "nearest": the pixel under the centre of the output pixel (Pillow's NEAREST), the later one if that is an edge.

    An axis that keeps its size is left as it is. Each row of weights sums to 1, so constant images stay constant.
    `matrices` are those of the two axes, (h, H) and (w, W), float64.
    Raises ValueError for an unknown kernel and for sizes that are not between 1 and the image's own.
    """

    def __init__(self, in_size: tuple[int, int], out_size: tuple[int, int], kernel: str = "bicubic") -> None:
        if kernel not in KERNELS:
            raise ValueError(f"The downsampling kernel {kernel!r} is unknown; choose one of {', '.join(KERNELS)}.")
        for axis, inner, outer in zip(("height", "width"), in_size, out_size, strict=True):
            if not 1 <= outer <= inner:
                raise ValueError(
                    f"A {axis} of {inner} pixels cannot be reduced to {outer}; give one between 1 and {max(inner, 1)}."
                )
        self.in_size = in_size
        self.out_size = out_size
        self.kernel = kernel
        height, width = (torch.from_numpy(_weights(i, o, kernel)) for i, o in zip(in_size, out_size, strict=True))
        self.matrices = height, width
        self._cast: dict[tuple[torch.dtype, torch.device], tuple[Tensor, Tensor]] = {}
        self._bands: dict[tuple[torch.dtype, torch.device], tuple[cuda_ops.Bands, cuda_ops.Bands]] = {}

    def A(self, x: Tensor) -> Tensor:
        """Reduce x (..., H, W) to (..., h, w); floating point."""
        self._check(x, self.in_size)
        rows, columns = self._matrices(x)
        return rows @ (x @ columns.T)

    def A_adjoint(self, y: Tensor) -> Tensor:
        """The adjoint of `A`: y (..., h, w) to (..., H, W), with <A x, y> = <x, A_adjoint y>."""
        self._check(y, self.out_size)
        rows, columns = self._matrices(y)
        return rows.T @ y @ columns

    __call__ = A

    def l2(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The mean squared error (N,) of A x to the target, and A x: x (N, C, H, W), target (N, C, h, w).

        The search's inner loop: one pass over x, and another for its gradient (`cuda_ops.downsample_l2`).
        """
        self._check(x, self.in_size)
        key = (x.dtype, x.device)
        if key not in self._bands:
            height, width = (cuda_ops.bands(m) for m in self._matrices(x))
            self._bands[key] = height, width
        return cuda_ops.downsample_l2(x, target, *self._bands[key])

    def _check(self, x: Tensor, size: tuple[int, int]) -> None:
        if tuple(x.shape[-2:]) != size or not x.is_floating_point():
            raise ValueError(
                f"The image for this Downsampler is {tuple(x.shape)}, {x.dtype}; "
                f"give floating point (..., {size[0]}, {size[1]})."
            )

    def _matrices(self, x: Tensor) -> tuple[Tensor, Tensor]:
        key = (x.dtype, x.device)
        if key not in self._cast:
            rows, columns = (m.to(device=x.device, dtype=x.dtype) for m in self.matrices)
            self._cast[key] = (rows, columns)
        return self._cast[key]


@lru_cache(maxsize=32)
def _cached(in_size: tuple[int, int], out_size: tuple[int, int], kernel: str) -> Downsampler:
    return Downsampler(in_size, out_size, kernel)


def _weights(inner: int, outer: int, kernel: str) -> np.ndarray:
    """The matrix (outer, inner) of one axis, in float64."""
    if inner == outer:
        return np.eye(inner)
    factor = inner / outer
    matrix = np.zeros((outer, inner))
    for i in range(outer):
        centre = (i + 0.5) * factor - 0.5
        if kernel == "nearest":
            matrix[i, (2 * i + 1) * inner // (2 * outer)] = 1
        elif kernel == "area":
            edges = np.arange(inner)
            matrix[i] = np.clip(np.minimum(edges + 1, (i + 1) * factor) - np.maximum(edges, i * factor), 0, None)
        elif kernel == "lanczos":
            matrix[i] = _lanczos((np.arange(inner) - centre) / factor)
        else:
            if inner % outer == 0 and (inner // outer) % 2 == 1:
                centre += 0.5
            taps = np.arange(math.floor(centre - 2 * factor), math.ceil(centre + 2 * factor) + 1)
            np.add.at(matrix[i], _mirror(taps, inner), _cubic((taps - centre) / factor))
    return matrix / matrix.sum(axis=1, keepdims=True)


def _mirror(index: np.ndarray, length: int) -> np.ndarray:
    if length == 1:
        return np.zeros_like(index)
    folded = np.abs(index) % (2 * length - 2)
    return np.minimum(folded, 2 * length - 2 - folded)


def _cubic(t: np.ndarray, a: float = -0.5) -> np.ndarray:
    t = np.abs(t)
    near = (a + 2) * t**3 - (a + 3) * t**2 + 1
    far = a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def _lanczos(t: np.ndarray) -> np.ndarray:
    return np.where(np.abs(t) < 3, np.sinc(t) * np.sinc(t / 3), 0)
