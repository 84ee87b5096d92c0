"""Colourising: a grey portrait gets colours that the generator finds likely.

    python examples/colourise.py out --steps 100

Writes out/colourise.png: the grey portrait, what was found, the grey portrait with the colours found, the truth.
"""

import argparse
from pathlib import Path

import torch

import pulse
from pulse.operators import Grey
from pulse.pictures import write_picture
from stylegan import portraits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()

    truth = portraits.render(portraits.sample(1, torch.Generator().manual_seed(3)), 128)
    grey = Grey()
    target = grey.A(truth)

    result = pulse.search("default", target, operator=grey, steps=arguments.steps, seed=0)

    print(result.verdict())
    # The colours are those of the face that was found, the brightness is that of the portrait.
    coloured = (result.images + target - grey.A(result.images)).clamp(0, 1)
    panels = [target.expand(-1, 3, -1, -1), result.images, coloured, truth]
    write_picture(arguments.folder / "colourise.png", torch.cat(panels, dim=3)[0])


if __name__ == "__main__":
    main()
