"""A sheet of generated emoji: each with the real one that looks most alike, its name, and its mood."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from pulse.emoji.moods import Look, RealEmoji
from stylegan.common.pixels import to_pil

_PAPER, _CARD, _INK, _FAINT = "#f4f3ef", "white", "#222226", "#7a7872"
COLOURS = {"neutral": "#7a7872", "happy": "#d99000", "sad": "#2f6fb5", "horror": "#9c2a3f"}
_SIDE, _REAL, _PAD, _TEXT = 160, 48, 12, 52


def sheet(pictures: Tensor, looks: Sequence[Look], real: RealEmoji, columns: int | None = None) -> Image.Image:
    """Draws pictures (N, 3, R, R) in [0, 1] as cards, row by row.

    Args:
        pictures: at least one.
        looks: what each looks like.
        real: where the looks come from.
        columns: cards in a row; by default the sheet is about square.
    """
    columns = min(columns or math.ceil(math.sqrt(len(pictures))), len(pictures))
    rows = -(-len(pictures) // columns)
    wide, high = _SIDE + 2 * _PAD, _SIDE + _TEXT + 2 * _PAD
    page = Image.new("RGB", (columns * wide + _PAD, rows * high + _PAD), _PAPER)
    numbers = {id(entry): number for number, entry in enumerate(real.entries)}
    for place, (picture, look) in enumerate(zip(pictures, looks, strict=True)):
        left, top = _PAD + place % columns * wide, _PAD + place // columns * high
        card = Image.new("RGB", (wide - _PAD, high - _PAD), _CARD)
        _draw_card(card, to_pil(picture), to_pil(real.picture(numbers[id(look.nearest[0])])[0]), look)
        page.paste(card, (left, top))
    return page


def _draw_card(card: Image.Image, picture: Image.Image, nearest: Image.Image, look: Look) -> None:
    draw = ImageDraw.Draw(card)
    large = picture.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    card.paste(large, ((card.width - _SIDE) // 2, 6))
    bottom = card.height - _REAL - 4
    card.paste(nearest.resize((_REAL, _REAL), Image.Resampling.LANCZOS), (4, bottom))
    left = _REAL + 10
    name = ImageFont.load_default(12)
    for line, text in enumerate(_lines(str(look.nearest[0].get("name", "")), card.width - left - 4, name)):
        draw.text((left, bottom + 14 * line), text, _INK, name)
    draw.text((left, card.height - 19), look.mood, COLOURS[look.mood], ImageFont.load_default(13))


def _lines(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """At most two lines; what does not fit is left out."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        elif len(lines) < 2:
            lines.append(word)
        else:
            lines[-1] += " ..."
            break
    while lines[-1] and font.getlength(lines[-1]) > width:
        lines[-1] = lines[-1][:-1]
    return lines
