"""A small network that reads a portrait's coordinates from a picture of 16 px, and says how sure it is of each.

It was taught by regression on rendered characters (`stylegan.training.teach_encoder`). Its weights are in the box:
`stylegan/weights/encoder.safetensors`, 0.97 MB.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylegan.common.tensors import Shapes, read_tensors

SIDE = 16
# What the metadata of a file of weights says.
FORMAT = "pulse-encoder-1"
FILE = Path(str(resources.files("stylegan") / "weights" / "encoder.safetensors"))
_COORDINATES, _CHANNELS, _HIDDEN = 128, 32, 184


class Encoder(nn.Module):
    """Convolutions on 16, 8 and 4 px, then three linear layers."""

    def __init__(self, coordinates: int = _COORDINATES, channels: int = _CHANNELS, hidden: int = _HIDDEN) -> None:
        super().__init__()
        c = channels
        self.a, self.b = nn.Conv2d(3, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)
        self.c, self.d = nn.Conv2d(c, 2 * c, 3, 2, 1), nn.Conv2d(2 * c, 2 * c, 3, padding=1)
        self.e = nn.Conv2d(2 * c, 3 * c, 3, 2, 1)
        self.f, self.g = nn.Linear(48 * c, hidden), nn.Linear(hidden, hidden)
        self.h = nn.Linear(hidden, 2 * coordinates)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log deviation (N, K) each of normal coordinates, from pictures (N, 3, 16, 16) in [0, 1]."""
        x = pictures * 2 - 1
        x = F.gelu(self.a(x))
        x = F.gelu(self.b(x)) + x
        x = F.gelu(self.c(x))
        x = F.gelu(self.d(x)) + x
        x = F.gelu(self.e(x)).flatten(1)
        x = F.gelu(self.f(x))
        x = F.gelu(self.g(x)) + x
        mean, log_deviation = self.h(x).chunk(2, 1)
        return mean, log_deviation.clamp(-4, 0.5)


def read(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """What the network in the box reads from small pictures (N, 3, h, w) in [0, 1], of any size.

    Returns:
        Mean and standard deviation (N, 128) each of normal coordinates v; u = Phi(v) is a point that
        `stylegan.portraits.render` draws. Where the picture tells nothing they are near 0 and 1, those of all
        portraits.
    """
    with torch.no_grad():
        mean, log_deviation = _in_the_box()(fitted(pictures.float().cpu()))
    return mean, log_deviation.exp()


def fitted(pictures: Tensor) -> Tensor:
    """Pictures (N, 3, h, w) of any size as the network takes them: (N, 3, 16, 16)."""
    if pictures.shape[-2:] == (SIDE, SIDE):
        return pictures
    smaller = min(pictures.shape[-2:]) > SIDE
    return F.interpolate(pictures, size=(SIDE, SIDE), mode="bilinear", antialias=smaller)


def load(path: Path | None = None) -> Encoder:
    """The network in the box, or that of a file that `stylegan teach-encoder` wrote.

    Raises:
        ValueError: if the file is damaged or holds something else.
    """
    path = path or Path(str(resources.files("stylegan") / "weights" / "encoder.safetensors"))
    network = Encoder()
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}

    def check(shapes: Shapes, metadata: dict[str, str]) -> None:
        if metadata.get("format") != FORMAT or shapes != expected:
            raise ValueError(f"{path} holds no encoder; give an encoder.safetensors of `stylegan teach-encoder`.")

    tensors, _ = read_tensors(path, check)
    network.load_state_dict({name: value.float() for name, value in tensors.items()})
    return network.eval().requires_grad_(False)


@cache
def _in_the_box() -> Encoder:
    return load()
