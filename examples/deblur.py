"""Deblurring: a portrait that moved while it was taken becomes sharp.

    python examples/deblur.py out --steps 100

Writes out/deblur.png: the blurred portrait, what was found, that blurred again, the truth.
"""

import argparse
from pathlib import Path

import torch

import pulse
from pulse.operators import Blur
from pulse.pictures import write_picture
from stylegan import portraits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()

    truth = portraits.render(portraits.sample(1, torch.Generator().manual_seed(3)), 128)
    # A movement of 15 pixels down to the right.
    motion = Blur(torch.eye(15) / 15)
    target = motion.A(truth)

    result = pulse.search("default", target, operator=motion, eps=5e-4, steps=arguments.steps, seed=0)

    print(result.verdict())
    panels = [target, result.images, result.downsampled, truth]
    write_picture(arguments.folder / "deblur.png", torch.cat(panels, dim=3)[0].clamp(0, 1))


if __name__ == "__main__":
    main()
