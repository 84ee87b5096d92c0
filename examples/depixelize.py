"""Depixelize: the network's search finds a face of 128x128 for a sprite of 16x16, as PULSE does (draw.py draws one).

    python examples/depixelize.py out --steps 100

Writes out/depixelize.png: the sprite, the face, the face made small.
"""

import argparse
from pathlib import Path

import torch
from torch.nn.functional import interpolate

import pulse
from pulse.app import sprites
from pulse.pictures import write_picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--sprite", choices=sprites.names(), default="goblin")
    arguments = parser.parse_args()

    target = sprites.load(arguments.sprite)
    result = pulse.search("default", target, finish="network", steps=arguments.steps, starts=2, seed=0)

    print(result.verdict())
    small = interpolate(torch.cat([result.target, result.downsampled]), scale_factor=8)
    write_picture(arguments.folder / "depixelize.png", torch.cat([small[0], result.images[0], small[1]], dim=2))


if __name__ == "__main__":
    main()
