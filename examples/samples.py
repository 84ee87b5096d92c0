"""Samples: a sprite does not say who it is, so several faces fit it; where they differ, it does not tell.

    python examples/samples.py out --steps 100

Writes out/samples.png: the sprite, two faces that are as different as can be, and a map of where they disagree.
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
    parser.add_argument("--sprite", choices=sprites.names(), default="pirate")
    arguments = parser.parse_args()

    sprite = sprites.load(arguments.sprite)
    faces = pulse.samples(sprite, 2, finish="network", steps=arguments.steps, starts=1, seed=0, grid="off")

    for i in range(len(faces)):
        print(f"Face {i + 1}: {faces.verdict(i)}")
    unsure = pulse.disagreement(faces.images)
    shown = [interpolate(sprite, scale_factor=8)[0], *faces.images, (unsure / unsure.max()).expand(3, -1, -1)]
    write_picture(arguments.folder / "samples.png", torch.cat(shown, dim=2))


if __name__ == "__main__":
    main()
