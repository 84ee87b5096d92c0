"""Draws depixelize.png: what people drop on `pulse depixelize`, and what comes out.

    python docs/pictures/make_depixelize.py --work depixelize

The inputs: pixel art drawn here, emoji of a font that the system has, textures, a JPEG of an enlarged sprite, a sheet
and an animation. The last row shows failures. Inputs and answers are kept in the folder `--work`; the same call goes on
where it was ended.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from pulse.app import cli, sprites
from pulse.emoji.font import ColourFont, find_font
from pulse.pictures import software, write_picture
from pulse.pictures.frames import open_frames
from pulse.pictures.gallery import sized
from pulse.pictures.lettering import font
from stylegan.common.pixels import to_pil

_TILE, _GAP, _LABEL, _MARGIN = 104, 4, 22, 14
_PAPER, _INK = (255, 255, 255), (70, 70, 74)
_COLUMNS = 8
_SEED = 1

# Rows of the picture: what stands above them, and the inputs.
_ROWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("pixel art", ("mushroom", "pumpkin", "penguin", "owl", "lion", "snowman", "slime", "moon")),
    ("emoji", ("cowboy", "disguise", "clown", "santa", "redhead", "police", "monkey", "frog")),
    (
        "emoji of things, textures, a JPEG of an enlarged sprite, sprites of a sheet",
        ("clock", "car", "checker", "tartan", "jpeg", "sheet-1", "sheet-2", "sheet-3"),
    ),
    ("frames of an animation", tuple(f"crown-{i + 1}" for i in range(8))),
    (
        "failures: nothing to hold on to, seen from the side, a wrong hat, no face found in it",
        ("brick", "wood", "snail", "astronaut", "pizza", "letter", "noise", "house"),
    ),
)
_EMOJI = {
    "cowboy": "\U0001f920",
    "disguise": "\U0001f978",
    "clown": "\U0001f921",
    "santa": "\U0001f385",
    "redhead": "\U0001f469\u200d\U0001f9b0",
    "police": "\U0001f46e",
    "monkey": "\U0001f435",
    "frog": "\U0001f438",
    "astronaut": "\U0001f468\u200d\U0001f680",
    "pizza": "\U0001f355",
    "car": "\U0001f697",
    "clock": "\u23f0",
    "snail": "\U0001f40c",
    "house": "\U0001f3e0",
}

_Colour = tuple[int, int, int]


def _grid() -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[0:16, 0:16] + 0.5
    return rows, columns


class _Sprite:
    """A sprite of 16 px that is drawn of discs, boxes and pixels."""

    def __init__(self, ground: str) -> None:
        self.pixels = np.zeros((16, 16, 3), np.uint8)
        self.pixels[:] = _colour(ground)

    def disc(self, x: float, y: float, across: float, down: float, colour: str, light: str = "") -> "_Sprite":
        """A disc about a point, with a lighter one on its upper left."""
        rows, columns = _grid()
        inside = ((columns - x) / across) ** 2 + ((rows - y) / down) ** 2 < 1
        self.pixels[inside] = _colour(colour)
        if light:
            lit = ((columns - x + 0.2 * across) / (0.75 * across)) ** 2 + ((rows - y + 0.25 * down) / (0.7 * down)) ** 2
            self.pixels[inside & (lit < 1)] = _colour(light)
        return self

    def box(self, left: int, top: int, right: int, bottom: int, colour: str) -> "_Sprite":
        """A filled rectangle; `right` and `bottom` are the last pixels inside."""
        self.pixels[top : bottom + 1, left : right + 1] = _colour(colour)
        return self

    def dots(self, colour: str, *places: tuple[int, int]) -> "_Sprite":
        """Single pixels (x, y)."""
        for x, y in places:
            self.pixels[y, x] = _colour(colour)
        return self


def _colour(digits: str) -> _Colour:
    return (int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16))


def _mushroom() -> _Sprite:
    made = _Sprite("7fb069").box(4, 8, 11, 15, "f3e3c3").box(10, 8, 11, 15, "d9c39a")
    made.disc(8, 6, 7.6, 5.6, "b8252b", "dc3b3b").box(1, 9, 14, 9, "8d1a22")
    made.disc(4.5, 4.5, 1.8, 1.6, "fff4ea").disc(10.5, 3.5, 2, 1.6, "fff4ea").disc(12.5, 7.5, 1.3, 1.2, "fff4ea")
    made.disc(7.5, 7.5, 1.3, 1.1, "fff4ea")
    return made.dots("30221c", (5, 11), (10, 11), (5, 12), (10, 12)).box(6, 14, 9, 14, "a8443f")


def _pumpkin() -> _Sprite:
    made = _Sprite("2b2142").disc(8, 9, 7.6, 6.4, "c85f12", "ee8420").box(7, 0, 8, 3, "5b8a3a")
    made.dots("a34a0c", *((x, y) for x in (4, 11) for y in range(4, 15)))
    for x in (3, 10):
        made.box(x, 8, x + 2, 8, "ffd75a").dots("ffd75a", (x + 1, 7))
    made.box(3, 11, 12, 12, "ffd75a").dots("c85f12", (5, 11), (8, 11), (6, 12), (10, 12))
    return made


def _penguin() -> _Sprite:
    made = _Sprite("bfe3f2").disc(8, 8.5, 6.6, 8, "20242e", "343a48").disc(5.8, 8.5, 3, 3.4, "f7f7f2")
    made.disc(10.2, 8.5, 3, 3.4, "f7f7f2").disc(8, 12.5, 4.6, 3.6, "f7f7f2")
    made.dots("14161c", (5, 7), (5, 8), (10, 7), (10, 8))
    return made.box(6, 10, 9, 10, "f0972c").box(7, 11, 8, 11, "d97d18")


def _owl() -> _Sprite:
    made = _Sprite("1f2c4a").disc(8, 9, 7, 7.4, "6b4526", "8d5f36").dots("6b4526", (1, 1), (2, 2), (13, 2), (14, 1))
    made.box(2, 2, 3, 4, "6b4526").box(12, 2, 13, 4, "6b4526")
    for x in (5, 11):
        made.disc(x, 7.5, 3, 3, "f4e6c8").disc(x, 7.5, 1.7, 1.7, "f2b632").disc(x, 7.5, 1, 1, "1c1410")
    made.box(7, 9, 8, 11, "e39a2d").box(5, 13, 10, 15, "c9a473")
    return made.dots("8d5f36", (6, 13), (8, 13), (7, 14), (9, 14))


def _lion() -> _Sprite:
    made = _Sprite("f3d9a4").disc(8, 8, 8, 8, "9c4a14", "b95c1c").disc(8, 8.5, 5.4, 5.6, "eab054", "f5c56f")
    made.dots("3a2413", (5, 7), (10, 7), (5, 8), (10, 8)).box(6, 10, 9, 12, "fbe7c0").box(7, 9, 8, 10, "6e3a22")
    return made.box(6, 12, 9, 12, "8a3f2d")


def _snowman() -> _Sprite:
    made = (
        _Sprite("7fa8cf").disc(8, 9.5, 6, 6, "d5e2ee", "fbfdff").box(3, 4, 12, 4, "23232b").box(5, 0, 10, 3, "2f2f39")
    )
    made.box(5, 3, 10, 3, "b9343c").dots("16161c", (5, 7), (5, 8), (10, 7), (10, 8)).box(7, 9, 8, 10, "ef8226")
    made.dots("16161c", (5, 12), (6, 13), (7, 13), (8, 13), (9, 13), (10, 12)).box(2, 15, 13, 15, "b9343c")
    return made


def _slime() -> _Sprite:
    made = (
        _Sprite("38304a")
        .disc(8, 11, 7, 8, "3f9d5a", "67c873")
        .box(1, 13, 14, 14, "3f9d5a")
        .box(0, 15, 15, 15, "241f30")
    )
    for x in (5, 10):
        made.box(x - 1, 8, x, 10, "f6fff4").dots("182418", (x, 9), (x, 10))
    return made.box(6, 12, 9, 12, "1f5a35").dots("d8ffd8", (4, 5), (5, 4))


def _moon() -> _Sprite:
    made = _Sprite("141a3a").disc(8, 8, 6.8, 6.8, "e0be5c", "f7e29a").dots("ffffff", (1, 2), (14, 1), (14, 13), (1, 13))
    made.dots("4c3b1b", (5, 6), (10, 6), (5, 7), (10, 7)).disc(11.5, 10.5, 1.4, 1, "d3a94a").dots(
        "c99f45", (8, 3), (4, 10)
    )
    return made.dots("7a4a2a", (5, 10), (6, 11), (7, 11), (8, 11), (9, 11), (10, 10)).dots("c99f45", (7, 8), (8, 9))


_DRAWN: dict[str, Callable[[], _Sprite]] = {
    "mushroom": _mushroom,
    "pumpkin": _pumpkin,
    "penguin": _penguin,
    "owl": _owl,
    "lion": _lion,
    "snowman": _snowman,
    "slime": _slime,
    "moon": _moon,
}


def _checker() -> np.ndarray:
    rows, columns = np.mgrid[0:64, 0:64] // 8
    return np.where(((rows + columns) % 2)[..., None] == 0, _colour("e8dcc0"), _colour("7a2f2a")).astype(np.uint8)


def _brick() -> np.ndarray:
    rng = np.random.default_rng(3)
    pixels = np.full((64, 64, 3), _colour("c9bfae"), np.uint8)
    for row in range(8):
        for column in range(-1, 5):
            left = 16 * column + 8 * (row % 2)
            tone = np.array(_colour("a4492f")) + rng.integers(-22, 23)
            pixels[8 * row : 8 * row + 7, max(left, 0) : max(left + 15, 0)] = tone.clip(0, 255)
    return pixels


def _wood() -> np.ndarray:
    rows, columns = np.mgrid[0:64, 0:64] / 64
    away = np.hypot((columns - 0.42) * 2.6, rows - 0.55) + 0.03 * np.sin(9 * rows + 5 * columns)
    rings = 0.5 + 0.5 * np.sin(42 * away)
    dark, light = np.array(_colour("6e4220")), np.array(_colour("c98f55"))
    return np.rint(dark + rings[..., None] * (light - dark)).astype(np.uint8)


def _tartan() -> np.ndarray:
    across = np.zeros((64, 3))
    for start, end, colour in (
        (0, 24, "8c1d28"),
        (24, 40, "1d3b5c"),
        (40, 43, "e9d9a0"),
        (43, 56, "214a34"),
        (56, 64, "8c1d28"),
    ):
        across[start:end] = _colour(colour)
    return np.rint((across[:, None] + across[None]) / 2).astype(np.uint8)


def _enlarged_jpeg() -> Image.Image:
    large = to_pil(sprites.load("viking")[0]).resize((9 * 16, 9 * 16), Image.Resampling.NEAREST)
    file = io.BytesIO()
    large.save(file, "JPEG", quality=60)
    return Image.open(file)


def _sheet() -> Image.Image:
    pixels = np.zeros((18, 54, 4), np.uint8)
    for i, name in enumerate(("elf", "princess", "orc")):
        pixels[1:17, 18 * i + 1 : 18 * i + 17] = np.array(to_pil(sprites.load(name)[0]).convert("RGBA"))
    return Image.fromarray(pixels)


def _frames() -> list[Image.Image]:
    """A king whose crown goes through all colours."""
    still = to_pil(sprites.load("king")[0])
    hsv = np.array(still.convert("HSV"))
    frames = []
    for i in range(_COLUMNS):
        turned = hsv.copy()
        turned[:5, :, 0] = (turned[:5, :, 0].astype(int) + 256 * i // _COLUMNS) % 256
        frames.append(Image.fromarray(turned, "HSV").convert("RGB"))
    return frames


def _letter() -> Image.Image:
    made = Image.new("RGB", (16, 16), (250, 247, 238))
    draw = ImageDraw.Draw(made)
    draw.line((3, 14, 7, 2, 8, 2, 12, 14), (30, 40, 120), 2)
    draw.line((5, 10, 10, 10), (30, 40, 120), 2)
    return made


def _noise() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)


def write_inputs(folder: Path) -> None:
    """Writes every input that is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = ColourFont(find_font())
    pictures: dict[str, Callable[[], Image.Image | np.ndarray | None]] = {
        **{name: lambda draw=draw: draw().pixels for name, draw in _DRAWN.items()},  # type: ignore[misc]
        **{name: lambda sign=sign: letters.draw(sign) for name, sign in _EMOJI.items()},  # type: ignore[misc]
        "checker": _checker,
        "brick": _brick,
        "wood": _wood,
        "tartan": _tartan,
        "letter": _letter,
        "noise": _noise,
        "sheet": _sheet,
    }
    for name, draw in pictures.items():
        made = draw()
        if made is not None and not (folder / f"{name}.png").exists():
            (Image.fromarray(made) if isinstance(made, np.ndarray) else made).save(folder / f"{name}.png")
    if not (folder / "jpeg.jpg").exists():
        _enlarged_jpeg().save(folder / "jpeg.jpg", quality=60)
    if not (folder / "crown.gif").exists():
        first, *others = _frames()
        first.save(folder / "crown.gif", save_all=True, append_images=others, duration=120, loop=0)


def answer(inputs: Path, answers: Path, jobs: int) -> None:
    """Answers every input with the command itself; SystemExit where one of them fails."""
    more = ["-o", str(answers), "--seed", str(_SEED), "--resolution", "256", "--jobs", str(jobs)]
    singles = [str(path) for path in sorted(inputs.iterdir()) if path.stem != "sheet"]
    codes = [
        cli.main(["depixelize", *singles, *more]),
        cli.main(["depixelize", str(inputs / "sheet.png"), "--sheet", "auto", *more]),
    ]
    if any(codes):
        raise SystemExit(max(codes))


def pairs(inputs: Path, answers: Path) -> dict[str, tuple[Image.Image, Image.Image]]:
    """Each input as it was given, and its answer."""
    found = {}
    for path in inputs.iterdir():
        answered = answers / f"{path.stem}.png"
        if path.suffix != ".gif" and answered.is_file():
            given = Image.open(path).convert("RGBA")
            ground = Image.new("RGBA", given.size, "white")
            ground.alpha_composite(given)
            found[path.stem] = (ground.convert("RGB"), Image.open(answered).convert("RGB"))
    sheet = Image.open(inputs / "sheet.png").convert("RGB")
    for i in range(3):
        piece = sheet.crop((18 * i + 1, 1, 18 * i + 17, 17))
        found[f"sheet-{i + 1}"] = (piece, Image.open(answers / "sheet" / f"1-{i + 1}.png").convert("RGB"))
    moving = zip(open_frames(inputs / "crown.gif").pictures, open_frames(answers / "crown.webp").pictures, strict=True)
    for i, (given, face) in enumerate(moving):
        found[f"crown-{i + 1}"] = (given.convert("RGB"), face.convert("RGB"))
    return found


def gallery(found: dict[str, tuple[Image.Image, Image.Image]]) -> Image.Image:
    """Rows of inputs, each above a row of their answers, each pair of rows below its name."""
    block = _LABEL + 2 * _TILE + _GAP + 8
    width = 2 * _MARGIN + _COLUMNS * _TILE + (_COLUMNS - 1) * _GAP
    made = Image.new("RGB", (width, 2 * _MARGIN + len(_ROWS) * block), _PAPER)
    draw = ImageDraw.Draw(made)
    for number, (title, names) in enumerate(_ROWS):
        top = _MARGIN + number * block
        draw.text((_MARGIN, top), title, _INK, font(14))
        for column, name in enumerate(names):
            left = _MARGIN + column * (_TILE + _GAP)
            for row, picture in enumerate(found[name]):
                made.paste(sized(picture, _TILE), (left, top + _LABEL + row * (_TILE + _GAP)))
    return made


def with_few_colours(picture: Image.Image) -> Image.Image:
    """The picture with 192 colours in each of its rows, which makes its file smaller."""
    made = picture.copy()
    height = (picture.height - 2 * _MARGIN) // len(_ROWS)
    for number in range(len(_ROWS)):
        box = (0, _MARGIN + number * height, picture.width, _MARGIN + (number + 1) * height)
        few = picture.crop(box).quantize(192, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
        made.paste(few.convert("RGB"), box)
    return made


def main() -> None:
    """Draws the picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("depixelize"), help="folder for inputs and answers")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).with_name("depixelize.png"))
    arguments = parser.parse_args()
    inputs, answers = arguments.work / "in", arguments.work / "out"
    write_inputs(inputs)
    answer(inputs, answers, arguments.jobs)
    picture = gallery(pairs(inputs, answers))
    write_picture(arguments.out, with_few_colours(picture), {"Software": software(), "synthetic": "true"})
    print(f"{arguments.out}: {picture.width} x {picture.height}, {arguments.out.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
