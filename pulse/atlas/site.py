"""Writing an atlas: its page, its tiles, and its pictures one by one."""

from __future__ import annotations

import base64
import html
import io
import json
import math
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import numpy as np
import torch
from PIL import Image

from pulse.atlas.likeness import arrange, descriptions
from pulse.atlas.tiles import TILE, levels, write_tiles
from pulse.emoji.moods import MOODS
from pulse.pictures.write import check_folder
from stylegan.common import ending
from stylegan.common.console import printable
from stylegan.common.distribution import software
from stylegan.common.ownership import check_replaceable

MARK = "atlas.json"
SIDE = 64
# As in the work: a hundred pictures a row for ten thousand.
_CHUNK = 100
_PAGE = Path(__file__).with_name("page")
_WRITTEN = ("index.html", "atlas.js", "data.js", "openseadragon.min.js", "openseadragon.LICENSE", "tiles", "pictures")


@dataclass(frozen=True)
class Pictures:
    """What an atlas shows, in their order: of time for a training, of keyboards for emoji, of names for a folder.

    Attributes:
        pictures: (N, 3, 64, 64) of uint8.
        title: of the page.
        names: of each picture; none where they have no names.
        moods: of each picture, one of `pulse.emoji.moods.MOODS`; none where they are not known.
        epochs: the first picture of each epoch of a training; none for pictures of one time.
    """

    pictures: np.ndarray
    title: str
    names: Sequence[str] = ()
    moods: Sequence[str] = ()
    epochs: Sequence[int] = field(default_factory=list)


def check_site(folder: Path, *, overwrite: bool = False) -> None:
    """Raises ValueError, in one sentence, if no atlas may be written to a folder.

    It may be new, empty, or hold an atlas that is to be replaced.
    """
    check_folder(folder)
    check_replaceable(folder / MARK, overwrite=overwrite)
    if folder.is_dir() and not (folder / MARK).exists() and any(folder.iterdir()):
        raise ValueError(f"{printable(folder)} holds other files; give an empty folder, or a new one, for the atlas.")


def write_atlas(
    folder: Path,
    shown: Pictures,
    *,
    overwrite: bool = False,
    seed: int = 0,
    on_step: Callable[[int], object] = lambda count: None,
) -> None:
    """Writes an atlas, whole or not at all: FOLDER/index.html and what it needs.

    Args:
        folder: see `check_site`.
        shown: at least one picture; every one has its place.
        overwrite: replace an atlas.
        seed: of the layout by likeness.
        on_step: called with 1 for each tile, and for each hundred pictures, that is written.

    Raises:
        ValueError: in one sentence, if the folder holds something else, or there are no pictures.
        OSError: when a file cannot be written; the folder is as it was.
    """
    check_site(folder, overwrite=overwrite)
    if len(shown.pictures) == 0:
        raise ValueError("An atlas needs pictures, and there are none; give another source.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.parent / f".{token_hex(8)}.part"
    with ending.unfinished(part):
        try:
            part.mkdir()
            _write(part, shown, seed, on_step)
            _move(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _write(part: Path, shown: Pictures, seed: int, on_step: Callable[[int], object]) -> None:
    count = len(shown.pictures)
    columns = max(1, round(math.sqrt(count)))
    seen = torch.cat([descriptions(torch.from_numpy(np.array(some))) for some in _split(shown.pictures, 1024)])
    alike = arrange(seen, columns, torch.Generator().manual_seed(seed)).numpy()
    for name, order in (("order", np.arange(count)), ("likeness", alike)):
        write_tiles(part / "tiles" / name, shown.pictures, order, columns, on_step)
    _write_pictures(part / "pictures", shown.pictures, on_step)
    for path in _PAGE.iterdir():
        shutil.copyfile(path, part / path.name)
    page = (part / "index.html").read_text(encoding="utf-8")
    page = page.replace("<title>Atlas</title>", f"<title>{html.escape(shown.title)}</title>")
    (part / "index.html").write_text(page, encoding="utf-8")
    (part / "data.js").write_text(f"const ATLAS = {_data(shown, alike, columns)};\n", encoding="utf-8")
    (part / MARK).write_text(json.dumps({"software": software(), "request": "", "count": count}))


def tiles_of(count: int) -> int:
    """How many times `write_atlas` calls `on_step` for so many pictures."""
    columns = max(1, round(math.sqrt(count)))
    sides = (columns, math.ceil(count / columns))
    return 2 * math.prod(math.ceil(side * SIDE / TILE) for side in sides) + math.ceil(count / _CHUNK)


def _data(shown: Pictures, alike: np.ndarray, columns: int) -> str:
    count = len(shown.pictures)
    rows = -(-count // columns)
    lowest, highest = levels(columns * SIDE, rows * SIDE)
    told = {
        "title": shown.title,
        "count": count,
        "columns": columns,
        "rows": rows,
        "side": SIDE,
        "tile": TILE,
        "minLevel": lowest,
        "maxLevel": highest,
        "chunk": _CHUNK,
        # Null for the order of the pictures themselves.
        "layouts": {"order": None, "likeness": alike.tolist()},
        "names": list(shown.names) or None,
        "moodNames": MOODS,
        "moods": [MOODS.index(mood) for mood in shown.moods] or None,
        "epochs": list(shown.epochs),
    }
    # A name may hold what ends a script.
    return json.dumps(told).replace("</", "<\\/")


def _write_pictures(folder: Path, pictures: np.ndarray, on_step: Callable[[int], object]) -> None:
    """Each picture as a PNG, a hundred in a script: a page that was opened from disk may not save other files."""
    folder.mkdir()
    for number, some in enumerate(_split(pictures, _CHUNK)):
        encoded = []
        for picture in some:
            buffer = io.BytesIO()
            Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0))).save(buffer, "PNG")
            encoded.append("data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode())
        (folder / f"{number}.js").write_text(f"atlasPictures({number}, {json.dumps(encoded)});\n")
        on_step(1)


def _split(pictures: np.ndarray, size: int) -> list[np.ndarray]:
    return [pictures[first : first + size] for first in range(0, len(pictures), size)]


def _move(part: Path, folder: Path) -> None:
    """Makes `part` the folder, or what it holds that of the folder."""
    if not folder.exists():
        os.replace(part, folder)
        return
    # The mark first: with it, a call that was interrupted here can be repeated with `overwrite`.
    for name in (MARK, *_WRITTEN):
        old = folder / name
        if old.is_dir():
            shutil.rmtree(old)
        if (part / name).exists():
            os.replace(part / name, old)
