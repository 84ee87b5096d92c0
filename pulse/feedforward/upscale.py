"""From small pictures to faces of 128 px in one pass of the network: `pulse.upscale`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pulse import pictures as reading
from pulse.feedforward.network import SIDE, SIDES, Upscaler, folded, reduced
from pulse.feedforward.weights import load_upscaler
from stylegan.common.framing import FRAMING
from stylegan.training.muon import multiplies_bfloat16

if TYPE_CHECKING:
    from PIL.Image import Image

# Pictures are read at this size, before they are made small by way of 64 and 32 px.
_READ = 128
BATCH = 16


@dataclass(frozen=True, eq=False, repr=False)
class Upscaled:
    """Faces that a feed-forward network made from N small pictures. All tensors are on the CPU.

    Attributes:
        images: (N, 3, 128, 128) in [0, 1]; of a network that is trained up to an earlier step, 32 or 64 px.
        target: (N, 3, 16, 16) in [0, 1], what the network saw.
        downsampled: (N, 3, 16, 16), `images` made small as pictures are for the network.
        l2: (N,) mean squared error between `downsampled` and `target`; nothing brings it to zero, as a search does.
        settings: how the pictures were read.
    """

    images: Tensor
    target: Tensor
    downsampled: Tensor
    l2: Tensor
    settings: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: int | slice) -> Upscaled:
        """The result of one picture, or of several."""
        rows = list(range(len(self)))[key]
        index = torch.tensor([rows] if isinstance(rows, int) else rows, dtype=torch.int64)
        images, target, downsampled, l2 = (x[index] for x in (self.images, self.target, self.downsampled, self.l2))
        return Upscaled(images, target, downsampled, l2, self.settings)

    def __iter__(self) -> Iterator[Upscaled]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        count, side = len(self), self.images.shape[-1]
        return f"Upscaled({count} {'image' if count == 1 else 'images'} of {side} x {side})"

    def to_pil(self, i: int = 0) -> Image:
        """Image i as an 8-bit RGB picture."""
        return reading.to_pil(self.images[range(len(self))[i]])


def upscale(
    pictures: reading.Source | Sequence[reading.Source],
    *,
    network: Upscaler | str | os.PathLike[str] = "default",
    framing: str = FRAMING,
    background: reading.Colour = reading.BACKGROUND,
    grid: str | int = "auto",
    notes: list[str] | None = None,
    batch_size: int = BATCH,
) -> Upscaled:
    """Makes faces of 16 px eight times as large with a feed-forward network (Kim et al., BMVC 2019).

        pulse.upscale("face.png").to_pil().save("large.png")

    One pass takes the place of a search. The network draws the average of the faces that fit, so its pictures are
    nearer to the truth and less sharp than those of `pulse.search`. It knows faces that fill the picture, upright;
    `pulse.align` cuts them out of photographs.

    Args:
        pictures: one, or a sequence of them: paths, Pillow images, arrays or tensors, as `pulse.pictures.open_picture`
            takes them; or a tensor (N, 3, h, w) in [0, 1]. Of any size, aspect and mode. Larger ones are made small by
            way of 64 and 32 px, as the network's inputs are; smaller ones are enlarged to 16 px.
        network: an `Upscaler`, or what `load_upscaler` takes: "default", a file of `pulse train-sr`, or a checkpoint of
            the authors.
        framing: how a picture is made square: "pad", "crop" or "stretch"; see `pulse.pictures.fit_target`.
        background: the colour under transparent pixels: a name, "#rrggbb", or three numbers from 0 to 1.
        grid: as for `pulse.depixelize`.
        notes: a list that gets a sentence for each surprise in a picture. Without a list they become warnings.
        batch_size: how many pictures the network sees at a time; it changes speed and memory alone.

    Returns:
        The faces, in the order of the pictures.

    Raises:
        ValueError: in one sentence, for a picture, network or option that cannot be used.
    """
    found: list[str] = []
    targets = [
        read_small(one, framing=framing, background=background, grid=grid, notes=found) for one in _each(pictures)
    ]
    if notes is None:
        for note in dict.fromkeys(found):
            warnings.warn(f"About the picture: {note}", stacklevel=2)
    else:
        notes.extend(found)
    settings = {"framing": framing, "background": background, "grid": grid}
    return upscale_small(torch.cat(targets), network, batch_size, settings)


def read_small(
    source: reading.Source,
    *,
    framing: str = FRAMING,
    background: reading.Colour = reading.BACKGROUND,
    grid: str | int = "auto",
    notes: list[str] | None = None,
) -> Tensor:
    """A picture as the network sees it, (1, 3, 16, 16) in [0, 1]; arguments and errors as for `upscale`."""
    read = reading.read_target(source, _READ, _READ, framing=framing, background=background, grid=grid, notes=notes)
    small = reduced(read)
    if small.shape[-1] < SIDE:
        small = F.interpolate(small, size=(SIDE, SIDE), mode="bicubic", align_corners=False).clamp(0, 1)
    return small


@torch.no_grad()
def upscale_small(
    small: Tensor,
    network: Upscaler | str | os.PathLike[str] = "default",
    batch_size: int = BATCH,
    settings: dict[str, Any] | None = None,
) -> Upscaled:
    """Makes pictures (N, 3, 16, 16) in [0, 1] large; other arguments and errors as for `upscale`.

    Raises:
        ValueError: if the pictures have another shape.
    """
    if small.ndim != 4 or small.shape[1:] != (3, SIDE, SIDE) or len(small) == 0:
        raise ValueError(f"The pictures have the shape {tuple(small.shape)}; give (N, 3, {SIDE}, {SIDE}), N above 0.")
    if batch_size < 1:
        raise ValueError(f"The network cannot see {batch_size} pictures at a time; give 1 or more.")
    run = _prepared(network)
    device = next(run.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=multiplies_bfloat16(device)):
        parts = [
            run((part.to(device) * 2 - 1).contiguous(memory_format=torch.channels_last))
            for part in small.float().split(batch_size)
        ]
    images = ((torch.cat(parts).float().cpu() + 1) / 2).clamp(0, 1).contiguous()
    downsampled = reduced(images)
    l2 = (downsampled - small.cpu()).square().mean(dim=(1, 2, 3))
    return Upscaled(images, small.cpu(), downsampled, l2, settings or {})


def side_of(network: Upscaler) -> int:
    """Pixels a side of the pictures that a network draws."""
    return SIDES[network.step - 1]


def _each(pictures: Any) -> list[Any]:
    several = pictures.ndim == 4 if isinstance(pictures, Tensor) else isinstance(pictures, (list, tuple))
    made = list(pictures) if several else [pictures]
    if not made:
        raise ValueError("There is no picture to make larger; give at least one.")
    return made


@cache
def _in_the_box() -> Upscaler:
    return prepared(load_upscaler())


def prepared(network: Upscaler) -> Upscaler:
    """A network as it runs fastest, on the GPU if there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    made: Upscaler = folded(network).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return made


def _prepared(network: Upscaler | str | os.PathLike[str]) -> Upscaler:
    if isinstance(network, Upscaler):
        is_folded = not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
        return network if is_folded else prepared(network)
    return _in_the_box() if network == "default" else prepared(load_upscaler(network))
