"""A generator's small picture from its low resolutions alone.

A StyleGAN2 with skip connections (Karras et al., Analyzing and Improving the Image Quality of StyleGAN, CVPR 2020,
section 4) sums images of all resolutions; the higher ones mostly add detail, yet also some light and colour. Other
architectures make an image only at the end. For all of them, one linear map from the features of a resolution to the
pixels of the whole picture, made that small, is fitted by ridge regression (A. Hoerl and R. Kennard 1970).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pulse.operators import Downsampler
from pulse.walk import clamp_straight_through
from stylegan.networks.light import light_gradients

# The ridge, relative to the mean square of a feature; features of a block are nearly dependent.
_RIDGE = 1e-4
# So many pixels are enough for some hundred unknowns.
_MOST_PIXELS = 2**15
# Of the pictures that are fitted, this part only measures how well the rest predicts them.
_HELD_BACK = 4


@dataclass(frozen=True)
class ToRGB:
    """A linear map from features to pixels.

    Attributes:
        weight: (channels + 1, image channels); the last row is the bias.
        explained: the part of the small pictures' variance that it predicts, in pictures that it was not fitted to;
            1 is perfect, and below 0 the mean colour is better.
    """

    weight: Tensor
    explained: float

    def __call__(self, features: Tensor) -> Tensor:
        """Pictures (N, C, L, L) in about [0, 1] from features (N, channels, L, L)."""
        weight, bias = self.weight[:-1], self.weight[-1]
        # An 1x1 convolution keeps the memory format of the features.
        return torch.nn.functional.conv2d(features, weight.T[:, :, None, None], bias)


def fit_to_rgb(features: Tensor, pictures: Tensor) -> ToRGB:
    """The map from features (S, channels, L, L) to pictures (S, C, L, L), S at least 4."""
    fitted = len(features) - len(features) // _HELD_BACK
    every = max(1, len(features) * features.shape[2] * features.shape[3] // _MOST_PIXELS)

    def pixels(i: int) -> tuple[Tensor, Tensor]:
        x, y = (part[i].flatten(1)[:, ::every].T.double() for part in (features, pictures))
        return torch.cat([x, torch.ones_like(x[:, :1])], 1), y

    # Picture by picture: in float64, the features of all are hundreds of megabytes.
    normal, product, count = features.new_zeros([]).double(), features.new_zeros([]).double(), 0
    for i in range(fitted):
        x, y = pixels(i)
        normal, product, count = normal + x.T @ x, product + x.T @ y, count + len(x)
    normal, product = normal / count, product / count
    ridge = _RIDGE * normal.diagonal()[:-1].mean() * torch.eye(len(normal), dtype=normal.dtype, device=normal.device)
    ridge[-1, -1] = 0
    weight = torch.linalg.solve(normal + ridge, product)
    # The last feature is 1 everywhere, so its products with the pictures are their mean colour.
    held = [(y - x @ weight, y - product[-1]) for x, y in map(pixels, range(fitted, len(features)))]
    off, variance = (torch.stack([part[k].square().mean() for part in held]).mean() for k in (0, 1))
    return ToRGB(weight.float(), float(1 - off / variance.clamp(min=1e-12)))


def explained(predicted: Tensor, pictures: Tensor) -> float:
    """The part of the variance of pictures (S, C, L, L) that others predict; 1 is perfect, 0 as their mean picture."""
    off, variance = (predicted - pictures).square().mean(), (pictures - pictures.mean(0)).square().mean()
    return float(1 - off / variance.clamp(min=1e-12))


@dataclass(frozen=True)
class LowResolution:
    """What an operator would make of a generator's images, predicted from its features of `level` px."""

    synthesis: Any
    level: int
    to_rgb: ToRGB
    look: Callable[[Tensor], Tensor]

    def __call__(self, ws: Tensor, noise: list[Tensor]) -> Tensor:
        """(M, ...) in the target's shape, from styles (M, num_ws, w_dim) and noise maps (M, 1, h, w)."""
        return self.look(self.to_rgb(self.synthesis.features(ws, self.level, noise=noise)))


@dataclass(frozen=True)
class Coarse:
    """What an operator would make of a generator's images, predicted from images drawn with `level` pixels a side.

    Attributes:
        synthesis: draws `coarse` images.
        level: their size.
        look: the operator, for images of that size.
    """

    synthesis: Any
    level: int
    look: Callable[[Tensor], Tensor]

    def __call__(self, ws: Tensor, noise: list[Tensor]) -> Tensor:
        """(M, ...) in the target's shape, from styles (M, num_ws, w_dim) and noise maps (M, 1, h, w)."""
        with light_gradients():
            drawn = self.synthesis.coarse(ws, self.level, noise=noise)
        return self.look(clamp_straight_through((drawn.float() + 1) / 2))


def looks_at(operator: Any, level: int, resolution: int) -> Callable[[Tensor], Tensor]:
    """The operator for images of `resolution` pixels a side, taking pictures that have only `level`.

    A `Downsampler` goes on reducing; another operator gets them enlarged.
    """
    if isinstance(operator, Downsampler):
        if operator.out_size == (level, level):
            return lambda pictures: pictures
        rest = Downsampler((level, level), operator.out_size, operator.kernel)
        return rest.A

    def enlarged(pictures: Tensor) -> Tensor:
        return operator.A(torch.nn.functional.interpolate(pictures, size=(resolution, resolution), mode="bicubic"))

    return enlarged
