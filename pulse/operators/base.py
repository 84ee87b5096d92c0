"""The form of an operator, and what can be done with any of them: composing, stacking, checking the adjoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class Operator:
    """A linear operator on images: the base class of those in this package.

    A subclass defines `A`, from images (..., C, H, W) to measurements, and `A_adjoint`, the other way, with

        <A x, y> = <x, A_adjoint y>   for all x and y.

    Both are differentiable, take any floating type on any device, and leave their argument as it is. `check_adjoint`
    tests the equation. `a @ b` composes: (a @ b).A(x) = a.A(b.A(x)); one of the two may be a foreign object that has
    `A` and `A_adjoint`.
    """

    def A(self, x: Tensor) -> Tensor:
        """The measurement of x (..., C, H, W)."""
        raise NotImplementedError

    def A_adjoint(self, y: Tensor) -> Tensor:
        """The adjoint of `A`: from the shape of a measurement to that of an image."""
        raise NotImplementedError

    def __call__(self, x: Tensor) -> Tensor:
        return self.A(x)

    def __matmul__(self, inner: Any) -> Composition:
        return Composition(self, inner) if _has_A(inner) else NotImplemented

    def __rmatmul__(self, outer: Any) -> Composition:
        return Composition(outer, self) if _has_A(outer) else NotImplemented


class Composition(Operator):
    """One operator after another: A(x) = outer.A(inner.A(x)), A_adjoint(y) = inner.A_adjoint(outer.A_adjoint(y)).

    Made by `outer @ inner`.

    >>> from pulse.operators import Downsampler, Grey
    >>> operator = Grey() @ Downsampler((128, 128), (16, 16))
    >>> operator
    Grey() @ Downsampler((128, 128), (16, 16))
    >>> operator.A(torch.rand(2, 3, 128, 128)).shape
    torch.Size([2, 1, 16, 16])
    >>> operator.A_adjoint(torch.rand(2, 1, 16, 16)).shape
    torch.Size([2, 3, 128, 128])
    """

    def __init__(self, outer: Any, inner: Any) -> None:
        self.outer, self.inner = outer, inner

    def A(self, x: Tensor) -> Tensor:
        """The measurement of x (..., C, H, W)."""
        return self.outer.A(self.inner.A(x))

    def A_adjoint(self, y: Tensor) -> Tensor:
        """The adjoint of `A`."""
        return self.inner.A_adjoint(self.outer.A_adjoint(y))

    def __repr__(self) -> str:
        return f"{self.outer!r} @ {self.inner!r}"


class Stack(Operator):
    """Several measurements of one image, one after another in the channels: A(x) = cat(a.A(x), b.A(x), ...).

    A_adjoint(y) is the sum of the adjoints of y's parts.

    Args:
        operators: all with measurements of the same height and width.
        in_shape: (C, H, W) of the images; one blank image is measured to learn how many channels each operator makes.

    Raises:
        ValueError: if there is no operator, or their measurements differ in height or width.

    >>> from pulse.operators import Blur, Grey, Mask
    >>> left = torch.cat([torch.ones(8, 4), torch.zeros(8, 4)], 1)
    >>> operator = Stack([Mask(left), Grey()], in_shape=(3, 8, 8))   # colour on the left, grey everywhere
    >>> operator.A(torch.rand(1, 3, 8, 8)).shape
    torch.Size([1, 4, 8, 8])
    """

    def __init__(self, operators: Sequence[Any], in_shape: tuple[int, int, int]) -> None:
        if not operators:
            raise ValueError("The stack has no operators; give at least one.")
        shapes = [tuple(operator.A(torch.zeros(1, *in_shape)).shape[1:]) for operator in operators]
        if len({shape[-2:] for shape in shapes}) > 1:
            raise ValueError(
                f"The stacked operators make measurements of the shapes {', '.join(map(str, shapes))}; "
                "give operators whose height and width agree."
            )
        self.operators = tuple(operators)
        self.channels = [shape[0] for shape in shapes]

    def A(self, x: Tensor) -> Tensor:
        """The measurements of x (..., C, H, W), (..., sum of channels, h, w)."""
        return torch.cat([operator.A(x) for operator in self.operators], -3)

    def A_adjoint(self, y: Tensor) -> Tensor:
        """The adjoint of `A`: (..., sum of channels, h, w) to (..., C, H, W)."""
        parts = [o.A_adjoint(part) for o, part in zip(self.operators, y.split(self.channels, -3), strict=True)]
        return torch.stack(parts).sum(0)

    def __repr__(self) -> str:
        return f"Stack([{', '.join(map(repr, self.operators))}])"


class Constants:
    """An operator's tensors, cached for each type and device that they were asked for."""

    def __init__(self, *tensors: Tensor) -> None:
        self._tensors = tensors
        self._cast: dict[tuple[torch.dtype, torch.device], tuple[Tensor, ...]] = {}

    def like(self, x: Tensor) -> tuple[Tensor, ...]:
        """The tensors in the type and on the device of x."""
        key = (x.dtype, x.device)
        if key not in self._cast:
            # Tensors made in inference mode cannot be used later where gradients are needed.
            with torch.inference_mode(False):
                self._cast[key] = tuple(t.to(device=x.device, dtype=x.dtype, copy=True) for t in self._tensors)
        return self._cast[key]


def check_image(x: Tensor, operator: str, channels: int | None, size: tuple[int, int] | None) -> None:
    """Raises ValueError in one sentence if x is not floating point (..., C, H, W) with these channels and this size."""
    fits = x.is_floating_point() and x.ndim >= 2
    fits &= channels is None or (x.ndim >= 3 and x.shape[-3] == channels)
    fits &= size is None or tuple(x.shape[-2:]) == size
    if not fits:
        height, width = size or ("H", "W")
        wanted = f"(..., {height}, {width})" if channels is None else f"(..., {channels}, {height}, {width})"
        raise ValueError(f"The image for {operator} is {tuple(x.shape)}, {x.dtype}; give floating point {wanted}.")


def mirror(index: Tensor, length: int) -> Tensor:
    """Indices of any size, reflected into 0 ... length - 1 about the centres of the first and the last pixel."""
    if length == 1:
        return torch.zeros_like(index)
    folded = index.abs() % (2 * length - 2)
    return torch.minimum(folded, 2 * length - 2 - folded)


def check_adjoint(
    operator: Any,
    in_shape: Sequence[int],
    dtype: torch.dtype = torch.float64,
    rng: torch.Generator | None = None,
    tolerance: float | None = None,
    device: torch.device | str = "cpu",
) -> float:
    """Tests <A x, y> = <x, A_adjoint y> for a random x and y.

    An operator that passes is linear as well, up to chance: an affine one, A x = L x + b, is wrong by <b, y>.

    Args:
        operator: anything with `A` and `A_adjoint`.
        in_shape: of the image x with all its dimensions, such as (1, 3, 128, 128).
        dtype: in which to compute; float32 for operators that hold float32 tensors.
        rng: where x and y come from; seeded with 0 by default.
        tolerance: the largest error; by default 1e4 times the rounding of `dtype`, 2e-12 in float64, 1e-3 in float32.
        device: that of the operator's tensors.

    Returns:
        The relative error |<A x, y> - <x, A_adjoint y>| / (|A x| |y|).

    Raises:
        ValueError: if the error is larger than the tolerance, or a shape does not come back.

    >>> from pulse.operators import Blur
    >>> check_adjoint(Blur.gaussian(1.5), (1, 3, 20, 30)) < 1e-14
    True
    """
    rng = torch.Generator().manual_seed(0) if rng is None else rng
    tolerance = 1e4 * torch.finfo(dtype).eps if tolerance is None else tolerance
    x = torch.randn(*in_shape, generator=rng, dtype=dtype).to(device)
    with torch.no_grad():
        measured = operator.A(x)
        y = torch.randn(measured.shape, generator=rng, dtype=dtype).to(device)
        back = operator.A_adjoint(y)
    if back.shape != x.shape:
        raise ValueError(
            f"A_adjoint of {operator!r} returns {tuple(back.shape)} for a measurement of {tuple(x.shape)}; "
            "make it return the image's shape."
        )
    error = float(((measured * y).sum() - (x * back).sum()).abs() / (measured.norm() * y.norm()).clamp(min=1e-30))
    if not error <= tolerance:
        raise ValueError(
            f"A_adjoint of {operator!r} is not the adjoint of its A: the relative error is {error:.2g}, "
            f"and {tolerance:.2g} is allowed; correct one of the two."
        )
    return error


def _has_A(other: Any) -> bool:
    return callable(getattr(other, "A", None)) and callable(getattr(other, "A_adjoint", None))
