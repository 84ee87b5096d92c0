"""Draw: a portrait of 16x16 pixels becomes a crisp face that is the portrait when made small again.

    python examples/draw.py out

Writes out/draw.png: the small picture, the drawn answer, the answer made small, and the same person older and smiling.
`--steps` stands for patience, as in the other examples: below 10 only one point is polished, and only people are tried.
"""

import argparse
from pathlib import Path

import torch
from torch.nn.functional import interpolate

import pulse
from pulse.pictures import write_picture
from stylegan import portraits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()

    truth = portraits.render(portraits.sample(1, torch.Generator().manual_seed(4)), 128)
    target = pulse.downsample(truth, size=16).clamp(0, 1)
    quick = arguments.steps < 10
    kind, starts = ("people", 1) if quick else ("any", 2)
    result = pulse.search("default", target, kind=kind, resolution=128, starts=starts, seed=0)

    print(result.describe())
    print(result.verdict())
    older = result.redraw(age=75, smile=0.9).images[0]
    small = interpolate(torch.cat([result.target, result.downsampled]), scale_factor=8).clamp(0, 1)
    write_picture(arguments.folder / "draw.png", torch.cat([small[0], result.images[0], small[1], older], dim=2))


if __name__ == "__main__":
    main()
