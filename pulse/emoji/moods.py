"""Reading emoji that a network drew: the real ones that look most alike, their names, and a mood of their keywords."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pulse.emoji.dataset import TABLE, read_table
from pulse.pictures.read import read_picture

MOODS = ("neutral", "happy", "sad", "horror")
# Words of CLDR's keywords and names that speak of a mood.
_WORDS = {
    "neutral": "neutral expressionless blank deadpan meh serious thinking unamused",
    "happy": "happy joy smile smiling grin grinning laugh laughing lol haha cheerful cheery yay celebrate celebration"
    " party partying love heart hearts kiss kissing hug fun excited merry delighted blissful congratulations awesome",
    "sad": "sad cry crying tear tears sob frown frowning disappointed unhappy sorrow sorry grief weary lonely broken"
    " hurt upset pensive regret sulk miserable gloomy worried anguished sick ill tired pleading heartbroken",
    "horror": "horror fear scared scary fearful scream screaming monster ghost skull death dead devil demon ogre"
    " goblin zombie undead vampire evil villain blood bloody creepy spooky halloween angry anger rage mad furious horns"
    " bomb coffin dagger spider bat poison alien explosion nightmare terrified",
}
# Pictures are compared at this size, blurred so that an edge a pixel off still counts.
_SIDE = 16


@dataclass(frozen=True)
class Look:
    """What one picture looks like.

    Attributes:
        nearest: entries of emoji.json, the most alike first.
        distances: root mean squared differences to them, in [0, 1].
        mood: one of `MOODS`.
    """

    nearest: tuple[dict[str, Any], ...]
    distances: tuple[float, ...]
    mood: str


class RealEmoji:
    """The emoji of a folder of `pulse aimoji dataset`, to compare others with.

    Args:
        folder: with the pictures and emoji.json.
        background: the colour behind them; as in the pictures that are compared.
        on_each: called with 1 after each picture that is read.

    Raises:
        ValueError: if the folder has no such table, or a picture that it lists cannot be read.
    """

    def __init__(
        self, folder: Path, background: str = "white", on_each: Callable[[int], object] = lambda count: None
    ) -> None:
        self.entries = [entry for entry in read_table(folder) if Path(str(entry.get("file"))).name == entry.get("file")]
        if not self.entries:
            raise ValueError(f"{folder} has no {TABLE} with emoji; give a folder of `pulse aimoji dataset`.")
        self.folder, self.background = folder, background
        seen = []
        for number in range(len(self.entries)):
            seen.append(_small(self.picture(number)))
            on_each(1)
        self._seen = torch.cat(seen)

    def picture(self, number: int) -> Tensor:
        """The picture (1, 3, H, W) of an entry, in [0, 1]."""
        return read_picture(self.folder / self.entries[number]["file"], self.background)

    def looks(self, pictures: Tensor, count: int = 3) -> list[Look]:
        """What each of pictures (N, 3, R, R) in [0, 1] looks like, by the `count` real emoji that are most alike."""
        found = []
        for part in pictures.split(256):
            apart = torch.cdist(_small(part), self._seen) / self._seen.shape[1] ** 0.5
            values, index = apart.topk(min(count, len(self.entries)), dim=1, largest=False)
            for distances, numbers in zip(values.tolist(), index.tolist(), strict=True):
                nearest = tuple(self.entries[number] for number in numbers)
                found.append(Look(nearest, tuple(distances), mood(nearest)))
        return found


def mood(entries: Sequence[dict[str, Any]]) -> str:
    """The mood that most words of the entries speak of, the first entry's words counting most.

    Each entry has one vote, which its words share; that of the second counts half, of the third a third.

    >>> mood([{"name": "loudly crying face", "keywords": ["sad", "tear"]}])
    'sad'
    """
    score = dict.fromkeys(MOODS, 0.0)
    for rank, entry in enumerate(entries):
        text = " ".join([str(entry.get("name", "")), *map(str, entry.get("keywords", ()))])
        words = {word.strip(":,") for word in text.casefold().split()}
        found = {name: len(words & set(ours.split())) for name, ours in _WORDS.items()}
        for name, number in found.items():
            score[name] += number / max(1, sum(found.values())) / (1 + rank)
    return max(MOODS, key=lambda name: score[name])


def _small(pictures: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) as (N, 3 * 16 * 16), made small and blurred."""
    side = _SIDE * max(1, pictures.shape[-1] // _SIDE)
    if pictures.shape[-1] != side or pictures.shape[-2] != side:
        pictures = F.interpolate(pictures, (side, side), mode="bilinear", align_corners=False, antialias=True)
    small = F.avg_pool2d(pictures, side // _SIDE)
    return F.avg_pool2d(F.pad(small, (1, 1, 1, 1), mode="replicate"), 3, stride=1).flatten(1)
