"""The README's grids: uncurated samples of a generator beside the portraits that it learnt from.

python -m benchmarks.gallery -o docs/gallery.png
"""

import argparse
from pathlib import Path

import torch

import stylegan
from benchmarks.faces import sample
from pulse.pictures import software, write_picture
from stylegan import portraits


def grid(pictures: torch.Tensor, columns: int) -> torch.Tensor:
    """Pictures (N, 3, H, W) as one (3, rows*H, columns*W), row by row; N is a multiple of `columns`."""
    n, c, h, w = pictures.shape
    return pictures.view(n // columns, columns, c, h, w).permute(2, 0, 3, 1, 4).reshape(c, -1, columns * w)


def main() -> None:
    """Draw the picture: portraits on the left, samples on the right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=8, help="pictures along each edge of a grid")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--truncation-psi", type=float, default=0.7)
    parser.add_argument("--generator", default="default")
    parser.add_argument("-o", "--out", type=Path, default=Path("gallery.png"))
    arguments = parser.parse_args()
    count = arguments.side**2
    drawn = portraits.render(portraits.sample(count, torch.Generator().manual_seed(arguments.seed)), 128)
    sampled = sample(stylegan.load(arguments.generator), count, arguments.seed, arguments.truncation_psi)
    gap = torch.ones(3, arguments.side * 128, 24)
    both = torch.cat([grid(drawn, arguments.side), gap, grid(sampled, arguments.side)], dim=2)
    write_picture(arguments.out, both, {"Software": software(), "synthetic": "true"})
    print(f"{arguments.out}: {count} portraits, and {count} uncurated samples of {arguments.generator}")


if __name__ == "__main__":
    main()
