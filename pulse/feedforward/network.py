"""The generator of Progressive Face Super-Resolution (Kim, Kim, Kwon and Kim, BMVC 2019, arXiv 1908.08239).

    face 128 px ─► 64 ─► 32 ─► 16 px ─► [ step 1 ─► step 2 ─► step 3 ] ─► 128 px
                                          32 px     64 px     128 px

Each step is a residual block and a transposed convolution that doubles the side; a 1x1 convolution turns its features
into a picture. The names of the parameters are those of the authors' checkpoints.
"""

from __future__ import annotations

from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Pixels a side of the input, and of the picture after each step.
SIDE = 16
SIDES = (32, 64, 128)
_CHANNELS = (512, 256, 128, 64)


class _Stored(nn.Module):
    """The parameters of a convolution under the names that the checkpoints have."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight_orig = nn.Parameter(torch.randn(channels, channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(channels))


class EqualizedConv2d(nn.Module):
    """A 3x3 convolution whose stored weight is unit-normal (Karras et al. 2018, section 4.1), with gain sqrt(2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = _Stored(channels)
        self.scale = sqrt(2 / (9 * channels))

    @property
    def weight(self) -> Tensor:
        """The weight that the convolution uses."""
        return self.conv.weight_orig * self.scale

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.conv.bias, padding=1)


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            EqualizedConv2d(channels),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            EqualizedConv2d(channels),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x)


def _doubled(channels: int, out: int) -> list[nn.Module]:
    return [_ResidualBlock(channels), nn.ConvTranspose2d(channels, out, 4, 2, 1), nn.BatchNorm2d(out), nn.ReLU()]


class Upscaler(nn.Module):
    """Makes faces of 16 px eight times as large, in three steps; 9.0 million parameters.

    While a step is new, `alpha` fades it in: the picture is mixed from the step before, enlarged, and the step's own
    (Karras et al. 2018, section 3).

    Attributes:
        step, alpha: how far it is trained, and what `forward` takes where they are not given.
    """

    def __init__(self, step: int = 3, alpha: float = 1.0) -> None:
        super().__init__()
        self.step, self.alpha = step, alpha
        a, b, c, d = _CHANNELS
        self.step1 = nn.Sequential(nn.Conv2d(3, a, 3, padding=1), nn.BatchNorm2d(a), nn.ReLU(), *_doubled(a, b))
        self.step2 = nn.Sequential(*_doubled(b, c))
        self.step3 = nn.Sequential(*_doubled(c, d))
        self.to_rgb = nn.ModuleList(nn.Conv2d(channels, 3, 1) for channels in (b, c, d))

    def forward(self, small: Tensor, step: int | None = None, alpha: float | None = None) -> Tensor:
        """Pictures (N, 3, 16 * 2^step, 16 * 2^step) from pictures (N, 3, 16, 16), both in about [-1, 1].

        Args:
            small: what is made large; any side works, 16 is what the network learns.
            step: 1, 2 or 3.
            alpha: from 0, the picture of the step before, to 1, that of `step`. Without effect for step 1.

        Raises:
            ValueError: there is no such step or alpha.
        """
        step, alpha = self.step if step is None else step, self.alpha if alpha is None else alpha
        check_step(step, alpha)
        before, features = small, self.step1(small)
        for stage in (self.step2, self.step3)[: step - 1]:
            before, features = features, stage(features)
        picture = self._picture(features, step)
        if step == 1 or alpha == 1:
            return picture
        old = F.interpolate(self._picture(before, step - 1), scale_factor=2.0, mode="nearest")
        return torch.lerp(old, picture, alpha)

    def _picture(self, features: Tensor, step: int) -> Tensor:
        # In bfloat16, neighbouring values of a picture near 1 are a whole grey level apart.
        with torch.autocast(features.device.type, enabled=False):
            picture: Tensor = self.to_rgb[step - 1](features.float())
        return picture


def check_step(step: int, alpha: float) -> None:
    """Raises ValueError unless `step` is 1, 2 or 3 and, after the first, `alpha` from 0 to 1."""
    if step not in (1, 2, 3):
        raise ValueError(f"The network has no step {step}; give 1, 2 or 3.")
    if step > 1 and not 0 <= alpha <= 1:
        raise ValueError(f"An alpha of {alpha} cannot be mixed; give 0 to 1.")


@torch.no_grad()
def folded(network: Upscaler) -> Upscaler:
    """A copy for use only: each batch normalisation is in the convolution before it, which is a plain one.

    Its pictures are those of `network` in evaluation mode, to rounding, in less time.
    """
    copy = Upscaler(network.step, network.alpha).eval().requires_grad_(False).to(next(network.parameters()).device)
    copy.load_state_dict(network.state_dict())
    for block in [module for module in copy.modules() if isinstance(module, nn.Sequential)]:
        for i, norm in enumerate(block):
            if isinstance(norm, nn.BatchNorm2d):
                block[i - 1] = _normalizing(block[i - 1], norm)
                block[i] = nn.Identity()
    return copy


def _normalizing(layer: nn.Module, norm: nn.BatchNorm2d) -> nn.Module:
    """A convolution that does what `layer` and then `norm` do."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    if isinstance(layer, EqualizedConv2d):
        plain: nn.Conv2d | nn.ConvTranspose2d = nn.Conv2d(norm.num_features, norm.num_features, 3, padding=1)
        weight: Tensor
        bias: Tensor
        weight, bias = layer.weight, layer.conv.bias
    else:
        assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
        assert layer.bias is not None
        plain, weight, bias = layer, layer.weight, layer.bias
    # Output channels are the second dimension of a transposed convolution's weight.
    shape = (1, -1, 1, 1) if isinstance(layer, nn.ConvTranspose2d) else (-1, 1, 1, 1)
    plain.weight = nn.Parameter(weight * scale.view(shape), requires_grad=False)
    plain.bias = nn.Parameter((bias - norm.running_mean) * scale + norm.bias, requires_grad=False)
    return plain


def reduced(faces: Tensor) -> Tensor:
    """Square faces (N, 3, S, S), of 16 px or more, made small as the network's inputs are: (N, 3, 16, 16).

    They go to 64, to 32 and to 16 px, each time bilinearly with antialiasing; smaller ones skip what they need not.
    """
    for side in (64, 32, SIDE):
        if faces.shape[-1] > side:
            faces = F.interpolate(faces, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    return faces
