"""StyleGAN2's discriminator (Karras et al. 2020); labels by projection (Miyato & Koyama 2018)."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from stylegan.networks.layers import RESAMPLE_TAPS, Conv2dLayer, FullyConnectedLayer, downsample2d, setup_filter
from stylegan.networks.mapping import MappingNetwork
from stylegan.networks.stylegan2 import Architecture, block_resolutions, channel_counts, check_architecture


class MinibatchStdLayer(nn.Module):
    """Appends the standard deviation over groups of images as further channels (Karras et al. 2018, section 3)."""

    def __init__(self, group_size: int | None, num_channels: int = 1) -> None:
        super().__init__()
        self.group_size = group_size
        self.num_channels = num_channels

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        group = n if self.group_size is None else min(self.group_size, n)
        if group == 0 or n % group:
            raise ValueError(f"A batch of {n} images cannot be split into groups of {group}; use a multiple of it.")
        y = x.float().reshape(group, -1, self.num_channels, c // self.num_channels, h, w)
        y = (y - y.mean(dim=0)).square().mean(dim=0)
        y = (y + 1e-8).sqrt().mean(dim=(2, 3, 4))
        y = y.reshape(-1, self.num_channels, 1, 1).repeat(group, 1, h, w)
        return torch.cat([x, y.to(x.dtype)], dim=1)


class DiscriminatorBlock(nn.Module):
    """The layers of one resolution: (N, in, R, R) -> (N, out, R/2, R/2)."""

    def __init__(
        self,
        in_channels: int,
        tmp_channels: int,
        out_channels: int,
        resolution: int,
        img_channels: int,
        architecture: Architecture,
        conv_clamp: float | None,
        half: bool,
        resample_filter: Sequence[float],
    ) -> None:
        super().__init__()
        self.resolution = resolution
        self.architecture = architecture
        self.low_precision = half
        self.register_buffer("resample_filter", setup_filter(resample_filter))
        self.resample_filter: Tensor
        if in_channels == 0 or architecture == "skip":
            self.fromrgb: Conv2dLayer | None = Conv2dLayer(
                img_channels, tmp_channels, 1, activation="lrelu", conv_clamp=conv_clamp
            )
        else:
            self.fromrgb = None
        self.conv0 = Conv2dLayer(tmp_channels, tmp_channels, 3, activation="lrelu", conv_clamp=conv_clamp)
        self.conv1 = Conv2dLayer(
            tmp_channels,
            out_channels,
            3,
            activation="lrelu",
            down=2,
            conv_clamp=conv_clamp,
            resample_filter=resample_filter,
        )
        if architecture == "resnet":
            self.skip = Conv2dLayer(tmp_channels, out_channels, 1, bias=False, down=2, resample_filter=resample_filter)

    def forward(self, x: Tensor | None, img: Tensor | None, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        if x is not None:
            x = x.to(dtype)
        if self.fromrgb is not None:
            assert img is not None
            y = self.fromrgb(img.to(dtype).contiguous(memory_format=torch.channels_last))
            x = y if x is None else x + y
            img = downsample2d(img, self.resample_filter) if self.architecture == "skip" else None
        assert x is not None
        if self.architecture == "resnet":
            y = self.skip(x, gain=sqrt(0.5))
            x = y + self.conv1(self.conv0(x), gain=sqrt(0.5))
        else:
            x = self.conv1(self.conv0(x))
        return x, img


class DiscriminatorEpilogue(nn.Module):
    """The layers at 4x4: (N, in, 4, 4) -> (N, out_features)."""

    def __init__(
        self,
        in_channels: int,
        out_features: int,
        resolution: int,
        img_channels: int,
        architecture: Architecture,
        mbstd_group_size: int | None,
        mbstd_num_channels: int,
        conv_clamp: float | None,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        if architecture == "skip":
            self.fromrgb = Conv2dLayer(img_channels, in_channels, 1, activation="lrelu")
        self.mbstd = MinibatchStdLayer(mbstd_group_size, mbstd_num_channels) if mbstd_num_channels > 0 else None
        self.conv = Conv2dLayer(
            in_channels + mbstd_num_channels, in_channels, 3, activation="lrelu", conv_clamp=conv_clamp
        )
        self.fc = FullyConnectedLayer(in_channels * resolution**2, in_channels, activation="lrelu")
        self.out = FullyConnectedLayer(in_channels, out_features)

    def forward(self, x: Tensor, img: Tensor | None) -> Tensor:
        x = x.float()
        if self.architecture == "skip":
            assert img is not None
            x = x + self.fromrgb(img.float())
        if self.mbstd is not None:
            x = self.mbstd(x)
        return self.out(self.fc(self.conv(x).flatten(1)))


class Discriminator(nn.Module):
    """Images (N, img_channels, R, R) in [-1, 1], labels (N, c_dim) -> logits (N, 1).

    Args:
        c_dim: length of the label; 0 for an unconditional discriminator.
        img_resolution: R, a power of two from 8.
        img_channels: image channels.
        architecture: 'resnet', 'skip' or 'orig'.
        channel_base: feature maps times resolution.
        channel_max: most feature maps of a layer.
        num_fp16_res: how many of the highest resolutions run in half precision on a GPU.
        conv_clamp: clamp of the convolutions' outputs; None for none.
        cmap_dim: length of the embedded label; default the feature maps at 4x4.
        mapping_kwargs: further arguments of the label's `MappingNetwork`.
        epilogue_kwargs: `mbstd_group_size` (default 4) and `mbstd_num_channels` (default 1).
        resample_filter: taps of the filter between resolutions.
        channels: feature maps at 4, 8, ... R, instead of what `channel_base` and `channel_max` give.
    """

    architecture = "stylegan2-discriminator"

    def __init__(
        self,
        c_dim: int,
        img_resolution: int,
        img_channels: int = 3,
        architecture: Architecture = "resnet",
        channel_base: int = 32768,
        channel_max: int = 512,
        num_fp16_res: int = 0,
        conv_clamp: float | None = None,
        cmap_dim: int | None = None,
        mapping_kwargs: dict[str, Any] | None = None,
        epilogue_kwargs: dict[str, Any] | None = None,
        resample_filter: Sequence[float] = RESAMPLE_TAPS,
        channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        check_architecture(architecture)
        self.config: dict[str, Any] = {
            "c_dim": c_dim,
            "img_resolution": img_resolution,
            "img_channels": img_channels,
            "architecture": architecture,
            "channel_base": channel_base,
            "channel_max": channel_max,
            "num_fp16_res": num_fp16_res,
            "conv_clamp": conv_clamp,
            "cmap_dim": cmap_dim,
            "mapping_kwargs": dict(mapping_kwargs or {}),
            "epilogue_kwargs": dict(epilogue_kwargs or {}),
            "resample_filter": list(resample_filter),
            "channels": None if channels is None else list(channels),
        }
        self.name = ""
        self.c_dim = c_dim
        self.img_resolution = img_resolution
        self.img_channels = img_channels
        self.block_resolutions = block_resolutions(img_resolution)[:0:-1]
        half_from = img_resolution if num_fp16_res == 0 else img_resolution >> (num_fp16_res - 1)
        sizes = block_resolutions(img_resolution)
        widths = dict(zip(sizes, channel_counts(sizes, channel_base, channel_max, channels), strict=True))
        in_channels = 0
        for resolution in self.block_resolutions:
            tmp_channels, out_channels = widths[resolution], widths[resolution // 2]
            block = DiscriminatorBlock(
                in_channels,
                tmp_channels,
                out_channels,
                resolution=resolution,
                img_channels=img_channels,
                architecture=architecture,
                conv_clamp=conv_clamp,
                half=num_fp16_res > 0 and resolution >= max(half_from, 8),
                resample_filter=resample_filter,
            )
            setattr(self, f"b{resolution}", block)
            in_channels = out_channels
        self.cmap_dim = (widths[4] if cmap_dim is None else cmap_dim) if c_dim > 0 else 0
        if c_dim > 0:
            self.mapping = MappingNetwork(
                0, c_dim, self.cmap_dim, num_ws=None, w_avg_beta=None, **self.config["mapping_kwargs"]
            )
        epilogue = {"mbstd_group_size": 4, "mbstd_num_channels": 1} | self.config["epilogue_kwargs"]
        self.b4 = DiscriminatorEpilogue(
            widths[4],
            out_features=self.cmap_dim or 1,
            resolution=4,
            img_channels=img_channels,
            architecture=architecture,
            conv_clamp=conv_clamp,
            **epilogue,
        )

    def forward(
        self,
        img: Tensor,
        c: Tensor | None = None,
        force_fp32: bool = False,
        half_dtype: torch.dtype | None = None,
    ) -> Tensor:
        """Logits (N, 1) of images (N, img_channels, R, R); positive where an image looks real."""
        if img.ndim != 4 or img.shape[1] != self.img_channels or tuple(img.shape[2:]) != (self.img_resolution,) * 2:
            r = self.img_resolution
            raise ValueError(
                f"The discriminator takes images of shape (N, {self.img_channels}, {r}, {r}); it was given"
                f" {tuple(img.shape)}."
            )
        if half_dtype is None:
            half_dtype = torch.float16 if img.device.type == "cuda" else torch.float32
        x: Tensor | None = None
        rest: Tensor | None = img
        for resolution in self.block_resolutions:
            block = getattr(self, f"b{resolution}")
            dtype = half_dtype if block.low_precision and not force_fp32 else torch.float32
            x, rest = block(x, rest, dtype)
        assert x is not None
        y = self.b4(x, rest)
        if self.c_dim > 0:
            cmap = self.mapping(None, c)
            y = (y * cmap).sum(dim=1, keepdim=True) / sqrt(self.cmap_dim)
        return y
