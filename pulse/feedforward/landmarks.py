"""A small hourglass network that finds the 68 landmarks of a face, as heatmaps: the compressed face alignment network.

Progressive Face Super-Resolution (Kim et al. 2019, section 3.3) compresses the Face Alignment Network (Bulat and
Tzimiropoulos 2017), a stack of hourglasses (Newell et al. 2016), for its heatmap and attention losses. This one is a
single hourglass with as few channels as portraits need, taught on `stylegan.portraits`, whose landmarks are exact.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import resources
from itertools import pairwise
from math import pi
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylegan.checkpoints.errors import CheckpointError
from stylegan.common.files import write_tensors
from stylegan.common.tensors import Shapes, read_tensors

LANDMARKS = 68
# Pixels a side of what the network sees, and of its heatmaps.
SEEN, MAP = 64, 32
# Deviation of a landmark's heatmap, in pixels of the map.
SIGMA = 1.0
NAME = "landmarks"
_FORMAT = "pulse-landmarks-1"
_IN_THE_BOX = Path(str(resources.files("stylegan") / "weights" / "landmarks.safetensors"))
# Channels of the hourglass at 32, 16, 8 and 4 px.
_CHANNELS = (32, 64, 96, 128)


class _Block(nn.Module):
    """A 3x3 convolution, normalised, with a shortcut."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(out)
        self.skip = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)) + self.skip(x))


class LandmarkNet(nn.Module):
    """An hourglass from pictures (N, 3, 64, 64) to heatmaps (N, 68, 32, 32)."""

    def __init__(self) -> None:
        super().__init__()
        a, *_ = _CHANNELS
        self.stem = nn.Sequential(nn.Conv2d(3, a, 4, 2, 1, bias=False), nn.BatchNorm2d(a), nn.ReLU())
        wider = list(pairwise(_CHANNELS))
        self.first = _Block(a, a)
        self.down = nn.ModuleList(nn.Sequential(_Block(c, d), _Block(d, d)) for c, d in wider)
        self.bottom = _Block(_CHANNELS[-1], _CHANNELS[-1])
        self.up = nn.ModuleList(_Block(d, c) for c, d in reversed(wider))
        self.last = _Block(a, 2 * a)
        self.maps = nn.Conv2d(2 * a, LANDMARKS, 1)

    def features(self, pictures: Tensor) -> list[Tensor]:
        """What the network sees on its way down, (N, 32, 32, 32) to (N, 128, 4, 4).

        Args:
            pictures: (N, 3, 64, 64) in [-1, 1]; `seen` makes them of others.
        """
        found = [self.first(self.stem(pictures))]
        for stage in self.down:
            found.append(stage(F.max_pool2d(found[-1], 2)))
        return found

    def forward(self, pictures: Tensor) -> Tensor:
        """Logarithms of the probability of each landmark's place, (N, 68, 32, 32); each map's exponentials sum to 1.

        Args:
            pictures: (N, 3, 64, 64) in [-1, 1]; `seen` makes them of others.
        """
        ways = self.features(pictures)
        x = self.bottom(ways.pop())
        for stage in self.up:
            x = F.interpolate(stage(x), scale_factor=2.0, mode="nearest") + ways.pop()
        logits = self.maps(self.last(x)).float()
        return logits.flatten(2).log_softmax(2).view(logits.shape)


def seen(pictures: Tensor) -> Tensor:
    """Square pictures (N, 3, S, S) as the network sees them: (N, 3, 64, 64)."""
    if pictures.shape[-1] == SEEN:
        return pictures
    smaller = pictures.shape[-1] > SEEN
    return F.interpolate(pictures, size=(SEEN, SEEN), mode="bilinear", antialias=smaller, align_corners=False)


def places(log_maps: Tensor) -> Tensor:
    """The mean places (N, 68, 2) of heatmaps: x to the right and y down, as shares of the picture's side.

    The mean of a map, rather than its peak, is finer than its pixels and has a gradient (Nibali et al. 2018).
    """
    maps, side = log_maps.exp(), log_maps.shape[-1]
    middles = (torch.arange(side, device=maps.device) + 0.5) / side
    return torch.stack([(maps.sum(2) * middles).sum(2), (maps.sum(3) * middles).sum(2)], 2)


def drawn(points: Tensor, side: int = MAP, sigma: float = SIGMA) -> Tensor:
    """Heatmaps (N, 68, side, side) of landmarks: normal densities with deviation `sigma` pixels.

    Each sums to 1, or less where its landmark lies near or beyond the border.

    Args:
        points: (N, 68, 2) as `places` gives them.
        side: pixels a side of the maps.
        sigma: in pixels of the maps.
    """
    middles = torch.arange(side, device=points.device) + 0.5
    offsets = (middles - points[..., None] * side) / sigma
    bells = (-0.5 * offsets.square()).exp()
    return bells[:, :, 1, :, None] * bells[:, :, 0, None, :] / (2 * pi * sigma**2)


def attention(log_maps: Tensor, side: int, sigma: float = SIGMA) -> Tensor:
    """How near a pixel lies to any landmark, (N, 1, side, side), from 0 to 1: the highest of all heatmaps.

    Kim et al. 2019, section 3.2, where each heatmap's peak is 1.
    """
    peaks = log_maps.exp().amax(1, keepdim=True) * (2 * pi * sigma**2)
    return F.interpolate(peaks.clamp(max=1), size=(side, side), mode="bilinear", align_corners=False)


@torch.no_grad()
def find_landmarks(pictures: Tensor, network: LandmarkNet | None = None, batch_size: int = 64) -> Tensor:
    """The 68 landmarks of faces that fill their pictures, in iBUG order as dlib's predictor gives them.

    Args:
        pictures: (N, 3, S, S) in [0, 1].
        network: None for the one in the box.
        batch_size: how many are looked at together.

    Returns:
        (N, 68, 2): x to the right and y down in pixels, the middle of the top left pixel at (0, 0). On the CPU.
    """
    network = _in_the_box() if network is None else network
    device, side = next(network.parameters()).device, pictures.shape[-1]
    parts = [places(network(seen(part.to(device) * 2 - 1))) for part in pictures.float().split(batch_size)]
    return torch.cat(parts).cpu() * side - 0.5


def normalised_error(found: Tensor, true: Tensor) -> Tensor:
    """The error (N,) of 300-W: the mean distance of landmarks (N, 68, 2), by that of the outer corners of the eyes."""
    apart = (true[:, 45] - true[:, 36]).norm(dim=1)
    return (found - true).norm(dim=2).mean(1) / apart


def load_landmark_net(source: str | os.PathLike[str] = "default") -> LandmarkNet:
    """A network in evaluation mode, in float32 on the CPU.

    Args:
        source: "default" for the one in the box, a file of `pulse teach-landmarks`, or its folder.

    Raises:
        ValueError: if there is no such file, or it holds something else.
    """
    path = _IN_THE_BOX if source == "default" else Path(source)
    path = path / f"{NAME}.safetensors" if path.is_dir() else path
    network = LandmarkNet()
    expected = {name: tuple(t.shape) for name, t in network.state_dict().items() if t.is_floating_point()}

    def check(shapes: Shapes, metadata: dict[str, str]) -> None:
        if metadata.get("format") != _FORMAT or shapes != expected:
            raise CheckpointError(f"{path} holds no landmark network; give a file of `pulse teach-landmarks`.")

    try:
        tensors, _ = read_tensors(path, check)
    except OSError as error:
        raise CheckpointError(f"There is no landmark network {path} ({error.strerror}); check the path.") from error
    network.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=False)
    return network.eval().requires_grad_(False)


def write_landmark_net(network: LandmarkNet, path: Path) -> None:
    """Writes a network as a safetensors file in float16, whole or not at all."""
    tensors = {name: t.half() for name, t in network.state_dict().items() if t.is_floating_point()}
    write_tensors(path, tensors, {"format": _FORMAT})


@cache
def _in_the_box() -> LandmarkNet:
    return load_landmark_net()
