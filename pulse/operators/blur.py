"""Convolution with a small kernel."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d

from pulse.operators.base import Constants, Operator, check_image, mirror

BORDERS = ("mirror", "repeat", "wrap", "zero")


class Blur(Operator):
    """Convolves each channel with a kernel k (kh, kw); the image keeps its size.

        (A x)[i, j] = sum_{p, q} k[p, q] x[i + kh // 2 - p, j + kw // 2 - q]

    The adjoint is the correlation with k, after which what lies beyond the border is added to the pixels that it was
    read from.

    Args:
        kernel: (kh, kw), floating point. Its sum scales the brightness, so one that sums to 1 keeps it; a direction
            of motion is a line in the kernel.
        border: what x is beyond its border: "mirror" (mirrored at the edge pixel, which is not repeated, as in
            `Downsampler`), "repeat" (the edge pixel again and again), "wrap" (the opposite side) or "zero" (black).

    Raises:
        ValueError: for a kernel of another shape or one that is not finite, and for an unknown border.

    >>> Blur(torch.tensor([[0.0, 0.5, 0.5]]), border="repeat").A(torch.tensor([[[1.0, 0.0, 0.0, 4.0]]]))
    tensor([[[1.0000, 0.5000, 0.0000, 2.0000]]])
    """

    def __init__(self, kernel: Tensor, border: str = "mirror") -> None:
        if border not in BORDERS:
            raise ValueError(f"The border {border!r} is unknown; choose one of {', '.join(BORDERS)}.")
        if kernel.ndim != 2 or kernel.numel() == 0 or not kernel.is_floating_point() or not kernel.isfinite().all():
            raise ValueError(
                f"The kernel of the blur is {tuple(kernel.shape)}, {kernel.dtype}; give finite floating point (kh, kw)."
            )
        self.kernel = kernel.detach().to(torch.float64, copy=True)
        self.border = border
        # PyTorch's conv2d correlates.
        self._constants = Constants(self.kernel.flip(0, 1)[None, None])

    @staticmethod
    def gaussian(sigma: float, border: str = "mirror") -> Operator:
        """A gaussian blur of standard deviation `sigma` pixels, cut at four deviations and scaled to a sum of 1.

        It is a blur of the columns after one of the rows, which is faster than one with a square kernel.

        Raises:
            ValueError: if sigma is not a finite number above 0, or for an unknown border.
        """
        if not (math.isfinite(sigma) and sigma > 0):
            raise ValueError(f"The deviation of the gaussian blur is {sigma}; give a number of pixels above 0.")
        radius = max(1, round(4 * sigma))
        taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=torch.float64) / sigma).square())
        taps /= taps.sum()
        return Blur(taps[:, None], border) @ Blur(taps[None, :], border)

    def A(self, x: Tensor) -> Tensor:
        """The blurred x (..., H, W), of the same shape."""
        check_image(x, "Blur", None, None)
        (kernel,) = self._constants.like(x)
        padded = x
        for axis, taps in ((-2, self.kernel.shape[0]), (-1, self.kernel.shape[1])):
            padded = self._pad(padded, axis, taps)
        return conv2d(padded.reshape(-1, 1, *padded.shape[-2:]), kernel).reshape(x.shape)

    def A_adjoint(self, y: Tensor) -> Tensor:
        """The adjoint of `A`, of the same shape as y (..., H, W)."""
        check_image(y, "the adjoint of Blur", None, None)
        (kernel,) = self._constants.like(y)
        x = conv_transpose2d(y.reshape(-1, 1, *y.shape[-2:]), kernel)
        for axis, taps in ((-2, self.kernel.shape[0]), (-1, self.kernel.shape[1])):
            x = self._pad_adjoint(x, axis, taps, y.shape[axis])
        return x.reshape(y.shape)

    def _pad(self, x: Tensor, axis: int, taps: int) -> Tensor:
        length = x.shape[axis]
        source = self._source(length, taps).to(x.device)
        padded = x.index_select(axis, source.clamp(min=0))
        if self.border != "zero":
            return padded
        return padded * _along(source >= 0, axis).to(x.dtype)

    def _pad_adjoint(self, x: Tensor, axis: int, taps: int, length: int) -> Tensor:
        source = self._source(length, taps).to(x.device)
        if self.border == "zero":
            x = x * _along(source >= 0, axis).to(x.dtype)
        shape = list(x.shape)
        shape[axis] = length
        return x.new_zeros(shape).index_add(axis, source.clamp(min=0), x)

    def _source(self, length: int, taps: int) -> Tensor:
        """Which pixel stands at each place of the padded axis; -1 for none."""
        place = torch.arange(length + taps - 1) - (taps - 1 - taps // 2)
        if self.border == "mirror":
            return mirror(place, length)
        if self.border == "repeat":
            return place.clamp(0, length - 1)
        if self.border == "wrap":
            return place % length
        return torch.where((place >= 0) & (place < length), place, -1)

    def __repr__(self) -> str:
        return f"Blur({self.kernel.shape[0]} x {self.kernel.shape[1]}, {self.border})"


def _along(values: Tensor, axis: int) -> Tensor:
    return values[:, None] if axis == -2 else values
