"""A contact sheet: for each picture the input, the face found, that face made small again, and how well it fits."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw, ImageFont

from pulse.pictures.write import software, to_pil, write_picture
from pulse.result import Result

_PAPER, _CARD, _EDGE = (244, 243, 239), (255, 255, 255), (224, 222, 214)
_INK, _FAINT, _GOOD, _MISSED = (34, 34, 38), (122, 120, 114), (38, 130, 84), (186, 108, 24)
_MARGIN, _PAD, _GAP = 36, 18, 12
_HEAD, _TITLE, _CAPTION = 84, 34, 26


@dataclass(frozen=True)
class SheetRow:
    """One picture's part of a sheet; the tensors are (3, h, w), (3, H, W) and (3, h, w) in [0, 1]."""

    title: str
    target: torch.Tensor
    image: torch.Tensor
    downsampled: torch.Tensor
    loss: float
    reached: bool


def rows_of(result: Result, titles: Sequence[str]) -> list[SheetRow]:
    """One row for each picture of a result, with the downsampling loss (mean squared error, without the floor)."""
    return [
        SheetRow(
            title,
            result.target[i],
            result.images[i],
            result.downsampled[i],
            float(result.l2[i]),
            bool(result.reached[i]),
        )
        for i, title in enumerate(titles)
    ]


def contact_sheet(
    rows: Sequence[SheetRow],
    heading: str = "Synthetic faces found for small pictures",
    columns: int | None = None,
    panel: int = 192,
) -> Image.Image:
    """Draws the rows as cards in `columns` columns (by default as many as keep the sheet's shape that of a page).

    Each of a card's three panels is `panel` pixels wide. Small pictures are enlarged by repeating pixels, so that what
    the search saw is what is shown.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("A contact sheet needs at least one picture; give it a row.")
    columns = min(columns or max(2, round(math.sqrt(len(rows) / 5))), len(rows))
    card_w = 2 * _PAD + 3 * panel + 2 * _GAP
    card_h = _PAD + _TITLE + panel + _CAPTION + _PAD // 2
    lines = -(-len(rows) // columns)
    width = 2 * _MARGIN + columns * card_w + (columns - 1) * _PAD
    height = _MARGIN + _HEAD + lines * (card_h + _PAD) + _MARGIN - _PAD
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN - 6), heading, _INK, _fitting_font(heading, 30, width - 2 * _MARGIN))
    note = "Synthetic: a generator invented every face here; none shows a real person or says who somebody is."
    draw.text((_MARGIN, _MARGIN + 36), note, _FAINT, _fitting_font(note, 17, width - 2 * _MARGIN))
    for index, row in enumerate(rows):
        line, column = divmod(index, columns)
        left = _MARGIN + column * (card_w + _PAD)
        top = _MARGIN + _HEAD + line * (card_h + _PAD)
        draw.rounded_rectangle((left, top, left + card_w, top + card_h), 10, _CARD, _EDGE)
        _draw_card(sheet, row, left + _PAD, top + _PAD, panel)
    return sheet


def write_sheet(path: str | os.PathLike[str], rows: Sequence[SheetRow]) -> None:
    """Writes the contact sheet of the rows as a PNG that says of itself that its faces are synthetic."""
    text = {"Software": software(), "synthetic": "true", "Description": "Synthetic faces; they show no real person."}
    write_picture(path, contact_sheet(rows), text)


def _draw_card(sheet: Image.Image, row: SheetRow, left: int, top: int, panel: int) -> None:
    draw = ImageDraw.Draw(sheet)
    right = left + 3 * panel + 2 * _GAP
    word, colour = ("reached", _GOOD) if row.reached else ("not reached", _MISSED)
    mark_font = _font(16)
    verdict = f"downsampling loss {row.loss:.2g}   {word}"
    verdict_left = right - round(draw.textlength(verdict, mark_font))
    draw.text((verdict_left, top), verdict, colour, mark_font)
    _draw_mark(draw, verdict_left - 20, top + 10, row.reached, colour)
    title_font = _font(20)
    draw.text((left, top - 3), _shortened(row.title, verdict_left - 40 - left, title_font), _INK, title_font)

    h, w = row.target.shape[-2:]
    panels = (
        (row.target, Image.Resampling.NEAREST, f"input, {w}x{h}"),
        (row.image, Image.Resampling.LANCZOS, f"found, {row.image.shape[-1]}x{row.image.shape[-2]}"),
        (row.downsampled, Image.Resampling.NEAREST, f"found, made {w}x{h}"),
    )
    for number, (image, resampling, caption) in enumerate(panels):
        x, y = left + number * (panel + _GAP), top + _TITLE
        sheet.paste(to_pil(image).resize((panel, panel), resampling), (x, y))
        draw.text((x, y + panel + 5), caption, _FAINT, _font(15))


def _draw_mark(draw: ImageDraw.ImageDraw, x: int, y: int, reached: bool, colour: tuple[int, int, int]) -> None:
    """A tick or a cross around (x, y), drawn because the font has neither."""
    if reached:
        draw.line([(x - 6, y), (x - 2, y + 5), (x + 7, y - 6)], colour, 3, joint="curve")
    else:
        draw.line([(x - 5, y - 5), (x + 5, y + 5)], colour, 3)
        draw.line([(x - 5, y + 5), (x + 5, y - 5)], colour, 3)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fitting_font(text: str, size: int, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    while size > 9 and _font(size).getlength(text) > width:
        size -= 1
    return _font(size)


def _shortened(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
