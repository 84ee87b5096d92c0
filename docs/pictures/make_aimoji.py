"""Draws emoji.png and epochs.png: emoji of the DCGAN in the box, and what its run drew after epochs 1, 5 and 25.

python docs/pictures/make_aimoji.py --run run
"""

import argparse
from pathlib import Path

from PIL import Image

import stylegan
from pulse.pictures import software, write_picture
from stylegan.common.grid import grid
from stylegan.common.pixels import to_pil
from stylegan.training.dcgan_run import steps_of_epoch

_EPOCHS, _GAP = (1, 5, 25), 24


def main() -> None:
    """Draws the pictures; epochs.png only where the folder of a run is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", type=Path, help="folder of `pulse aimoji train`")
    parser.add_argument("--width", type=int, default=920, help="of epochs.png, which is reduced to it")
    arguments = parser.parse_args()
    here, text = Path(__file__).parent, {"Software": software(), "synthetic": "true"}
    sampled = stylegan.sample(stylegan.load("aimoji"), range(64), 1)
    write_picture(here / "emoji.png", to_pil(grid(sampled, 16)), text)
    if arguments.run is not None:
        steps = [epoch * steps_of_epoch(arguments.run) for epoch in _EPOCHS]
        sheets = [Image.open(arguments.run / f"fakes_{step:06d}.png").convert("RGB") for step in steps]
        side = sheets[0].width
        joined = Image.new("RGB", (3 * side + 2 * _GAP, side), "white")
        for i, sheet in enumerate(sheets):
            joined.paste(sheet, (i * (side + _GAP), 0))
        size = (arguments.width, round(side * arguments.width / joined.width))
        write_picture(here / "epochs.png", joined.resize(size, Image.Resampling.LANCZOS), text)


if __name__ == "__main__":
    main()
