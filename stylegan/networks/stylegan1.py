"""StyleGAN1's generator (Karras, Laine, Aila: A Style-Based Generator Architecture, CVPR 2019), as PULSE uses it."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuda_ops import adain, setup_filter, upfirdn2d
from stylegan.generator import GeneratorBase, check_styles
from stylegan.networks.layers import NoiseMode, check_noise, layer_noise, normalize_2nd_moment
from stylegan.networks.light import convolution
from stylegan.networks.mapping import truncate
from stylegan.networks.stylegan2 import block_resolutions, channels_at, check_resolution

# From this resolution on, upsampling and convolution are one transposed convolution.
_FUSED_FROM = 128


class _ScaledLinear(nn.Module):
    """A dense layer whose gain scales the weight and not the bias."""

    def __init__(self, in_features: int, out_features: int, gain: float = 1.0, lr_multiplier: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.weight_gain = gain / sqrt(in_features) * lr_multiplier
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias * self.bias_gain, x, self.weight.t() * self.weight_gain)


class MappingNetwork(nn.Module):
    """z (N, z_dim) -> w, copied to (N, num_ws, w_dim); without layers it takes the place of a missing one."""

    def __init__(self, z_dim: int, w_dim: int, num_ws: int, num_layers: int = 8, lr_multiplier: float = 0.01) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.c_dim = 0
        self.w_dim = w_dim
        self.num_ws = num_ws
        self.num_layers = num_layers
        for i in range(num_layers):
            layer = _ScaledLinear(z_dim if i == 0 else w_dim, w_dim, gain=sqrt(2), lr_multiplier=lr_multiplier)
            setattr(self, f"fc{i}", layer)
        self.register_buffer("w_avg", torch.zeros(w_dim))
        self.w_avg: Tensor

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
        skip_w_avg_update: bool = True,
    ) -> Tensor:
        """Styles (N, num_ws, w_dim).

        StyleGAN1 takes no labels and is not trained here: `c`, `update_emas` and `skip_w_avg_update` have no effect;
        they are accepted so that both networks are called alike.

        Raises:
            ValueError: if z has the wrong shape.
        """
        if z.ndim != 2 or z.shape[1] != self.z_dim:
            raise ValueError(f"The mapping network takes z of shape (N, {self.z_dim}); it was given {tuple(z.shape)}.")
        if self.num_layers == 0:
            raise ValueError(
                "This generator came without a mapping network (PULSE's synthesis.pt alone), so it takes styles only;"
                " load a folder that also holds mapping.pt."
            )
        x = normalize_2nd_moment(z.float())
        for i in range(self.num_layers):
            x = F.leaky_relu(getattr(self, f"fc{i}")(x), 0.2)
        ws = x.unsqueeze(1).repeat(1, self.num_ws, 1)
        return truncate(ws, self.w_avg, truncation_psi, truncation_cutoff) if truncation_psi != 1 else ws


class _Layer(nn.Module):
    """(Up-sampling, convolution, blur,) then bias, noise, leaky ReLU, instance norm and style."""

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, resolution: int, up: bool) -> None:
        super().__init__()
        self.up = up
        self.resolution = resolution
        # The first layer of the network has no convolution: its input is the constant.
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3)) if in_channels else None
        self.weight_gain = sqrt(2) / sqrt(max(in_channels, 1) * 9)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros(out_channels))
        self.affine = _ScaledLinear(w_dim, 2 * out_channels)
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("resample_filter", setup_filter((1, 2, 1)))
        self.noise_const: Tensor
        self.resample_filter: Tensor

    def convolved(self, x: Tensor) -> Tensor:
        """x (N, I, H, W) through the convolution: (N, O, H, W), or twice as large if the layer samples up."""
        if self.weight is None:
            return x
        if self.up and self.resolution >= _FUSED_FROM:
            return convolution(x, self._doubling_kernel, padding=1, doubled=True)
        if self.up:
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        return convolution(x, self._kernel, padding=1)

    def averaged(self, x: Tensor) -> Tensor:
        """x through the convolution at the size that it has, as if all pixels of a neighbourhood were the same."""
        return convolution(x, lambda dtype=None: self._kernel(dtype).sum((2, 3), keepdim=True))

    def filtered(self, x: Tensor) -> Tensor:
        """x blurred, if the layer samples up."""
        return upfirdn2d(x, self.resample_filter, padding=1) if self.up else x

    def styled(self, x: Tensor, w: Tensor, noise_mode: NoiseMode, noise: Tensor | None) -> Tensor:
        """x with bias and noise, through the leaky ReLU, in the style of w (N, w_dim).

        Of noise that is larger than x, every n-th number is taken: a mean would be weaker.
        """
        if noise is None:
            noise = layer_noise(noise_mode, self.noise_const, x)
        if noise is not None and noise.ndim == 2:
            noise = noise[None, None]
        if noise is not None and noise.shape[2] > x.shape[2]:
            step = noise.shape[2] // x.shape[2]
            noise = noise[:, :, ::step, ::step]
        return adain(x, self.bias, noise, self.noise_strength, self.affine(w))

    def _kernel(self, dtype: torch.dtype | None = None) -> Tensor:
        assert self.weight is not None
        return self.weight.to(dtype or self.weight.dtype, memory_format=torch.channels_last) * self.weight_gain

    def _doubling_kernel(self, dtype: torch.dtype | None = None) -> Tensor:
        """Nearest-neighbour upsampling and the convolution in one, for a transposed convolution of stride 2."""
        kernel = F.pad(self._kernel(dtype), (1, 1, 1, 1))
        kernel = kernel[:, :, 1:, 1:] + kernel[:, :, :-1, 1:] + kernel[:, :, 1:, :-1] + kernel[:, :, :-1, :-1]
        return kernel.transpose(0, 1)


class _Block(nn.Module):
    """The two layers of one resolution."""

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, resolution: int) -> None:
        super().__init__()
        if in_channels == 0:
            self.const = nn.Parameter(torch.ones(out_channels, resolution, resolution))
        self.conv0 = _Layer(in_channels, out_channels, w_dim, resolution, up=in_channels > 0)
        self.conv1 = _Layer(out_channels, out_channels, w_dim, resolution, up=False)


class SynthesisNetwork(nn.Module):
    """Styles (N, num_ws, w_dim) -> images (N, img_channels, R, R) in about [-1, 1]; one style and noise map a layer."""

    def __init__(
        self,
        w_dim: int,
        img_resolution: int,
        img_channels: int = 3,
        channel_base: int = 8192,
        channel_max: int = 512,
        channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.w_dim = w_dim
        self.img_resolution = img_resolution
        self.img_channels = img_channels
        self.block_resolutions = block_resolutions(img_resolution)
        self.num_ws = 2 * len(self.block_resolutions)
        if channels is None:
            channels = [channels_at(r, channel_base, channel_max) for r in self.block_resolutions]
        if len(channels) != len(self.block_resolutions):
            raise ValueError(f"A {img_resolution} px StyleGAN1 has {len(self.block_resolutions)} channel counts.")
        in_channels = 0
        for resolution, out_channels in zip(self.block_resolutions, channels, strict=True):
            setattr(self, f"b{resolution}", _Block(in_channels, out_channels, w_dim, resolution))
            in_channels = out_channels
        self.torgb_weight = nn.Parameter(torch.randn(img_channels, in_channels, 1, 1))
        self.torgb_bias = nn.Parameter(torch.zeros(img_channels))

    @property
    def noise_shapes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of each noise map, from the first layer to the last."""
        return tuple((r, r) for r in self.block_resolutions for _ in range(2))

    def forward(
        self,
        ws: Tensor,
        noise_mode: NoiseMode = "const",
        noise: Sequence[Tensor] | None = None,
        force_fp32: bool = False,
    ) -> Tensor:
        """Images of styles; arguments as in `stylegan.networks.stylegan2.SynthesisNetwork.forward`.

        `force_fp32` changes nothing: StyleGAN1 runs in float32 always.
        """
        x = self.features(ws, self.img_resolution, noise_mode, noise)
        return convolution(x, self._to_rgb, self.torgb_bias)

    def features(
        self, ws: Tensor, resolution: int, noise_mode: NoiseMode = "const", noise: Sequence[Tensor] | None = None
    ) -> Tensor:
        """The activations (N, channels, resolution, resolution) after the block of one resolution.

        Arguments and errors as in `stylegan.networks.stylegan2.SynthesisNetwork.features`.
        """
        return self._drawn(ws, resolution, resolution, noise_mode, noise)

    def coarse(
        self, ws: Tensor, resolution: int, noise_mode: NoiseMode = "const", noise: Sequence[Tensor] | None = None
    ) -> Tensor:
        """The images about as they would look when made as small as `resolution` pixels a side.

        Layers above that resolution are drawn at it. Where features are smooth, neighbours hardly differ, so each of
        those convolutions is one of 1x1 whose weight is the sum of its taps.

        Arguments and errors as in `stylegan.networks.stylegan2.SynthesisNetwork.features`.

        Returns:
            (N, img_channels, resolution, resolution) in about [-1, 1].
        """
        return convolution(
            self._drawn(ws, resolution, self.img_resolution, noise_mode, noise), self._to_rgb, self.torgb_bias
        )

    def _drawn(
        self, ws: Tensor, resolution: int, last: int, noise_mode: NoiseMode, noise: Sequence[Tensor] | None
    ) -> Tensor:
        """The activations after the block of resolution `last`, with at most `resolution` pixels a side."""
        check_styles(ws, self.num_ws, self.w_dim)
        noise = None if noise is None else list(noise)
        check_noise(noise, self.noise_shapes)
        styles = ws.float().unbind(dim=1)
        maps: list[Tensor | None] = [None] * self.num_ws if noise is None else list(noise)
        check_resolution(resolution, self.block_resolutions)
        count = check_resolution(last, self.block_resolutions) + 1
        layers = [layer for r in self.block_resolutions[:count] for layer in getattr(self, f"b{r}").children()]
        const: Tensor = self.get_parameter("b4.const")
        x = const.unsqueeze(0).repeat(len(ws), 1, 1, 1).contiguous(memory_format=torch.channels_last)
        for layer, w, noise_map in zip(layers, styles, maps, strict=False):
            # One call after another: what a call is given would be held until all of them return.
            if layer.resolution > resolution:
                x = layer.averaged(x)
            else:
                x = layer.convolved(x)
                x = layer.filtered(x)
            x = layer.styled(x, w, noise_mode, noise_map)
        return x

    def _to_rgb(self, dtype: torch.dtype | None = None) -> Tensor:
        return self.torgb_weight.to(dtype or self.torgb_weight.dtype) / sqrt(self.torgb_weight.shape[1])


class Generator(GeneratorBase):
    """StyleGAN1: z (N, z_dim) -> images (N, img_channels, R, R) in about [-1, 1].

    Args:
        z_dim: length of the latent.
        w_dim: length of a style.
        img_resolution: R, a power of two from 4.
        img_channels: image channels.
        mapping_kwargs: further arguments of `MappingNetwork`.
        synthesis_kwargs: further arguments of `SynthesisNetwork`.
    """

    architecture = "stylegan1"
    mapping: MappingNetwork
    synthesis: SynthesisNetwork

    def __init__(
        self,
        z_dim: int,
        w_dim: int,
        img_resolution: int,
        img_channels: int = 3,
        mapping_kwargs: dict[str, Any] | None = None,
        synthesis_kwargs: dict[str, Any] | None = None,
    ) -> None:
        config: dict[str, Any] = {
            "z_dim": z_dim,
            "w_dim": w_dim,
            "img_resolution": img_resolution,
            "img_channels": img_channels,
            "mapping_kwargs": dict(mapping_kwargs or {}),
            "synthesis_kwargs": dict(synthesis_kwargs or {}),
        }
        synthesis = SynthesisNetwork(w_dim, img_resolution, img_channels, **config["synthesis_kwargs"])
        mapping = MappingNetwork(z_dim, w_dim, synthesis.num_ws, **config["mapping_kwargs"])
        super().__init__(config, mapping, synthesis)
