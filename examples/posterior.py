"""Samples of the posterior: five faces for a picture of 4 px, each drawn as often as it is probable.

    python examples/posterior.py out --steps 100

Writes out/posterior.png: the small picture, its truth, five samples, and the mean of all sixteen.
"""

import argparse
from pathlib import Path

import torch
from torch.nn.functional import interpolate

import pulse
from pulse.pictures import write_picture
from stylegan import portraits
from stylegan.common.grid import grid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()

    truth = portraits.render(portraits.sample(1, torch.Generator().manual_seed(3)), 128)
    target = pulse.downsample(truth, size=4).clamp(0, 1)

    result = pulse.search("default", target, draw="posterior", samples=16, method="fast", steps=arguments.steps, seed=0)

    print(result[0].verdict())
    shown = torch.cat([interpolate(target, size=128), truth, result.images[:5], result.images.mean(0, keepdim=True)])
    write_picture(arguments.folder / "posterior.png", grid(shown, 4))


if __name__ == "__main__":
    main()
