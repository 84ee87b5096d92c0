"""Draws detail.png: the same parts of two portraits at 128, 256, 512 and 1024 px.

python docs/pictures/make_detail.py
"""

import argparse
from pathlib import Path

import torch
from PIL import Image

from pulse.pictures import software, write_picture
from stylegan import portraits
from stylegan.common.grid import grid
from stylegan.common.pixels import to_pil

# Which portrait of the seed's eight, and where the part of a quarter of the side begins, as shares of the side.
_PARTS = ((0, 0.24, 0.30), (3, 0.36, 0.52))
_SIDES = (128, 256, 512, 1024)


def main() -> None:
    """Draws the picture: a row for each part, a column for each resolution."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).with_name("detail.png"))
    arguments = parser.parse_args()
    u = portraits.sample(8, torch.Generator().manual_seed(arguments.seed))
    width = max(_SIDES) // 4
    crops = []
    for number, left, top in _PARTS:
        for side in _SIDES:
            picture = portraits.render(u[number : number + 1], side)
            x, y, length = round(left * side), round(top * side), side // 4
            crop = picture[:, :, y : y + length, x : x + length]
            crops.append(torch.nn.functional.interpolate(crop, size=width, mode="nearest"))
    sheet: Image.Image = to_pil(grid(torch.cat(crops), len(_SIDES)))
    write_picture(arguments.out, sheet, {"Software": software(), "synthetic": "true"})
    print(f"{arguments.out}: parts of portraits at {', '.join(map(str, _SIDES))} px")


if __name__ == "__main__":
    main()
