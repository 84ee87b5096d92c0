"""Pictures of several answers: captioned pictures side by side, and a map of where they disagree."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from pulse.pictures.lettering import fitting_font, font, shortened
from pulse.pictures.write import to_pil

_PAPER, _INK, _FAINT = (244, 243, 239), (34, 34, 38), (122, 120, 114)
_MARGIN, _GAP, _HEAD, _CAPTION = 28, 12, 74, 26
_NOTE = "Synthetic: every face here was invented by a program; none shows a real person or says who somebody is."
# From nothing to much, dark to light, so that it reads in grey too.
_COLOURS = ((8, 8, 28), (60, 18, 100), (140, 40, 110), (215, 75, 75), (250, 150, 60), (252, 236, 170))


@dataclass(frozen=True)
class Shown:
    """A picture of a gallery: (3, h, w) in [0, 1] or of Pillow, and what stands below it."""

    image: Tensor | Image.Image
    caption: str


def gallery(
    shown: Sequence[Shown], heading: str, *, columns: int | None = None, panel: int = 192, note: str = _NOTE
) -> Image.Image:
    """Captioned pictures side by side, under a heading. Small ones are enlarged by repeating pixels.

    Args:
        shown: at least one.
        heading: stands above them.
        columns: how many stand side by side; by default as many as make the whole as wide as high.
        panel: width of each picture.
        note: stands below the heading.

    Raises:
        ValueError: there is nothing to show.
    """
    if not shown:
        raise ValueError("A gallery needs at least one picture; give it one.")
    columns = min(columns or math.ceil(math.sqrt(len(shown))), len(shown))
    rows = -(-len(shown) // columns)
    width = 2 * _MARGIN + columns * panel + (columns - 1) * _GAP
    made = Image.new("RGB", (width, 2 * _MARGIN + _HEAD + rows * (panel + _CAPTION) + (rows - 1) * _GAP), _PAPER)
    draw = ImageDraw.Draw(made)
    _write_head(draw, heading, note, width)
    for number, one in enumerate(shown):
        left = _MARGIN + number % columns * (panel + _GAP)
        top = _MARGIN + _HEAD + number // columns * (panel + _CAPTION + _GAP)
        made.paste(sized(one.image, panel), (left, top))
        draw.text((left, top + panel + 4), shortened(one.caption, panel, font(14)), _FAINT, font(14))
    return made


def disagreement_map(unsure: Tensor, side: int = 512) -> Image.Image:
    """A map of where answers disagree, with a legend in grey levels.

    Args:
        unsure: (H, W), the standard deviation of each pixel (`pulse.disagreement`), from 0 to 0.5.
        side: of the map, in pixels.
    """
    most = max(float(unsure.max()), 1 / 255)
    image = to_pil(_coloured(unsure / most)).resize((side, side), Image.Resampling.BICUBIC)
    bar, text = 18, 22
    made = Image.new("RGB", (side + 2 * _MARGIN, side + 2 * _MARGIN + _HEAD + bar + text + _GAP), _PAPER)
    draw = ImageDraw.Draw(made)
    note = "The small picture does not tell what is here: the lighter, the less."
    _write_head(draw, "Where the faces disagree", note, made.width)
    made.paste(image, (_MARGIN, _MARGIN + _HEAD))
    top = _MARGIN + _HEAD + side + _GAP
    ramp = _coloured(torch.linspace(0, 1, side).expand(bar, side))
    made.paste(to_pil(ramp), (_MARGIN, top))
    for share in (0.0, 0.5, 1.0):
        label = f"{255 * most * share:.0f}" + (" of 255 grey levels" if share == 1 else "")
        length = round(font(14).getlength(label))
        left = _MARGIN + round(share * side) - round(share * length)
        draw.text((left, top + bar + 3), label, _INK, font(14))
    return made


def sized(image: Tensor | Image.Image, side: int) -> Image.Image:
    """A picture as `side` pixels along its longer side, in a square: a small one by repeating pixels."""
    picture = to_pil(image) if isinstance(image, Tensor) else image.convert("RGB")
    scale = side / max(picture.size)
    resampling = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.LANCZOS
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, resampling) if size != picture.size else picture
    if picture.width == picture.height:
        return picture
    made = Image.new("RGB", (side, side), _PAPER)
    made.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return made


def with_caption(image: Tensor | Image.Image, words: str = "synthetic") -> Image.Image:
    """A picture with words in its lower right corner, legible on light and on dark."""
    picture = (to_pil(image) if isinstance(image, Tensor) else image).convert("RGB")
    face = fitting_font(words, max(11, picture.height // 24), max(picture.width - 8, 1))
    pad = max(2, picture.height // 100)
    box = face.getbbox(words)
    width, height = math.ceil(box[2] - box[0]) + 2 * pad, math.ceil(box[3] - box[1]) + 2 * pad
    label = Image.new("RGB", (width, height), (20, 20, 24))
    ImageDraw.Draw(label).text((pad - box[0], pad - box[1]), words, (255, 255, 255), face)
    place = (picture.width - width - pad, picture.height - height - pad)
    behind = picture.crop((*place, place[0] + width, place[1] + height))
    picture.paste(Image.blend(behind, label, 0.75), place)
    return picture


def _write_head(draw: ImageDraw.ImageDraw, heading: str, note: str, width: int) -> None:
    room = width - 2 * _MARGIN
    for text, size, top, ink in ((heading, 26, _MARGIN - 6, _INK), (note, 15, _MARGIN + 32, _FAINT)):
        face = fitting_font(text, size, room)
        draw.text((_MARGIN, top), shortened(text, room, face), ink, face)


def _coloured(shares: Tensor) -> Tensor:
    """Colours (3, H, W) of shares (H, W) from 0 to 1."""
    colours = torch.tensor(_COLOURS, dtype=torch.float32) / 255
    place = shares.float().clamp(0, 1) * (len(colours) - 1)
    below = place.floor().long().clamp(max=len(colours) - 2)
    part = (place - below)[..., None]
    return torch.lerp(colours[below], colours[below + 1], part).permute(2, 0, 1)
