"""DCGAN: Radford, Metz, Chintala, Unsupervised Representation Learning with Deep Convolutional GANs, ICLR 2016.

A DCGAN has a latent z and no styles. To be searched and mixed as other generators are, it gets one: w = leaky_relu(z,
0.2), from which the network undoes z = leaky_relu(w, 5). PULSE's fit of the styles undoes exactly that activation, so
its search on the sphere of leaky_relu(w, 5) is here a search on the sphere of z.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stylegan.generator import GeneratorBase, check_styles
from stylegan.networks.layers import NoiseMode, check_noise, normalize_2nd_moment

_SLOPE = 0.2
# "All weights were initialized from a zero-centered Normal distribution with standard deviation 0.02" (section 4).
_INITIAL = 1 / 0.02


def feature_maps(resolution: int, width: int) -> list[int]:
    """Feature maps at 4 px, 8 px and so on to half the resolution: `width` at the last, at most 8 times as many before.

    >>> feature_maps(64, 64)
    [512, 256, 128, 64]
    """
    sizes = range(resolution.bit_length() - 3)
    return [width * min(1 << i, 8) for i in reversed(sizes)]


class _BatchNorm(nn.Module):
    """Batch normalisation of (N, C, H, W), by the averages of the batch in training and of all batches otherwise."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.mean: Tensor
        self.variance: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.mean, self.variance, self.weight, self.bias, self.training)


def _weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape) / _INITIAL)


class MappingNetwork(nn.Module):
    """z (N, z_dim) to its one style (N, 1, z_dim): on the sphere of radius sqrt(z_dim), then leaky_relu(z, 0.2)."""

    num_ws = 1
    c_dim = 0
    num_layers = 0

    def __init__(self, z_dim: int) -> None:
        super().__init__()
        self.z_dim = self.w_dim = z_dim

    def forward(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation_psi: float = 1,
        truncation_cutoff: int | None = None,
        update_emas: bool = False,
    ) -> Tensor:
        """Styles; the one that truncation draws them to is that of z = 0, the centre of the sphere."""
        w = F.leaky_relu(normalize_2nd_moment(z.float()), _SLOPE)
        return (w if truncation_cutoff == 0 else w * truncation_psi).unsqueeze(1)


class SynthesisNetwork(nn.Module):
    """The style (N, 1, z_dim) to images (N, img_channels, R, R) in [-1, 1], by fractionally-strided convolutions."""

    num_ws = 1
    noise_shapes: tuple[tuple[int, int], ...] = ()

    def __init__(self, z_dim: int, img_resolution: int, img_channels: int = 3, width: int = 64) -> None:
        super().__init__()
        if img_resolution < 8 or img_resolution & (img_resolution - 1):
            raise ValueError(f"the resolution is {img_resolution}, not a power of two from 8 upwards")
        maps = feature_maps(img_resolution, width)
        self.w_dim = z_dim
        self.project = _weight(maps[0] * 16, z_dim)
        self.norms = nn.ModuleList(_BatchNorm(count) for count in maps)
        # Filters of 4x4, which an upsampling by two covers evenly (Odena et al., Deconvolution and Checkerboard
        # Artifacts, 2016); the paper's have 5x5.
        self.filters = nn.ParameterList(_weight(a, b, 4, 4) for a, b in pairwise([*maps, img_channels]))
        self.bias = nn.Parameter(torch.zeros(img_channels))

    def forward(
        self,
        ws: Tensor,
        noise_mode: NoiseMode = "const",
        noise: Sequence[Tensor] | None = None,
        force_fp32: bool = False,
    ) -> Tensor:
        """Images of styles. There is no noise in them: `noise_mode` changes nothing, and `noise` has to be empty."""
        check_styles(ws, 1, self.w_dim)
        check_noise(None if noise is None else list(noise), self.noise_shapes)
        z = F.leaky_relu(ws[:, 0].float(), 1 / _SLOPE)
        x = F.linear(z, self.project).view(len(z), -1, 4, 4).contiguous(memory_format=torch.channels_last)
        last = len(self.filters) - 1
        for i, (norm, filter) in enumerate(zip(self.norms, self.filters, strict=True)):
            x = F.relu(norm(x))
            x = F.conv_transpose2d(x, filter, self.bias if i == last else None, stride=2, padding=1)
        return torch.tanh(x.float())


class Generator(GeneratorBase):
    """DCGAN: z (N, z_dim) -> images (N, img_channels, R, R) in [-1, 1].

    Args:
        z_dim: length of the latent; the paper's is 100.
        img_resolution: R, a power of two from 8; the paper's is 64.
        img_channels: image channels.
        width: feature maps of the last hidden layer; 128 in the paper's figure 1, and 64 in most code since.
    """

    architecture = "dcgan"
    mapping: MappingNetwork
    synthesis: SynthesisNetwork

    def __init__(self, z_dim: int = 100, img_resolution: int = 64, img_channels: int = 3, width: int = 64) -> None:
        config: dict[str, Any] = {"z_dim": z_dim, "img_resolution": img_resolution, "img_channels": img_channels}
        synthesis = SynthesisNetwork(z_dim, img_resolution, img_channels, width)
        super().__init__({**config, "w_dim": z_dim}, MappingNetwork(z_dim), synthesis)
        self.config = {**config, "width": width}


class Discriminator(nn.Module):
    """Images (N, img_channels, R, R) to logits (N, 1), by strided convolutions; arguments as of `Generator`."""

    def __init__(self, img_resolution: int = 64, img_channels: int = 3, width: int = 64) -> None:
        super().__init__()
        maps = [img_channels, *reversed(feature_maps(img_resolution, width))]
        self.filters = nn.ParameterList(_weight(b, a, 4, 4) for a, b in pairwise(maps))
        # None for the first layer: "directly applying batchnorm to all layers resulted in sample oscillation and model
        # instability" (section 3).
        self.norms = nn.ModuleList(_BatchNorm(count) for count in maps[2:])
        self.first_bias = nn.Parameter(torch.zeros(maps[1]))
        self.last = _weight(1, maps[-1] * 16)
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for i, filter in enumerate(self.filters):
            x = F.conv2d(x, filter, self.first_bias if i == 0 else None, stride=2, padding=1)
            x = F.leaky_relu(x if i == 0 else self.norms[i - 1](x), _SLOPE)
        return F.linear(x.flatten(1), self.last, self.bias).float()
