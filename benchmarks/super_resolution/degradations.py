"""How a large picture becomes the small one that methods are asked about, and what they are told of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pulse.operators import Blur, Downsampler, Grey, Operator
from stylegan.common.pixels import to_bytes


class Chain(Operator):
    """Makes images small in three steps of bilinear interpolation with antialiasing, to 4, 2 and 1 times `size`.

    So are the inputs of the feed-forward network made (Kim et al., BMVC 2019): 64, 32, then 16 px.

    Args:
        in_size: pixels along a side of the images.
        size: pixels along a side of what becomes of them.
    """

    def __init__(self, in_size: int, size: int) -> None:
        sides = [side for side in (4 * size, 2 * size, size) if side < in_size]
        axis = torch.eye(in_size, dtype=torch.float64)[None, None]
        for side in sides:
            axis = F.interpolate(axis, size=(side, in_size), mode="bilinear", antialias=True)
        self.matrix = axis[0, 0].float()

    def A(self, x: Tensor) -> Tensor:
        """The reduced x (..., H, H): (..., size, size)."""
        rows = self.matrix.to(x)
        return rows @ x @ rows.T

    def A_adjoint(self, y: Tensor) -> Tensor:
        """The adjoint of `A`."""
        rows = self.matrix.to(y)
        return rows.T @ y @ rows


class Corners(Operator):
    """The upper corners of what another operator makes, in grey: its first row, in which only the ends are not 0.

    Args:
        inner: makes (..., 3, h, w) of an image.
    """

    def __init__(self, inner: Operator) -> None:
        self.inner, self.grey = inner, Grey()

    def A(self, x: Tensor) -> Tensor:
        """The row (..., 1, 1, w)."""
        return self._ends(self.grey.A(self.inner.A(x))[..., :1, :])

    def A_adjoint(self, y: Tensor) -> Tensor:
        """The adjoint of `A`, for pictures as high as they are wide."""
        return self.inner.A_adjoint(self.grey.A_adjoint(F.pad(self._ends(y), (0, 0, 0, y.shape[-1] - 1))))

    def _ends(self, row: Tensor) -> Tensor:
        return F.pad(torch.zeros_like(row[..., 1:-1]), (1, 1), value=1.0) * row


@dataclass(frozen=True)
class Degradation:
    """One way to make a picture small.

    Args:
        name: in tables and on the command line.
        about: one sentence.
        kernel: of `pulse.operators.Downsampler`, or "chain"; methods are told this.
        blur: deviation of a gaussian blur that comes first, in pixels of a large picture of 128 px; nobody is told.
        noise: deviation of the noise of the small picture; nobody is told.
    """

    name: str
    about: str
    kernel: str
    blur: float = 0.0
    noise: float = 0.0

    def operator(self, resolution: int, size: int) -> Operator:
        """What methods are told: from images of `resolution` pixels along a side to `size`."""
        if self.kernel == "chain":
            return Chain(resolution, size)
        return Downsampler((resolution, resolution), (size, size), self.kernel)

    def questions(self, truths: Tensor, size: int, first_seed: int = 0) -> Tensor:
        """The small pictures (N, 3, size, size) of large ones (N, 3, R, R) in [0, 1], rounded as a PNG rounds them.

        Args:
            truths: the large pictures.
            size: pixels along a side.
            first_seed: of the noise of the first picture; each further picture adds one.
        """
        large = truths
        if self.blur:
            large = Blur.gaussian(self.blur * truths.shape[-1] / 128).A(truths)
        small = self.operator(truths.shape[-1], size).A(large)
        if self.noise:
            rngs = [torch.Generator().manual_seed(first_seed + i) for i in range(len(small))]
            small = small + self.noise * torch.stack([torch.randn(small.shape[1:], generator=rng) for rng in rngs])
        return to_bytes(small).float() / 255


@dataclass(frozen=True)
class Covered(Degradation):
    """The same, of which only the upper corners are seen, in grey: background, which says nothing of a face."""

    def operator(self, resolution: int, size: int) -> Operator:
        """What methods are told: from images of `resolution` pixels along a side to (1, 1, size)."""
        return Corners(super().operator(resolution, size))


DEGRADATIONS = {
    one.name: one
    for one in (
        Degradation("bicubic", "Bicubic with antialiasing, PULSE's own.", "bicubic"),
        Degradation("area", "The mean of each block of pixels.", "area"),
        Degradation("chain", "Bilinear to 64, 32, then 16 px, as the feed-forward network was taught.", "chain"),
        Degradation("nearest", "One pixel of each block, as old games were often made.", "nearest"),
        Degradation(
            "mismatched",
            "Blurred (deviation 3 px of 128), bicubic, then noise of deviation 0.03; methods believe in plain bicubic.",
            "bicubic",
            blur=3.0,
            noise=0.03,
        ),
    )
}
