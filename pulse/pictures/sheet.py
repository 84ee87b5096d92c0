"""A contact sheet: for each picture the input, the answer, that answer made small again, and how well it fits."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw
from torch import Tensor

from pulse.operators import downsample
from pulse.pictures.lettering import fitting_font, font, shortened, wrapped
from pulse.pictures.write import software, to_pil, write_picture
from pulse.result import Result

_PAPER, _CARD, _EDGE = (244, 243, 239), (255, 255, 255), (224, 222, 214)
_INK, _FAINT, _GOOD, _MISSED = (34, 34, 38), (122, 120, 114), (38, 130, 84), (186, 108, 24)
_MARGIN, _PAD, _GAP = 36, 18, 12
_HEAD, _TITLE, _CAPTION, _LINE = 84, 34, 28, 19
_WORDS = 14

# How captions name who made a picture, by the finishes of `pulse.depixelize`.
_MADE_BY = {"drawn": "drawn", "network": "by the network"}


@dataclass(frozen=True)
class Beside:
    """Another answer to the same picture: (3, H, W) in [0, 1], who made it, in a word or two, and its loss."""

    image: Tensor
    made_by: str
    loss: float


@dataclass(frozen=True)
class SheetRow:
    """One picture's card on a sheet.

    Args:
        title: what the picture is called.
        target: what was searched for, (C, h, w) in [0, 1].
        image: the answer, (3, H, W) in [0, 1].
        downsampled: that answer made small, (C, h, w); clamped to [0, 1] to be shown.
        loss: mean squared error between the small pictures, in [0, 1] units.
        reached: whether that is within `eps`.
        verdict: what the numbers mean, in sentences; by default made of `loss`.
        notes: what the reader noticed about the input, in sentences.
        says_little: whether almost any face would fit, because the target is nearly of one colour.
        made_by: who made the answer, "drawn" or "network".
        beside: other answers, shown to the right.
    """

    title: str
    target: Tensor
    image: Tensor
    downsampled: Tensor
    loss: float
    reached: bool
    verdict: str = ""
    notes: Sequence[str] = ()
    says_little: bool = False
    made_by: str = "network"
    beside: Sequence[Beside] = ()

    def words(self) -> str:
        """The verdict, or what `loss` alone says."""
        levels = 255 * math.sqrt(max(self.loss, 0))
        return (
            self.verdict or f"Made small, the face typically differs from the input by {levels:.1f} of 255 grey levels."
        )


def rows_of(result: Result, titles: Sequence[str], notes: Sequence[Sequence[str]] | None = None) -> list[SheetRow]:
    """One row for each picture of a result; `notes` are those of each picture, in the same order."""
    return [
        SheetRow(
            title,
            result.target[i],
            result.images[i],
            result.downsampled[i],
            float(result.l2[i]),
            bool(result.reached[i]),
            _shown(result.describe(i) if result.made_by == "drawn" else "", result.verdict(i)),
            () if notes is None else tuple(notes[i]),
            bool(result.one_colour[i]),
            made_by=result.made_by,
        )
        for i, title in enumerate(titles)
    ]


def row_of_picture(
    title: str, target: Tensor, image: Tensor, text: Mapping[str, str], kernel: str = "bicubic"
) -> SheetRow:
    """The row of an answer that an earlier run wrote.

    Args:
        title: what the picture is called.
        target: (1, C, h, w) in [0, 1].
        image: the answer, (1, 3, H, W), read from its PNG.
        text: of the PNG, with at least `loss` and `reached`.
        kernel: how the search made images small.
    """
    made_by = "drawn" if text.get("finish") == "drawn" else "network"
    small = downsample(image, size=(target.shape[2], target.shape[3]), kernel=kernel)
    loss, reached = float(text["loss"]), text["reached"] == "true"
    words = _shown(text.get("shows", ""), text.get("verdict", ""))
    return SheetRow(title, target[0], image[0], small[0], loss, reached, words, made_by=made_by)


def _shown(shows: str, verdict: str) -> str:
    """What an answer shows, if somebody knows, before what it is worth."""
    return f"{shows[:1].upper()}{shows[1:]}. {verdict}" if shows else verdict


def contact_sheet(
    rows: Sequence[SheetRow],
    heading: str = "Synthetic faces found for small pictures",
    columns: int | None = None,
    panel: int = 192,
) -> Image.Image:
    """Draws the rows as cards.

    Small pictures are enlarged by repeating pixels, so the sheet shows what the search saw.

    Args:
        rows: at least one.
        heading: stands above them.
        columns: how many cards stand side by side; by default as many as keep the sheet's shape that of a page.
        panel: width of each of a card's pictures, in pixels.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("A contact sheet needs at least one picture; give it a row.")
    panels = 3 + max(len(row.beside) for row in rows)
    columns = min(columns or max(2 if panels == 3 else 1, round(math.sqrt(len(rows) * 3 / panels / 4))), len(rows))
    inner = panels * panel + (panels - 1) * _GAP
    card_w = 2 * _PAD + inner
    lines = [rows[first : first + columns] for first in range(0, len(rows), columns)]
    heights = [max(_card_height(row, panel, inner) for row in line) for line in lines]
    width = 2 * _MARGIN + columns * card_w + (columns - 1) * _PAD
    sheet = Image.new("RGB", (width, _MARGIN + _HEAD + sum(heights) + (len(lines) - 1) * _PAD + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    note = "Synthetic: every face here was invented by a program; none shows a real person or says who somebody is."
    for text, size, top, ink in ((heading, 30, _MARGIN - 6, _INK), (note, 17, _MARGIN + 36, _FAINT)):
        face = fitting_font(text, size, width - 2 * _MARGIN)
        draw.text((_MARGIN, top), shortened(text, width - 2 * _MARGIN, face), ink, face)
    top = _MARGIN + _HEAD
    for line, height in zip(lines, heights, strict=True):
        for column, row in enumerate(line):
            left = _MARGIN + column * (card_w + _PAD)
            draw.rounded_rectangle((left, top, left + card_w - 1, top + height - 1), 10, _CARD, _EDGE)
            _draw_card(sheet, row, left + _PAD, top + _PAD, panel, inner)
        top += height + _PAD
    return sheet


def write_sheet(path: str | os.PathLike[str], rows: Sequence[SheetRow], request: str | None = None) -> None:
    """Writes the contact sheet of the rows as a PNG that says of itself that its faces are synthetic.

    Args:
        path: the file to make or replace.
        rows: at least one.
        request: see `pulse.pictures.check_replaceable`.
    """
    text = {"Software": software(), "synthetic": "true", "Description": "Synthetic faces; they show no real person."}
    write_picture(path, contact_sheet(rows), text | ({} if request is None else {"request": request}))


def _texts(row: SheetRow, width: int) -> list[tuple[str, tuple[int, int, int]]]:
    """The lines below a card's pictures, with their ink."""
    face = font(_WORDS)
    notes = [(line, _MISSED) for note in row.notes for line in wrapped(note, width, face)]
    return notes + [(line, _FAINT) for line in wrapped(row.words(), width, face)]


def _card_height(row: SheetRow, panel: int, width: int) -> int:
    return _PAD + _TITLE + panel + _CAPTION + _LINE * len(_texts(row, width)) + _PAD


def _draw_card(sheet: Image.Image, row: SheetRow, left: int, top: int, panel: int, width: int) -> None:
    draw = ImageDraw.Draw(sheet)
    right = left + width
    word, ink = ("fits", _GOOD) if row.reached else ("does not fit", _MISSED)
    if row.reached and row.says_little:
        word, ink = "says little", _FAINT
    word_left = right - round(draw.textlength(word, font(16)))
    draw.text((word_left, top), word, ink, font(16))
    if ink != _FAINT:
        _draw_mark(draw, word_left - 16, top + 10, row.reached, ink)
    draw.text((left, top - 3), shortened(row.title, word_left - 36 - left, font(20)), _INK, font(20))

    h, w = row.target.shape[-2:]
    made_by = _MADE_BY.get(row.made_by, row.made_by)
    panels = [
        (row.target, Image.Resampling.NEAREST, f"input, {w}x{h}"),
        (row.image, Image.Resampling.LANCZOS, f"{made_by}, {row.image.shape[-1]}x{row.image.shape[-2]}"),
        (row.downsampled, Image.Resampling.NEAREST, f"made {w}x{h}, loss {row.loss:.3g}"),
    ]
    for one in row.beside:
        caption = f"{_MADE_BY.get(one.made_by, one.made_by)}, loss {one.loss:.3g}"
        panels.append((one.image, Image.Resampling.LANCZOS, caption))
    for number, (image, resampling, caption) in enumerate(panels):
        x, y = left + number * (panel + _GAP), top + _TITLE
        shown = _enlarged(to_pil(image), panel, resampling)
        sheet.paste(shown, (x + (panel - shown.width) // 2, y + (panel - shown.height) // 2))
        draw.text((x, y + panel + 5), shortened(caption, panel, font(15)), _FAINT, font(15))
    for number, (text, colour) in enumerate(_texts(row, width)):
        draw.text((left, top + _TITLE + panel + _CAPTION + number * _LINE), text, colour, font(_WORDS))


def _enlarged(image: Image.Image, panel: int, resampling: Image.Resampling) -> Image.Image:
    scale = panel / max(image.size)
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), resampling)


def _draw_mark(draw: ImageDraw.ImageDraw, x: int, y: int, reached: bool, colour: tuple[int, int, int]) -> None:
    """A tick or a cross around (x, y), drawn because the font has neither."""
    if reached:
        draw.line([(x - 6, y), (x - 2, y + 5), (x + 7, y - 6)], colour, 3, joint="curve")
    else:
        draw.line([(x - 5, y - 5), (x + 5, y + 5)], colour, 3)
        draw.line([(x - 5, y + 5), (x + 5, y - 5)], colour, 3)
