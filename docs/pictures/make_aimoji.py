"""Draws emoji.png, epochs.png and emoji_stylegan2.png.

They are emoji of the DCGAN in the box, what its run drew after epochs 1, 5 and 25, and emoji of a StyleGAN2. The curve
emoji_curve.png is drawn by `python -m benchmarks.curve run --reals run --count 1024 -o docs/pictures/emoji_curve.png`.

python docs/pictures/make_aimoji.py --run run --stylegan2 run2
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
    """Draws the pictures; those of runs only where their folders are given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", type=Path, help="folder of `pulse aimoji train`")
    parser.add_argument("--stylegan2", type=Path, help="folder of `stylegan train`")
    parser.add_argument("--width", type=int, default=920, help="of epochs.png, which is reduced to it")
    arguments = parser.parse_args()
    here, text = Path(__file__).parent, {"Software": software(), "synthetic": "true"}
    sampled = stylegan.sample(stylegan.load("aimoji"), range(64), 1)
    write_picture(here / "emoji.png", to_pil(grid(sampled, 16)), text)
    if arguments.stylegan2 is not None:
        sampled = stylegan.sample(stylegan.load(arguments.stylegan2), range(64), 1)
        write_picture(here / "emoji_stylegan2.png", to_pil(grid(sampled, 16)), text)
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
