"""Restoring: a portrait was blurred, made small and grey, and noise was added; operators compose, noise sets `eps`.

    python examples/restore.py out --steps 100

Writes out/restore.png: the damaged portrait, what was found, that damaged again without noise, the truth.
"""

import argparse
from pathlib import Path

import torch
from torch.nn.functional import interpolate

import pulse
from pulse.operators import Blur, Downsampler, Grey
from pulse.pictures import write_picture
from stylegan import portraits

SIGMA = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()

    rng = torch.Generator().manual_seed(3)
    truth = portraits.render(portraits.sample(1, rng), 128)
    # The last one comes first, as in a product of matrices.
    damage = Grey() @ Downsampler((128, 128), (32, 32)) @ Blur.gaussian(2.0)
    clean = damage.A(truth)
    target = (clean + SIGMA * torch.randn(clean.shape, generator=rng)).clamp(0, 1)

    # An image that comes nearer than the noise has fitted the noise; a little more, since no generator draws the truth.
    result = pulse.search("default", target, operator=damage, eps=1.1 * SIGMA**2, steps=arguments.steps, seed=0)

    print(result.verdict())
    small = interpolate(torch.cat([target, result.downsampled]), scale_factor=4).expand(-1, 3, -1, -1)
    panels = torch.cat([small[0], result.images[0], small[1], truth[0]], dim=2)
    write_picture(arguments.folder / "restore.png", panels.clamp(0, 1))


if __name__ == "__main__":
    main()
