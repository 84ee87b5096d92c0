"""Operators that act on each pixel alone: a mask, and conversion to grey."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pulse.operators.base import Constants, Operator, check_image

# Of red, green and blue. ITU-R BT.601, which Pillow's mode L and PNG readers take, too.
_LUMA = (0.299, 0.587, 0.114)


class Mask(Operator):
    """Keeps the pixels where the mask is 1 and loses those where it is 0: A x = m * x, which is its own adjoint.

    The target of a search must be 0 where the mask is: give `mask.A(picture)`. Lost pixels count as matched, so an
    error of eps over the kept ones is one of eps * `kept` over all; search with `eps=2e-3 * mask.kept`.

    Args:
        mask: (H, W) or (C, H, W), bool or numbers; fractions weaken a pixel.

    Attributes:
        kept: the mean of the mask.

    Raises:
        ValueError: if the mask has another shape or is not finite.

    >>> mask = Mask(torch.tensor([[1.0, 0.0]]))
    >>> mask.A(torch.tensor([[[0.2, 0.3]]]))
    tensor([[[0.2000, 0.0000]]])
    >>> mask.kept
    0.5
    """

    def __init__(self, mask: Tensor) -> None:
        if mask.ndim not in (2, 3) or mask.numel() == 0 or not mask.isfinite().all():
            raise ValueError(
                f"The mask is {tuple(mask.shape)}, {mask.dtype}; give finite numbers of shape (H, W) or (C, H, W)."
            )
        self.mask = mask.detach().to(torch.float64, copy=True)
        self.kept = float(self.mask.mean())
        self._constants = Constants(self.mask)

    def A(self, x: Tensor) -> Tensor:
        """x (..., C, H, W) with the lost pixels 0."""
        channels = self.mask.shape[0] if self.mask.ndim == 3 and self.mask.shape[0] > 1 else None
        check_image(x, "this Mask", channels, (self.mask.shape[-2], self.mask.shape[-1]))
        (mask,) = self._constants.like(x)
        return x * mask

    def A_adjoint(self, y: Tensor) -> Tensor:
        """The adjoint of `A`, which is `A`."""
        return self.A(y)

    def __repr__(self) -> str:
        return f"Mask({' x '.join(map(str, self.mask.shape))}, {self.kept:.0%} kept)"


class Grey(Operator):
    """The brightness of a colour image: A x = w_R R + w_G G + w_B B, from (..., 3, H, W) to (..., 1, H, W).

    The adjoint gives each channel its weight of the brightness: (A_adjoint y)_c = w_c y.

    Args:
        weights: of red, green and blue; those of ITU-R BT.601 by default, (0.299, 0.587, 0.114), which Pillow's
            `convert("L")` takes too. BT.709 has (0.2126, 0.7152, 0.0722). Both apply to the values as stored, without
            undoing the gamma.

    Raises:
        ValueError: if there are not three finite weights.

    >>> Grey().A(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1))
    tensor([[[[0.2990]]]])
    """

    def __init__(self, weights: Sequence[float] = _LUMA) -> None:
        self.weights = tuple(float(w) for w in weights)
        values = torch.tensor(self.weights, dtype=torch.float64)
        if values.shape != (3,) or not values.isfinite().all():
            raise ValueError(f"The weights of Grey are {self.weights}; give three numbers, for red, green and blue.")
        self._constants = Constants(values.view(3, 1, 1))

    def A(self, x: Tensor) -> Tensor:
        """The brightness (..., 1, H, W) of x (..., 3, H, W)."""
        check_image(x, "Grey", 3, None)
        (weights,) = self._constants.like(x)
        return (x * weights).sum(-3, keepdim=True)

    def A_adjoint(self, y: Tensor) -> Tensor:
        """The adjoint of `A`: y (..., 1, H, W) to (..., 3, H, W)."""
        check_image(y, "the adjoint of Grey", 1, None)
        (weights,) = self._constants.like(y)
        return y * weights

    def __repr__(self) -> str:
        return "Grey()" if self.weights == _LUMA else f"Grey({self.weights})"
