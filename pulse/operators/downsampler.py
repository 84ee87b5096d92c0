"""Downsampling an image: one matrix for its rows and one for its columns."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

import cuda_ops
from pulse.operators.base import Constants, Operator, check_image, mirror

KERNELS = ("bicubic", "area", "lanczos", "nearest")


def downsample(
    image: Tensor, size: int | tuple[int, int] | None = None, factor: float | None = None, kernel: str = "bicubic"
) -> Tensor:
    """Makes an image smaller; differentiable.

    Give either a size or a factor.

    Args:
        image: (..., H, W), floating point.
        size: (h, w), or one number for a square.
        factor: at least 1, fractions allowed; the size is then (H, W) / factor, rounded.
        kernel: as for `Downsampler`.

    Returns:
        The image (..., h, w).

    Raises:
        ValueError: for neither or both, an unknown kernel, or a size that is not between 1 and the image's own.

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


class Downsampler(Operator):
    """Reduces images of `in_size` (H, W) to `out_size` (h, w): A x = R x C^T for each channel.

    R (h, H) and C (w, W) are the `matrices`, float64; each of their rows sums to 1, so a constant image stays constant.
    An axis that keeps its size is left as it is.

    Args:
        in_size: (H, W).
        out_size: (h, w).
        kernel: what an output pixel is made of.
            "bicubic": cubic convolution with a = -0.5 (R. Keys, IEEE TASSP 29(6), 1981, eq. 15), widened by the factor
            against aliasing, the image mirrored at its edge pixel, which is not repeated. For whole factors this is
            PULSE's operator (Menon et al., CVPR 2020), including that an odd factor samples half a pixel further to
            the lower right (its kernel has 4 * factor taps, so no middle one).
            "area": the mean over the area that an output pixel covers.
            "lanczos": the sinc windowed by its own third lobe, widened by the factor, cut at the image's edge (as
            Pillow's LANCZOS).
            "nearest": the pixel under the centre of the output pixel (Pillow's NEAREST); the later one if that is an
            edge.

    Raises:
        ValueError: for an unknown kernel, and for sizes that are not between 1 and the image's own.

    >>> operator = Downsampler((128, 128), (16, 16))
    >>> operator.A(torch.rand(2, 3, 128, 128)).shape
    torch.Size([2, 3, 16, 16])
    >>> operator.A_adjoint(torch.rand(2, 3, 16, 16)).shape
    torch.Size([2, 3, 128, 128])
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
        self._constants = Constants(height, width)
        self._bands: dict[tuple[torch.dtype, torch.device], tuple[cuda_ops.Bands, cuda_ops.Bands]] = {}

    def A(self, x: Tensor) -> Tensor:
        """The reduced x (..., H, W): (..., h, w)."""
        check_image(x, "this Downsampler", None, self.in_size)
        rows, columns = self._constants.like(x)
        return rows @ (x @ columns.T)

    def A_adjoint(self, y: Tensor) -> Tensor:
        """The adjoint of `A`: y (..., h, w) to (..., H, W)."""
        check_image(y, "the adjoint of this Downsampler", None, self.out_size)
        rows, columns = self._constants.like(y)
        return rows.T @ y @ columns

    def l2(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The mean squared error of A x to the target, and A x, in one pass over x (`cuda_ops.downsample_l2`).

        Args:
            x: (N, C, H, W).
            target: (N, C, h, w).

        Returns:
            (N,) and (N, C, h, w); differentiable, with one more pass over x.
        """
        check_image(x, "this Downsampler", None, self.in_size)
        key = (x.dtype, x.device)
        if key not in self._bands:
            # As in `Constants.like`.
            with torch.inference_mode(False):
                height, width = (cuda_ops.bands(m) for m in self._constants.like(x))
            self._bands[key] = height, width
        return cuda_ops.downsample_l2(x, target, *self._bands[key])

    def __repr__(self) -> str:
        kernel = "" if self.kernel == "bicubic" else f", {self.kernel!r}"
        return f"Downsampler({self.in_size}, {self.out_size}{kernel})"


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
            np.add.at(matrix[i], mirror(torch.from_numpy(taps), inner).numpy(), _cubic((taps - centre) / factor))
    return matrix / matrix.sum(axis=1, keepdims=True)


def _cubic(t: np.ndarray, a: float = -0.5) -> np.ndarray:
    t = np.abs(t)
    near = (a + 2) * t**3 - (a + 3) * t**2 + 1
    far = a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


def _lanczos(t: np.ndarray) -> np.ndarray:
    return np.where(np.abs(t) < 3, np.sinc(t) * np.sinc(t / 3), 0)
