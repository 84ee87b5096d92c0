"""Draws the pictures of drawn answers in the README and in docs/drawn.md.

    python docs/pictures/make_drawn.py people strip
    pulse demo -o demo && python docs/pictures/make_drawn.py sprites demo --demo demo

`people.png`: people who were never seen at 16 px, the drawn answers, and the truth. `strip.png`: one answer, drawn
again turned, lit, aged and crowned. `sprites.png`: the sprites and their drawn answers. `demo.png`: beside them these
answers made small, the network's pictures, and the people who fit best.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from few_colours import write_few_colours
from torch import Tensor

import pulse
from pulse.app import sprites
from pulse.pictures import read_picture
from stylegan import portraits
from stylegan.common.grid import grid
from stylegan.common.pixels import to_pil

# A seed that nothing was tuned on, and how many people a row has.
_SEED, _PEOPLE = 20_261_126, 8
# Which of them is drawn again, and how.
_STRIP = 6
_SHOWN: tuple[dict[str, Any], ...] = (
    {},
    {"yaw": -22},
    {"yaw": 22, "pitch": 4},
    {"light_side": 0.0, "light_fill": 0.0},
    {"light_side": 1.0, "light_fill": 0.0, "light_warmth": 1.0},
    {"age": 8},
    {"age": 78},
    {"smile": 1.0, "glasses": True},
    {"headgear": "crown", "light_warmth": 0.9},
)


def _sized(images: Tensor, side: int) -> Tensor:
    """The pictures (N, 3, h, w) at `side`: small ones enlarged by repeating pixels, large ones reduced."""
    if images.shape[-1] < side:
        return torch.nn.functional.interpolate(images, size=side, mode="nearest")
    return pulse.downsample(images, size=side, kernel="area")


def _write(name: str, images: Tensor, columns: int, folder: Path) -> None:
    """Writes a grid."""
    write_few_colours(folder / name, to_pil(grid(images.clamp(0, 1), columns, gap=4, background=1)))


def people(folder: Path) -> None:
    """Three rows: the targets, the drawn answers, the truth."""
    truth = portraits.render(portraits.sample(_PEOPLE, torch.Generator().manual_seed(_SEED)), 256)
    target = pulse.downsample(truth, size=16).clamp(0, 1)
    answers = pulse.search("default", target, resolution=256, seed=0)
    print("L2:", ", ".join(f"{loss:.1e}" for loss in answers.l2.tolist()))
    _write("people.png", torch.cat([_sized(row, 128) for row in (target, answers.images, truth)]), _PEOPLE, folder)


def strip(folder: Path) -> None:
    """One answer, drawn again and again."""
    u = portraits.sample(_PEOPLE, torch.Generator().manual_seed(_SEED))[_STRIP : _STRIP + 1]
    target = pulse.downsample(portraits.render(u, 256), size=16).clamp(0, 1)
    answer = pulse.search("default", target, kind="people", resolution=256, seed=_STRIP)
    print(answer.describe())
    shown = torch.cat([answer.redraw(**changed).images for changed in _SHOWN])
    _write("strip.png", torch.cat([_sized(target, 128), _sized(shown, 128)]), len(shown) + 1, folder)


def _answered(demo: Path) -> list[str]:
    """The sprites whose three answers are in the folder."""
    suffixes = ("", ".network", ".people")
    return [name for name in sprites.names() if all((demo / f"{name}{end}.png").is_file() for end in suffixes)]


def _answers(demo: Path, names: list[str], suffix: str) -> Tensor:
    return torch.cat([_sized(read_picture(demo / f"{name}{suffix}.png"), 128) for name in names])


def sprite_pairs(folder: Path, demo: Path) -> None:
    """Rows of sprites, each above a row of their drawn answers; what does not fill the last row is left out."""
    names = _answered(demo)
    columns = 9 if len(names) >= 18 else 6
    names = names[: len(names) // columns * columns]
    inputs, answers = _sized(torch.cat([sprites.load(name) for name in names]), 128), _answers(demo, names, "")
    rows = zip(inputs.split(columns), answers.split(columns), strict=True)
    _write("sprites.png", torch.cat([part for row in rows for part in row]), columns, folder)


def whole_demo(folder: Path, demo: Path) -> None:
    """For each sprite: itself, the drawn answer, that made small, the network's picture, and a person."""
    names = _answered(demo)
    inputs = torch.cat([sprites.load(name) for name in names])
    large = torch.cat([read_picture(demo / f"{name}.png") for name in names])
    small = pulse.downsample(large, size=16)
    columns = [_sized(inputs, 128), _sized(large, 128), _sized(small, 128)]
    columns += [_answers(demo, names, suffix) for suffix in (".network", ".people")]
    _write("demo.png", pulse.downsample(torch.stack(columns, 1).flatten(0, 1), size=88, kernel="area"), 10, folder)


def main() -> None:
    """Draws the pictures that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="+", choices=("people", "strip", "sprites", "demo"))
    parser.add_argument("--demo", type=Path, default=Path("demo"), help="the folder of `pulse demo`")
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    for name in arguments.names:
        if name in ("people", "strip"):
            {"people": people, "strip": strip}[name](arguments.out)
        else:
            {"sprites": sprite_pairs, "demo": whole_demo}[name](arguments.out, arguments.demo)


if __name__ == "__main__":
    main()
