"""The critic that judges the upscaler's pictures; it grows with the upscaler."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Channels at 128, 64, 32, 16, 8 and 4 px.
_CHANNELS = (32, 64, 128, 256, 256, 256)


class Critic(nn.Module):
    """Scores pictures: high for true ones. A Wasserstein critic has no batch normalisation (Gulrajani et al. 2017).

    While a step is new, it is faded in as in the upscaler (Karras et al. 2018, figure 2).
    """

    def __init__(self) -> None:
        super().__init__()
        self.from_rgb = nn.ModuleList(nn.Conv2d(3, channels, 1) for channels in _CHANNELS[:3])
        self.halve = nn.ModuleList(nn.Conv2d(wide, deep, 3, padding=1) for wide, deep in pairwise(_CHANNELS))
        self.score = nn.Linear(16 * _CHANNELS[-1], 1)

    def forward(self, pictures: Tensor, step: int = 3, alpha: float = 1.0) -> Tensor:
        """Scores (N,) of pictures (N, 3, S, S) in [-1, 1] with S = 16 * 2^step.

        Args:
            pictures: what to judge.
            step: 1, 2 or 3.
            alpha: of the upscaler that made them.
        """
        begin = 3 - step
        x = F.leaky_relu(self.from_rgb[begin](pictures), 0.2)
        for number in range(begin, len(self.halve)):
            x = F.avg_pool2d(F.leaky_relu(self.halve[number](x), 0.2), 2)
            if number == begin and step > 1 and alpha < 1:
                old = F.leaky_relu(self.from_rgb[begin + 1](F.avg_pool2d(pictures, 2)), 0.2)
                x = torch.lerp(old, x, alpha)
        scores: Tensor = self.score(x.flatten(1)).float()
        return scores[:, 0]
