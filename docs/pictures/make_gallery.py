"""Draws gallery.png: uncurated samples of a generator beside the portraits that it learnt from.

python docs/pictures/make_gallery.py
"""

import argparse
from pathlib import Path

import torch
from PIL import Image

import stylegan
from pulse.pictures import software, write_picture
from stylegan import portraits
from stylegan.common.grid import grid
from stylegan.common.pixels import to_pil


def main() -> None:
    """Draws the picture: portraits on the left, samples on the right."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--side", type=int, default=8, help="pictures along each edge of a grid")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--truncation-psi", type=float, default=0.7)
    parser.add_argument("--generator", default="default")
    parser.add_argument("--width", type=int, default=920, help="of the whole picture, which is reduced to it")
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).with_name("gallery.png"))
    arguments = parser.parse_args()
    generator, count = stylegan.load(arguments.generator), arguments.side**2
    points = portraits.sample(count, torch.Generator().manual_seed(arguments.seed))
    drawn = portraits.render(points, generator.img_resolution)
    seeds = range(arguments.seed, arguments.seed + count)
    sampled = stylegan.sample(generator, seeds, arguments.truncation_psi)
    sheets = [grid(pictures, arguments.side) for pictures in (drawn, sampled)]
    gap = torch.ones(3, sheets[0].shape[1], 24)
    sheet = to_pil(torch.cat([sheets[0], gap, sheets[1]], dim=2))
    sheet = sheet.resize(
        (arguments.width, round(sheet.height * arguments.width / sheet.width)), Image.Resampling.LANCZOS
    )
    write_picture(arguments.out, sheet, {"Software": software(), "synthetic": "true"})
    print(f"{arguments.out}: {count} portraits, and {count} uncurated samples of {arguments.generator}")


if __name__ == "__main__":
    main()
