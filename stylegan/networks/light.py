"""Convolutions with frozen weights that keep nothing for the backward pass.

PyTorch's convolution keeps its input and its scaled weights until the backward pass, though the gradient of the input
needs only the weights. In a StyleGAN1 of 1024 px these are two fifths of what a step of a search holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from stylegan.common.memory import give_back

# Pixels of a layer from which on its time hides that of asking the system for memory again.
_LARGE = 256**2

_light: ContextVar[bool] = ContextVar("light", default=False)


@contextmanager
def light_gradients() -> Iterator[None]:
    """In this block, what StyleGAN1 draws holds less memory until its backward pass.

    The gradients of styles and noise are the same, to rounding, and take as long. The weights of convolutions get none.
    """
    token = _light.set(True)
    try:
        yield
    finally:
        _light.reset(token)


def convolution(
    x: Tensor, weight: Callable[..., Tensor], bias: Tensor | None = None, padding: int = 0, doubled: bool = False
) -> Tensor:
    """`conv2d` of x (N, I, H, W), or with `doubled` `conv_transpose2d` of stride 2.

    Args:
        x: the input.
        weight: makes the weights, of the type that it is given or else of their own: (O, I, k, k), or (I, O, k, k) for
            `doubled`. Within `light_gradients` it is called again for the backward pass.
        bias: (O,).
        padding: of the convolution.
        doubled: whether the size is doubled.
    """
    light = _light.get()
    if light:
        make_room(x.device, x.shape[2] * x.shape[3])
    if not (light and torch.is_grad_enabled() and x.requires_grad):
        return _apply(x, weight(), bias, padding, doubled)
    device = x.device.type
    if torch.is_autocast_enabled(device):
        x = x.to(torch.get_autocast_dtype(device))
    y: Tensor = _Light.apply(x, bias, weight, padding, doubled)
    return y


def _apply(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int, doubled: bool) -> Tensor:
    if doubled:
        return F.conv_transpose2d(x, weight, bias, stride=2, padding=padding)
    return F.conv2d(x, weight, bias, padding=padding)


def make_room(device: torch.device, pixels: int) -> None:
    """Returns what smaller layers have freed to the system, before one of so many pixels, if that is large."""
    if device.type == "cpu" and pixels >= _LARGE:
        give_back()


class _Light(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        bias: Tensor | None,
        weight: Callable[..., Tensor],
        padding: int,
        doubled: bool,
    ) -> Tensor:
        ctx.weight, ctx.padding, ctx.doubled = weight, padding, doubled
        return _apply(x, weight(x.dtype), None if bias is None else bias.to(x.dtype), padding, doubled)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        # Each of the two is the other's adjoint, with the same weights.
        weight = ctx.weight(dy.dtype)
        make_room(dy.device, dy.shape[2] * dy.shape[3])
        if ctx.doubled:
            dx = F.conv2d(dy, weight, stride=2, padding=ctx.padding)
        else:
            dx = F.conv_transpose2d(dy, weight, padding=ctx.padding)
        return dx, None, None, None, None
