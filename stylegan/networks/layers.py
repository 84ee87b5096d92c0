"""The layers that the networks are made of, with the equalised learning rate of Karras et al. 2018, section 4.1.

Stored weights are unit-normal; the factor `gain / sqrt(fan_in) * lr_multiplier` is applied at run time, and
`lr_multiplier` to the bias.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn

from cuda_ops import (
    bias_act,
    downsample2d,
    modulated_conv2d,
    modulated_conv2d_and_scale,
    setup_filter,
    upfirdn2d,
    upsample2d,
)

RESAMPLE_TAPS = (1, 3, 3, 1)
NoiseMode = Literal["const", "random", "none"]


def normalize_2nd_moment(x: Tensor, eps: float = 1e-8) -> Tensor:
    """Rows of (N, C) scaled to a mean square of 1."""
    return x * (x.square().mean(dim=1, keepdim=True) + eps).rsqrt()


class FullyConnectedLayer(nn.Module):
    """A dense layer (N, in) -> (N, out) with bias and activation."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        activation: str = "linear",
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init / lr_multiplier))
        self.weight_gain = lr_multiplier / sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.to(x.dtype) * self.weight_gain
        bias = self.bias.to(x.dtype) * self.bias_gain
        if self.activation == "linear":
            return torch.addmm(bias, x, weight.t())
        return bias_act(x @ weight.t(), bias, act=self.activation)


class Conv2dLayer(nn.Module):
    """A convolution of a discriminator or of a residual branch; it may double or halve the size.

    (N, in, H, W) -> (N, out, H*up/down, W*up/down).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        bias: bool = True,
        activation: str = "linear",
        up: int = 1,
        down: int = 1,
        conv_clamp: float | None = None,
        resample_filter: Sequence[float] = RESAMPLE_TAPS,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.up = up
        self.down = down
        self.conv_clamp = conv_clamp
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.register_buffer("resample_filter", setup_filter(resample_filter))
        self.resample_filter: Tensor
        self.padding = kernel_size // 2
        self.weight_gain = 1 / sqrt(in_channels * kernel_size**2)

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        weight = (self.weight * self.weight_gain).to(x.dtype)
        if x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous():
            weight = weight.contiguous(memory_format=torch.channels_last)
        if self.down == 2 and weight.shape[-1] == 1:
            x = torch.conv2d(downsample2d(x, self.resample_filter), weight)
        elif self.down == 2:
            # downsample2d's padding and the convolution's, before the filter: the strided convolution then keeps
            # every second sample.
            taps = self.resample_filter.shape[-1]
            before, after = self.padding + (taps - 1) // 2, self.padding + (taps - 2) // 2
            x = upfirdn2d(x, self.resample_filter, padding=(before, after, before, after))
            x = torch.conv2d(x, weight, stride=2)
        elif self.up == 2:
            x = upsample2d(torch.conv2d(x, weight, padding=self.padding), self.resample_filter)
        else:
            x = torch.conv2d(x, weight, padding=self.padding)
        default_gain = sqrt(2) if self.activation == "lrelu" else 1.0
        clamp = None if self.conv_clamp is None else self.conv_clamp * gain
        return bias_act(x, self.bias, act=self.activation, gain=default_gain * gain, clamp=clamp)


class SynthesisLayer(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU (Karras et al. 2020, figure 2c)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        up: int = 1,
        conv_clamp: float | None = None,
        resample_filter: Sequence[float] = RESAMPLE_TAPS,
    ) -> None:
        super().__init__()
        self.resolution = resolution
        self.up = up
        self.conv_clamp = conv_clamp
        self.affine = FullyConnectedLayer(w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("resample_filter", setup_filter(resample_filter))
        self.noise_const: Tensor
        self.resample_filter: Tensor

    def forward(
        self, x: Tensor, w: Tensor, noise_mode: NoiseMode = "const", noise: Tensor | None = None, gain: float = 1.0
    ) -> Tensor:
        styles = self.affine(w)
        # `bias_act` applies the demodulation as a factor, which saves a pass over memory.
        x, scale = modulated_conv2d_and_scale(x, self.weight, styles, up=self.up, resample_filter=self.resample_filter)
        if noise is None:
            noise = layer_noise(noise_mode, self.noise_const, x)
        clamp = None if self.conv_clamp is None else self.conv_clamp * gain
        return bias_act(
            x,
            self.bias,
            act="lrelu",
            gain=sqrt(2) * gain,
            clamp=clamp,
            noise=noise,
            strength=self.noise_strength,
            scale=scale,
        )


class ToRGBLayer(nn.Module):
    """A 1x1 modulated convolution to an image, without demodulation."""

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, conv_clamp: float | None = None) -> None:
        super().__init__()
        self.conv_clamp = conv_clamp
        self.affine = FullyConnectedLayer(w_dim, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.weight_gain = 1 / sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        styles = self.affine(w) * self.weight_gain
        x = modulated_conv2d(x, self.weight, styles, demodulate=False)
        return bias_act(x, self.bias, clamp=self.conv_clamp)


def layer_noise(noise_mode: NoiseMode, noise_const: Tensor, x: Tensor) -> Tensor | None:
    """The noise of a layer for which the caller gives none: (h, w), (N, 1, h, w) or None."""
    if noise_mode == "none":
        return None
    if noise_mode == "const":
        return noise_const
    if noise_mode == "random":
        return torch.randn(x.shape[0], 1, *x.shape[2:], device=x.device)
    raise ValueError(f"There is no noise_mode {noise_mode!r}; use 'const', 'random' or 'none'.")


def check_noise(noise: list[Tensor] | tuple[Tensor, ...] | None, shapes: tuple[tuple[int, int], ...]) -> None:
    """Raises ValueError unless `noise` is None or holds one tensor (N or 1, 1, h, w) for each of `shapes`."""
    if noise is None:
        return
    if len(noise) != len(shapes):
        raise ValueError(f"The generator takes {len(shapes)} noise maps and was given {len(noise)}; give one a layer.")
    for i, (tensor, shape) in enumerate(zip(noise, shapes, strict=True)):
        if tensor.ndim != 4 or tensor.shape[1] != 1 or tuple(tensor.shape[2:]) != shape:
            raise ValueError(
                f"Noise map {i} has shape {tuple(tensor.shape)}; this layer takes (N, 1, {shape[0]}, {shape[1]})."
            )
