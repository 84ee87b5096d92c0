"""A report of headings, paragraphs, tables and pictures, as one HTML file and as Markdown."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from stylegan.common.files import write_bytes, write_text
from stylegan.common.pixels import to_pil

_STYLE = """
:root { --ink: #1d2430; --soft: #5d6675; --line: #dfe3ea; --mark: #0b6e4f; --ground: #ffffff; --tint: #f6f7fa; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1280px; margin: 0 auto; padding: 32px 24px 80px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 12px; }
h2 { font-size: 22px; margin: 48px 0 8px; padding-top: 12px; border-top: 1px solid var(--line); }
h3 { font-size: 17px; margin: 28px 0 6px; }
p, li { max-width: 78ch; }
p { margin: 8px 0 12px; }
code { background: var(--tint); padding: 1px 5px; border-radius: 4px; font-size: 14px; overflow-wrap: anywhere; }
figure { margin: 16px 0 24px; }
figcaption, .caption { color: var(--soft); font-size: 14px; max-width: 90ch; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; margin: 8px 0 4px; }
th, td { padding: 5px 10px; text-align: right; vertical-align: top; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { font-weight: 600; color: var(--soft); vertical-align: bottom; white-space: normal; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--ground);
  white-space: nowrap; }
table.words th, table.words td { text-align: left; white-space: normal; }
table.words td:not(:first-child) { max-width: 80ch; }
td small { display: block; color: var(--soft); font-size: 11.5px; line-height: 1.3; }
td b { color: var(--mark); }
table.pictures td, table.pictures th { border: 0; padding: 2px; text-align: center; vertical-align: middle; }
table.pictures th { font-size: 12px; padding: 4px 2px; vertical-align: bottom; max-width: 96px; }
table.pictures th:first-child, table.pictures td:first-child { text-align: left; font-size: 12px; padding-right: 8px;
  color: var(--soft); }
table.pictures img { display: block; width: 96px; height: 96px; border-radius: 4px; }
table.pictures img.pixels { image-rendering: pixelated; }
figure svg { max-width: 100%; height: auto; }
details { margin: 8px 0; }
summary { cursor: pointer; color: var(--soft); }
"""


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, what stands small below it, and whether it is the best of its column."""

    text: str
    small: str = ""
    best: bool = False


@dataclass(frozen=True)
class Heading:
    """A heading of level 1 to 3."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """One paragraph; between backticks stands code."""

    text: str


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table; the first column names the rows. In HTML it can be folded away behind its title.

    Args:
        heads: of the columns.
        rows: of cells.
        caption: below it.
        folded: its title, if it is folded away.
        words: whether it holds sentences, which stand on the left and are broken into lines.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str | Cell]]
    caption: str = ""
    folded: str = ""
    words: bool = False


@dataclass(frozen=True, eq=False)
class Gallery:
    """Pictures (3, h, w) in [0, 1] in rows and columns; None leaves a place free. Small ones are shown as blocks."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Tensor | None]]
    names: Sequence[str]
    caption: str
    file: str


@dataclass(frozen=True)
class Plot:
    """A drawing as SVG."""

    svg: str
    caption: str
    file: str


Block = Heading | Paragraph | Points | Table | Gallery | Plot


def write(blocks: Sequence[Block], folder: Path, title: str) -> None:
    """Writes report.html, which needs no other file, and report.md with its pictures in the folder `pictures`."""
    body = "\n".join(_html(block) for block in blocks)
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{_STYLE}</style></head>\n'
        f"<body><main>\n{body}\n</main></body></html>\n"
    )
    write_text(folder / "report.html", page)
    (folder / "pictures").mkdir(exist_ok=True)
    write_text(folder / "report.md", "\n\n".join(_markdown(block, folder) for block in blocks) + "\n")


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{_inline(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{_inline(text)}</p>"
        case Points(items):
            return "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>"
        case Plot(svg, caption):
            drawing = svg[svg.index("<svg") :]
            return f"<figure>{drawing}<figcaption>{_inline(caption)}</figcaption></figure>"
        case Gallery():
            return _html_gallery(block)
        case Table():
            return _html_table(block)


def _inline(text: str) -> str:
    parts = html.escape(text, quote=False).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _html_table(table: Table) -> str:
    heads = "".join(f'<th scope="col">{_inline(head)}</th>' for head in table.heads)
    rows = []
    for row in table.rows:
        cells = []
        for cell in row:
            one = cell if isinstance(cell, Cell) else Cell(cell)
            text = f"<b>{_inline(one.text)}</b>" if one.best else _inline(one.text)
            cells.append(f"<td>{text}" + (f"<small>{_inline(one.small)}</small>" if one.small else "") + "</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    kind = ' class="words"' if table.words else ""
    made = f'<div class="wide"><table{kind}><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    if table.caption:
        made += f'<p class="caption">{_inline(table.caption)}</p>'
    return f"<details><summary>{_inline(table.folded)}</summary>{made}</details>" if table.folded else made


def _html_gallery(gallery: Gallery) -> str:
    heads = "".join(f'<th scope="col">{_inline(head)}</th>' for head in ["", *gallery.heads])
    rows = []
    for name, images in zip(gallery.names, gallery.rows, strict=True):
        cells = [f"<td>{_inline(name)}</td>"]
        for head, image in zip(gallery.heads, images, strict=True):
            cells.append("<td></td>" if image is None else f"<td>{_img(image, f'{head}, {name}'.strip(', '))}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f'<figure><div class="wide"><table class="pictures"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div><figcaption>{_inline(gallery.caption)}</figcaption></figure>"
    )


def _img(image: Tensor, alt: str) -> str:
    small = image.shape[-1] < 64
    kind, options = ("png", {}) if small else ("webp", {"quality": 90})
    data = io.BytesIO()
    to_pil(image).save(data, kind, **options)
    shown = ' class="pixels"' if small else ""
    source = f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"
    return f'<img{shown} src="{source}" alt="{html.escape(alt)}">'


def _markdown(block: Block, folder: Path) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}"
        case Paragraph(text):
            return text
        case Points(items):
            return "\n".join(f"- {item}" for item in items)
        case Plot(svg, caption, file):
            write_text(folder / "pictures" / f"{file}.svg", svg)
            return f"![{caption}](pictures/{file}.svg)\n\n{caption}"
        case Gallery():
            write_bytes(folder / "pictures" / f"{block.file}.png", _sheet(block))
            columns = ", ".join(head for head in block.heads)
            return f"![{block.caption}](pictures/{block.file}.png)\n\nColumns: {columns}. {block.caption}"
        case Table():
            return _markdown_table(block)


def _markdown_table(table: Table) -> str:
    def shown(cell: str | Cell) -> str:
        one = cell if isinstance(cell, Cell) else Cell(cell)
        text = f"**{one.text}**" if one.best else one.text
        return (f"{text} ({one.small})" if one.small else text).replace("|", "\\|")

    aligned = [":--", *[":--" if table.words else "--:"] * (len(table.heads) - 1)]
    lines = [f"### {table.folded}", ""] if table.folded else []
    lines += ["| " + " | ".join(table.heads) + " |", "|" + "|".join(aligned) + "|"]
    lines += ["| " + " | ".join(map(shown, row)) + " |" for row in table.rows]
    return "\n".join(lines + (["", table.caption] if table.caption else []))


def _sheet(gallery: Gallery) -> bytes:
    """The pictures of a gallery as one PNG."""
    import torch
    from torch.nn.functional import interpolate

    from stylegan.common.grid import grid

    side = max(image.shape[-1] for row in gallery.rows for image in row if image is not None)
    tiles = []
    for image in (image for row in gallery.rows for image in row):
        if image is None:
            tiles.append(torch.ones(3, side, side))
        else:
            tiles.append(interpolate(image[None], size=(side, side), mode="nearest")[0])
    data = io.BytesIO()
    sheet = grid(torch.stack(tiles), columns=len(gallery.heads), gap=4, background=1)
    to_pil(sheet).save(data, "png")
    return data.getvalue()


def counted(count: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "picture"), counted(2, "picture")
    ('1 picture', '2 pictures')
    """
    return f"{count} {noun}" + ("" if count == 1 else "s")
