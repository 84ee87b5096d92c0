"""Inpainting: a portrait with a hole in it is completed by the generator.

    python examples/inpaint.py out --steps 100

Writes out/inpaint.png: what is known, what was found, the known pixels with the hole filled, the truth.
"""

import argparse
from pathlib import Path

import torch

import pulse
from pulse.operators import Mask
from pulse.pictures import write_picture
from stylegan import portraits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()

    truth = portraits.render(portraits.sample(1, torch.Generator().manual_seed(3)), 128)
    known = torch.ones(128, 128)
    known[48:104, 56:96] = 0
    mask = Mask(known)

    # The hole counts as matched, so the known pixels have to fit that much better.
    eps = 2e-3 * mask.kept
    result = pulse.search("default", mask.A(truth), operator=mask, eps=eps, steps=arguments.steps, seed=0)

    print(result.verdict())
    filled = torch.where(known > 0, truth, result.images)
    panels = [result.target, result.images, filled, truth]
    write_picture(arguments.folder / "inpaint.png", torch.cat(panels, dim=3)[0])


if __name__ == "__main__":
    main()
