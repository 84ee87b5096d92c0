"""StyleGAN2's generator (Karras et al., Analyzing and Improving the Image Quality of StyleGAN, CVPR 2020)."""

from collections.abc import Sequence
from math import log2, sqrt
from typing import Any, Literal

import torch
from torch import Tensor, nn

from stylegan.generator import GeneratorBase, check_styles
from stylegan.networks.layers import (
    RESAMPLE_TAPS,
    Conv2dLayer,
    NoiseMode,
    SynthesisLayer,
    ToRGBLayer,
    check_noise,
    setup_filter,
    upsample2d,
)
from stylegan.networks.mapping import MappingNetwork

Architecture = Literal["skip", "resnet", "orig"]


def block_resolutions(img_resolution: int) -> list[int]:
    """4, 8, ... up to `img_resolution`; ValueError unless that is a power of two from 4."""
    if img_resolution < 4 or img_resolution & (img_resolution - 1):
        raise ValueError(f"A StyleGAN's resolution is a power of two from 4 upwards; {img_resolution} is not.")
    return [2**i for i in range(2, int(log2(img_resolution)) + 1)]


def check_resolution(resolution: int, resolutions: Sequence[int]) -> int:
    """Where `resolution` stands among a network's; ValueError if it is none of them."""
    if resolution not in resolutions:
        raise ValueError(
            f"The network has no block of {resolution} px; choose one of {', '.join(map(str, resolutions))}."
        )
    return resolutions.index(resolution)


def check_architecture(architecture: str) -> None:
    """Raises ValueError unless the name is one of the three of Karras et al. 2020, figure 7."""
    if architecture not in ("skip", "resnet", "orig"):
        raise ValueError(f"There is no StyleGAN2 architecture {architecture!r}; use 'skip', 'resnet' or 'orig'.")


def channels_at(resolution: int, channel_base: int, channel_max: int) -> int:
    """Feature maps at a resolution: `channel_base / resolution`, at most `channel_max`."""
    return min(channel_base // resolution, channel_max)


def channel_counts(
    resolutions: Sequence[int], channel_base: int, channel_max: int, channels: Sequence[int] | None
) -> list[int]:
    """`channels`, or `channels_at` each resolution; ValueError unless there is one count for each."""
    if channels is None:
        return [channels_at(resolution, channel_base, channel_max) for resolution in resolutions]
    if len(channels) != len(resolutions):
        raise ValueError(
            f"A {resolutions[-1]} px StyleGAN2 has {len(resolutions)} channel counts, not {len(channels)}."
        )
    return list(channels)


class SynthesisBlock(nn.Module):
    """The layers of one resolution."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        img_channels: int,
        is_last: bool,
        architecture: Architecture,
        conv_clamp: float | None,
        half: bool,
        resample_filter: Sequence[float],
    ) -> None:
        super().__init__()
        self.resolution = resolution
        self.architecture = architecture
        self.low_precision = half
        self.num_conv = 1 if in_channels == 0 else 2
        self.register_buffer("resample_filter", setup_filter(resample_filter))
        self.resample_filter: Tensor
        if in_channels == 0:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(
                in_channels,
                out_channels,
                w_dim,
                resolution,
                up=2,
                conv_clamp=conv_clamp,
                resample_filter=resample_filter,
            )
        self.conv1 = SynthesisLayer(out_channels, out_channels, w_dim, resolution, conv_clamp=conv_clamp)
        self.torgb = (
            ToRGBLayer(out_channels, img_channels, w_dim, conv_clamp) if is_last or architecture == "skip" else None
        )
        if in_channels != 0 and architecture == "resnet":
            self.skip = Conv2dLayer(in_channels, out_channels, 1, bias=False, up=2, resample_filter=resample_filter)

    def forward(
        self,
        x: Tensor | None,
        img: Tensor | None,
        ws: Sequence[Tensor],
        noise: Sequence[Tensor | None],
        noise_mode: NoiseMode,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor | None]:
        if x is None:
            x = self.const.to(dtype).unsqueeze(0).repeat(ws[0].shape[0], 1, 1, 1)
            x = x.contiguous(memory_format=torch.channels_last)
            x = self.conv1(x, ws[0], noise_mode, noise[0])
        else:
            x = x.to(dtype)
            if self.architecture == "resnet":
                y = self.skip(x, gain=sqrt(0.5))
                x = self.conv0(x, ws[0], noise_mode, noise[0])
                x = y + self.conv1(x, ws[1], noise_mode, noise[1], gain=sqrt(0.5))
            else:
                x = self.conv0(x, ws[0], noise_mode, noise[0])
                x = self.conv1(x, ws[1], noise_mode, noise[1])
        if img is not None:
            img = upsample2d(img, self.resample_filter)
        if self.torgb is not None:
            y = self.torgb(x, ws[self.num_conv]).float()
            img = y if img is None else img + y
        return x, img


class SynthesisNetwork(nn.Module):
    """Styles (N, num_ws, w_dim) -> images (N, img_channels, R, R) in about [-1, 1].

    Args:
        w_dim: length of a style.
        img_resolution: R, a power of two from 4.
        img_channels: image channels.
        channel_base: feature maps times resolution.
        channel_max: most feature maps of a layer.
        architecture: 'skip' (an image at every resolution, summed), 'resnet' or 'orig'.
        num_fp16_res: how many of the highest resolutions run in half precision on a GPU.
        conv_clamp: clamp of the convolutions' outputs; None for none.
        resample_filter: taps of the filter between resolutions.
        channels: feature maps at 4, 8, ... R, instead of what `channel_base` and `channel_max` give.
    """

    def __init__(
        self,
        w_dim: int,
        img_resolution: int,
        img_channels: int = 3,
        channel_base: int = 32768,
        channel_max: int = 512,
        architecture: Architecture = "skip",
        num_fp16_res: int = 0,
        conv_clamp: float | None = None,
        resample_filter: Sequence[float] = RESAMPLE_TAPS,
        channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        check_architecture(architecture)
        self.w_dim = w_dim
        self.img_resolution = img_resolution
        self.img_channels = img_channels
        self.block_resolutions = block_resolutions(img_resolution)
        self.num_ws = 2 * len(self.block_resolutions)
        half_from = img_resolution if num_fp16_res == 0 else img_resolution >> (num_fp16_res - 1)
        widths = channel_counts(self.block_resolutions, channel_base, channel_max, channels)
        in_channels = 0
        for resolution, out_channels in zip(self.block_resolutions, widths, strict=True):
            block = SynthesisBlock(
                in_channels,
                out_channels,
                w_dim=w_dim,
                resolution=resolution,
                img_channels=img_channels,
                is_last=resolution == img_resolution,
                architecture=architecture,
                conv_clamp=conv_clamp,
                half=num_fp16_res > 0 and resolution >= max(half_from, 8),
                resample_filter=resample_filter,
            )
            setattr(self, f"b{resolution}", block)
            in_channels = out_channels

    @property
    def noise_shapes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of each noise map, from the first layer to the last."""
        return tuple((r, r) for r in self.block_resolutions for _ in range(1 if r == 4 else 2))

    def forward(
        self,
        ws: Tensor,
        noise_mode: NoiseMode = "const",
        noise: Sequence[Tensor] | None = None,
        force_fp32: bool = False,
        half_dtype: torch.dtype | None = None,
    ) -> Tensor:
        """Images of styles.

        Args:
            ws: (N, num_ws, w_dim).
            noise_mode: 'const' takes the stored maps, 'random' draws new ones, 'none' leaves them out.
            noise: one tensor (N or 1, 1, h, w) for each of `noise_shapes`, instead of `noise_mode`.
            force_fp32: run everything in float32.
            half_dtype: the type of the half-precision resolutions; default float16 on CUDA and float32 elsewhere,
                because half precision is slow on most CPUs.

        Raises:
            ValueError: if `ws` or `noise` has the wrong shape.
        """
        if half_dtype is None:
            half_dtype = torch.float16 if ws.device.type == "cuda" else torch.float32
        if force_fp32:
            half_dtype = torch.float32
        _, img = self._run(ws, self.img_resolution, noise_mode, noise, half_dtype)
        assert img is not None
        return img

    def features(
        self, ws: Tensor, resolution: int, noise_mode: NoiseMode = "const", noise: Sequence[Tensor] | None = None
    ) -> Tensor:
        """What the network knows after the block of one resolution, in float32.

        Arguments as for `forward`; later styles and noise maps are not read.

        Args:
            resolution: one of `block_resolutions`.

        Returns:
            (N, channels, resolution, resolution): the activations, and below them, where the network has made one, the
            image so far (the architecture "skip" makes one at every resolution).

        Raises:
            ValueError: as `forward`, and for a resolution that the network has no block for.
        """
        x, img = self._run(ws, resolution, noise_mode, noise, torch.float32)
        return x if img is None else torch.cat([x, img], 1)

    def _run(
        self,
        ws: Tensor,
        last: int,
        noise_mode: NoiseMode,
        noise: Sequence[Tensor] | None,
        half_dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor | None]:
        """Activations and image after the block of the resolution `last`."""
        check_styles(ws, self.num_ws, self.w_dim)
        noise = None if noise is None else list(noise)
        check_noise(noise, self.noise_shapes)
        styles = ws.float().unbind(dim=1)
        maps: list[Tensor | None] = [None] * len(self.noise_shapes) if noise is None else list(noise)
        x = img = None
        layer = 0
        for resolution in self.block_resolutions[: check_resolution(last, self.block_resolutions) + 1]:
            block = getattr(self, f"b{resolution}")
            dtype = half_dtype if block.low_precision else torch.float32
            n = block.num_conv
            x, img = block(x, img, styles[layer : layer + n + 1], maps[layer : layer + n], noise_mode, dtype)
            layer += n
        assert x is not None
        return x, img


class Generator(GeneratorBase):
    """StyleGAN2: z (N, z_dim), c (N, c_dim) -> images (N, img_channels, R, R) in about [-1, 1].

    Args:
        z_dim: length of the latent.
        c_dim: length of the label; 0 for an unconditional generator.
        w_dim: length of a style.
        img_resolution: R, a power of two from 4.
        img_channels: image channels.
        mapping_kwargs: further arguments of `MappingNetwork`.
        synthesis_kwargs: further arguments of `SynthesisNetwork`.
    """

    architecture = "stylegan2"
    mapping: MappingNetwork
    synthesis: SynthesisNetwork

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        img_resolution: int,
        img_channels: int = 3,
        mapping_kwargs: dict[str, Any] | None = None,
        synthesis_kwargs: dict[str, Any] | None = None,
    ) -> None:
        config: dict[str, Any] = {
            "z_dim": z_dim,
            "c_dim": c_dim,
            "w_dim": w_dim,
            "img_resolution": img_resolution,
            "img_channels": img_channels,
            "mapping_kwargs": dict(mapping_kwargs or {}),
            "synthesis_kwargs": dict(synthesis_kwargs or {}),
        }
        synthesis = SynthesisNetwork(w_dim, img_resolution, img_channels, **config["synthesis_kwargs"])
        mapping = MappingNetwork(z_dim, c_dim, w_dim, synthesis.num_ws, **config["mapping_kwargs"])
        super().__init__(config, mapping, synthesis)
