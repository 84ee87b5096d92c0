"""Cut a sheet: every sprite of a sheet becomes a face; of figures only the head is taken.

    python examples/cut_sheet.py out --steps 100

Writes out/cut_sheet.png: each sprite that was found, its head, and the face.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import pulse
from pulse.app import sprites
from pulse.pictures import write_picture
from stylegan.common.pixels import to_pil

_SIDE = 128


def sheet(names: list[str]) -> Image.Image:
    """Figures of 16x32 pixels side by side: heads of the demonstration, each on a body, with gutters between them."""
    pixels = np.zeros((34, 20 * len(names), 4), np.uint8)
    for i, name in enumerate(names):
        head = np.array(to_pil(sprites.load(name)[0]).convert("RGBA"))
        ground = np.abs(head[..., :3].astype(int) - head[0, 0, :3]).max(-1) < 30
        head[ground] = 0
        figure = pixels[1:33, 20 * i + 2 : 20 * i + 18]
        figure[:16] = head
        figure[16:26, 5:11] = figure[18:24, 3:13] = (60, 70, 120, 255)
        figure[26:, 5:7] = figure[26:, 9:11] = (50, 40, 40, 255)
    return Image.fromarray(pixels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    arguments = parser.parse_args()

    notes: list[str] = []
    rows = []
    for piece in pulse.cut_sheet(sheet(["wizard", "hero"]), notes=notes):
        head = pulse.find_head(piece.picture, grid="off")
        result = pulse.depixelize(
            piece.picture,
            finish="network",
            crop=head.box,
            grid="off",
            steps=arguments.steps,
            starts=2,
            seed=0,
            notes=notes,
        )
        print(f"Sprite {piece.name} at {piece.box}: {head.reason}")
        print(result.verdict())
        x, y, width, height = head.box
        shown = [piece.picture, piece.picture.crop((x, y, x + width, y + height))]
        rows.append([*map(_framed, shown), result.images[0]])
    print(*notes, sep="\n")
    write_picture(arguments.folder / "cut_sheet.png", torch.cat([torch.cat(row, dim=2) for row in rows], dim=1))


def _framed(picture: Image.Image) -> torch.Tensor:
    """A sprite as large as whole pixels allow, in the middle of a grey square."""
    image = picture.convert("RGBA")
    factor = _SIDE // max(image.size)
    large = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    square = Image.new("RGBA", (_SIDE, _SIDE), (128, 128, 128, 255))
    square.alpha_composite(large, ((_SIDE - large.width) // 2, (_SIDE - large.height) // 2))
    return torch.from_numpy(np.array(square.convert("RGB"))).permute(2, 0, 1) / 255


if __name__ == "__main__":
    main()
