"""Draws upscaled.png: the feed-forward network's answers, in one pass each.

    python docs/pictures/make_upscaled.py

Above, people whom no training saw: 16 px, bicubic interpolation, the network, the truth. Below, sprites and what the
network makes of them.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from few_colours import write_few_colours
from torch import Tensor

import pulse
from pulse.app import sprites
from pulse.feedforward.network import reduced
from pulse.feedforward.training import enlarged
from stylegan import portraits
from stylegan.common.grid import grid
from stylegan.common.pixels import to_pil
from stylegan.portraits.held_out import held_out

_COLUMNS, _SIDE = 8, 128
_SPRITES = ["hero", "knight", "wizard", "cat", "smiley", "astronaut", "elf", "frog"]
_SPRITES += ["hearts", "fox", "ninja", "king", "viking", "pirate", "princess", "blockhead"]


def _blocks(small: Tensor) -> Tensor:
    return F.interpolate(small, size=_SIDE, mode="nearest")


def main() -> None:
    """Draws the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).parent / "upscaled.png")
    out = parser.parse_args().out
    truth = portraits.render(held_out(_COLUMNS), _SIDE)
    people = pulse.upscale(reduced(truth))
    drawn = pulse.upscale(torch.cat([sprites.load(name) for name in _SPRITES]), grid="off")
    rows = [_blocks(people.target), enlarged(people.target), people.images, truth]
    for inputs, answers in zip(drawn.target.split(_COLUMNS), drawn.images.split(_COLUMNS), strict=True):
        rows += [_blocks(inputs), answers]
    write_few_colours(out, to_pil(grid(torch.cat(rows).clamp(0, 1), _COLUMNS, gap=4, background=1)))


if __name__ == "__main__":
    main()
