"""What an atlas can show: pictures of a generator, of a folder, or those that a training drew one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pulse.atlas.site import SIDE, Pictures
from pulse.emoji.dataset import read_table
from pulse.emoji.film import reel_of
from pulse.emoji.moods import RealEmoji, mood
from stylegan.common.pixels import to_bytes
from stylegan.training import dataset as datasets
from stylegan.training.dcgan_run import steps_of_epoch
from stylegan.training.options import PictureOptions

_AT_ONCE = 64


def pictures_of(
    source: str,
    count: int | None,
    data: Path | None = None,
    on_picture: Callable[[int], object] = lambda count: None,
    note: Callable[[str], object] = lambda text: None,
) -> Pictures:
    """The pictures of a source, each 64x64 pixels.

    Args:
        source: the folder of a run of `pulse aimoji train`, which shows its fresh pictures in order of time; another
            folder or a zip of pictures, of which all are shown; or a generator's name or path.
        count: how many; None for all of a folder and 10,000 of the others. Of a run they are spread over its length.
        data: a folder of `pulse aimoji dataset`, whose most alike emoji gives a picture its name and mood.
        on_picture: called with 1 after each generated picture.
        note: called with a sentence for each picture that cannot be read.

    Raises:
        ValueError: in one sentence, if there is nothing to show.
    """
    path = Path(source)
    if (path / "film" / "fresh.u8").is_file():
        shown = _of_run(path, 10_000 if count is None else count)
    elif (path.is_dir() and not (path / "generator.safetensors").exists()) or path.suffix == ".zip":
        return _of_folder(path, count, note)
    else:
        shown = _of_generator(source, 10_000 if count is None else count, on_picture)
    if data is None:
        return shown
    real = RealEmoji(data)
    parts = np.array_split(shown.pictures, max(1, len(shown.pictures) // 1000))
    looks = [look for part in parts for look in real.looks(torch.from_numpy(part).float() / 255)]
    names = [str(look.nearest[0].get("name", "")) for look in looks]
    return Pictures(shown.pictures, shown.title, names, [look.mood for look in looks], shown.epochs)


def _of_run(run: Path, count: int) -> Pictures:
    reel = reel_of(run, "fresh")
    each = reel.shape[0]
    rows = list(reel.rows())
    skipped = len(reel) - len(rows)
    flat = torch.cat(rows)
    kept = torch.arange(len(flat)) if len(flat) <= count else torch.linspace(0, len(flat) - 1, count).round().long()
    steps = skipped + kept // each
    number = steps // steps_of_epoch(run)
    begins = [0, *(i for i in range(1, len(number)) if number[i] != number[i - 1])]
    return Pictures(_sized(flat[kept]), f"{run.resolve().name}, picture by picture", epochs=begins)


def _of_folder(folder: Path, count: int | None, note: Callable[[str], object]) -> Pictures:
    with TemporaryDirectory() as place:
        table = datasets.read(folder, Path(place), SIDE, options=PictureOptions(background="white"))
        for sentence in table.skipped:
            note(sentence)
        files = datasets.files_of(Path(place))
        entries = {str(entry.get("file")): entry for entry in read_table(folder)}
        # Emoji in the order of keyboards, as in their table.
        ranks = {file: rank for rank, file in enumerate(entries)}
        order = sorted(range(len(files)), key=lambda i: ranks.get(files[i], len(ranks) + i))[:count]
        files, pictures = [files[i] for i in order], table.pictures[order]
        del table
    names = [str(entries[file].get("name", file)) if file in entries else Path(file).stem for file in files]
    moods = [mood([entries[file]]) if file in entries else "neutral" for file in files] if entries else []
    return Pictures(pictures, folder.resolve().name, names, moods)


def _of_generator(source: str, count: int, on_picture: Callable[[int], object]) -> Pictures:
    import stylegan
    from pulse.generators import load_generator

    G = load_generator(source)
    table = np.empty((count, 3, SIDE, SIDE), np.uint8)
    for first in range(0, count, _AT_ONCE):
        some = stylegan.sample(G, range(first, min(first + _AT_ONCE, count)))
        table[first : first + len(some)] = _sized(to_bytes(some))
        on_picture(len(some))
    return Pictures(table, G.name or "generator")


def _sized(pictures: Tensor) -> np.ndarray:
    if pictures.shape[-1] == SIDE:
        return pictures.numpy()
    enlarges = pictures.shape[-1] < SIDE
    mode = "nearest" if enlarges else "area"
    return to_bytes(F.interpolate(pictures.float() / 255, (SIDE, SIDE), mode=mode)).numpy()
