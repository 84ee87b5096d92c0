"""Films of answers: how they were found, how pixels become a face, and how a head turns."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pulse.films.walks import morph
from pulse.fit_portrait import NAMES, drawn, to_unit
from pulse.operators import downsample
from pulse.pictures.film import FPS, write_film
from pulse.pictures.write import story
from pulse.result import Result
from pulse.state import Callback, SearchState
from stylegan.portraits.units import UNITS

if TYPE_CHECKING:
    from pulse.feedforward.upscale import Upscaled

SIDE = 256
_SMALLEST, _LARGEST = 16, 1024
# Seconds for which the first and the last frame stand still, and in which the pixels become the face.
_STILL, _LAST, _MORPH = 0.6, 1.4, 2.0
# Between samples, and of heads that turn, fewer frames a second: each has to be drawn.
_SLOW = 12.0
# Seconds that a search takes in its film, and the most frames of it that are kept.
_SEARCH, _MOST = 4.0, 96
# How far a head turns to each side, in degrees, and how often it is drawn on the way from one side to the other.
_TURN, _TURNS = 22.0, 15


@dataclass(frozen=True, eq=False)
class Film:
    """Frames, which are drawn as they are asked for.

    A loop over it gives them: (3, H, W) in [0, 1]. Its length is their number.

    Attributes:
        draw: gives the frames from the first one on.
        seconds: how long each is shown.
        text: what the file says of itself, beside the word synthetic.
        interrupted: whether Ctrl-C or a callback ended what it is made of.
    """

    draw: Callable[[], Iterable[Tensor]]
    seconds: Sequence[float]
    text: Mapping[str, str] = field(default_factory=dict)
    interrupted: bool = False

    def __len__(self) -> int:
        return len(self.seconds)

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.draw())

    def __repr__(self) -> str:
        return f"Film({len(self)} frames, {sum(self.seconds):.2g} s)"

    def save(self, path: str | os.PathLike[str], *, fps: float = FPS, text: Mapping[str, str] | None = None) -> None:
        """Writes the film, whole or not at all; see `pulse.pictures.write_film`.

        Args:
            path: the file to make or replace, ending in .mp4, .gif, .webp or .png.
            fps: of an MP4, frames a second at least.
            text: more for the film's own text.
        """
        write_film(path, self, fps=fps, seconds=self.seconds, text={**self.text, **(text or {})})


class SearchRecord:
    """A callback that keeps what a search looks like on its way.

        record = pulse.SearchRecord()
        result = pulse.depixelize("knight.png", seed=1, callback=record)
        record.film(result).save("search.webp")

    Of several searches that one call makes, such as those of `pulse.samples`, it keeps the first.

    Args:
        callback: called as well, and may end the search.
        side: of the film's pictures, in pixels.
    """

    def __init__(self, callback: Callback | None = None, side: int = SIDE) -> None:
        check_side(side)
        self.callback, self.side = callback, side
        self._seen: list[tuple[Tensor, Tensor]] = []
        self._error, self._every, self._count = float("inf"), 1, 0

    def __call__(self, step: int, state: SearchState) -> object:
        best = state.best
        row = int(best.l2.nan_to_num(float("inf")).argmin())
        error = float(best.l2[row])
        # Another batch begins far from what an earlier one has found.
        if state.search == 0 and error < self._error:
            self._error = error
            if self._count % self._every == 0:
                image = reduced(best.images[row].detach().cpu(), self.side)
                self._seen.append((best.latents[row].detach().cpu().clone(), image.mul(255).round().byte()))
            self._count += 1
            if len(self._seen) > 2 * _MOST:
                self._seen, self._every = self._seen[::2], 2 * self._every
        return None if self.callback is None else self.callback(step, state)

    def film(self, result: Result) -> Film:
        """The film of the search: the small picture, and beside it the best face so far.

        Args:
            result: of the search; the film ends with its first image.

        Raises:
            ValueError: the search has told nothing.
        """
        if not self._seen:
            raise ValueError("The record has seen no search; give it to one as its callback.")
        one, every = result[0], -(-len(self._seen) // _MOST)
        seen = self._seen[::every]

        def draw() -> Iterator[Tensor]:
            left = enlarged(one.target[0], self.side)
            for number, (latents, image) in enumerate(seen):
                if one.made_by != "drawn":
                    shown = image.float() / 255
                elif number == 0 or not torch.equal(latents, seen[number - 1][0]):
                    # Previews of drawn answers are too small.
                    shown = drawn(to_unit(latents), self.side)[0]
                yield beside(left, shown)
            yield beside(left, reduced(one.images[0], self.side))

        told = text_of(one, "{}")
        told["again"] = re.sub(r"pulse\.(draw|depixelize)\(", "pulse.film_of_search(", told["again"], count=1)
        return Film(draw, [_SEARCH / max(len(seen), 10)] * len(seen) + [_LAST], told, one.interrupted)


def film_of_morph(
    source: Result | Upscaled | Sequence[Result | Upscaled], *, side: int = SIDE, generator: Any = None
) -> Film:
    """Films how the pixels of a small picture become smaller and smaller until they are the face.

    With several faces the film goes on from one to the next, as `pulse.morph` does.

        pulse.film_of_morph(pulse.samples("knight.png", 4, seed=1)).save("morph.webp")

    Args:
        source: an answer, or several for one small picture.
        side: of the film, in pixels.
        generator: which draws the results of a network's search; by default the one that they name.

    Raises:
        ValueError: in one sentence, for answers that cannot be joined.
    """
    check_side(side)
    whole = [source] if hasattr(source, "images") else source
    answers: list[Result | Upscaled] = [one for each in whole for one in each]
    if not answers:
        raise ValueError("A morph needs an answer; give one.")
    results = [one for one in answers if isinstance(one, Result)]
    if len(answers) > 1 and len(results) < len(answers):
        raise ValueError("Between faces of a feed-forward network there is nothing; give one of them.")
    first, start, more = answers[0], round(_MORPH * FPS), round(_SLOW) * (len(answers) - 1)
    seconds = [_STILL, *[1 / FPS] * (start - 2), _LAST, *[1 / _SLOW] * more]
    seconds[-1] = _LAST

    def draw() -> Iterator[Tensor]:
        yield from _sharpened(first.target[0], first.images[0], side, start)
        if more:
            resolution = side if results[0].made_by == "drawn" else None
            frames = morph(results, frames=more + 1, generator=generator, resolution=resolution)
            # The first one is there already.
            next(frames)
            yield from (reduced(frame, side) for frame in frames)

    return Film(draw, seconds, text_of(first, "pulse.film_of_morph({})", answers[-1] if more else None))


def film_of_turn(result: Result, *, side: int = SIDE) -> Film:
    """Films the head of a drawn answer turning from side to side. The film repeats without a jump.

        pulse.film_of_turn(pulse.depixelize("knight.png", seed=1)).save("turn.webp")

    Args:
        result: a drawn answer; the film shows its first image.
        side: of the film, in pixels.

    Raises:
        ValueError: the answer is a network's, which cannot be turned.
    """
    check_side(side)
    if getattr(result, "made_by", "network") != "drawn":
        raise ValueError("A network's face cannot be turned; only drawn answers can.")
    one = result[0]
    angles = [_TURN * math.sin(math.pi * (i / (_TURNS - 1) - 0.5)) for i in range(_TURNS)]
    own = float(to_unit(one.latents[0])[0, NAMES.index("yaw")])
    first = min(range(_TURNS), key=lambda i: abs(UNITS["yaw"].coordinate(angles[i]) - own))
    there_and_back = [*range(_TURNS), *range(_TURNS - 2, 0, -1)]
    order = there_and_back[first:] + there_and_back[:first]

    def draw() -> Iterator[Tensor]:
        turned: dict[int, Tensor] = {}
        for i in order:
            if i not in turned:
                turned[i] = one.redraw(resolution=side, yaw=angles[i]).images[0]
            yield turned[i]

    return Film(draw, [1 / _SLOW] * len(order), text_of(one, "pulse.film_of_turn({})"))


def _sharpened(target: Tensor, face: Tensor, side: int, frames: int) -> Iterator[Tensor]:
    """From a small picture (3, s, s) to its face (3, H, W), by pixels that are half as large at each stage."""
    last = reduced(face, side)
    sizes = [target.shape[-1] * 2**i for i in range(1, 12) if target.shape[-1] * 2**i < side]
    stages = [enlarged(target, side), *(enlarged(reduced(face, size), side) for size in sizes), last]
    for number in range(frames):
        place = (len(stages) - 1) * number / max(frames - 1, 1)
        i = min(int(place), len(stages) - 2)
        share = place - i
        yield torch.lerp(stages[i], stages[i + 1], share * share * (3 - 2 * share))


def reduced(image: Tensor, side: int) -> Tensor:
    """(3, h, w) as (3, side, side); a smaller picture is enlarged softly."""
    if image.shape[-1] > side:
        return downsample(image[None], size=side, kernel="area")[0].clamp(0, 1)
    if image.shape[-1] == side:
        return image
    return interpolate(image[None], size=(side, side), mode="bicubic").clamp(0, 1)[0]


def enlarged(image: Tensor, side: int) -> Tensor:
    """(3, h, w) as (3, side, side), its pixels repeated; a larger one is reduced."""
    return interpolate(image[None], size=(side, side))[0] if image.shape[-1] < side else reduced(image, side)


def beside(left: Tensor, right: Tensor) -> Tensor:
    return torch.cat([left, right], 2)


def text_of(one: Result | Upscaled, call: str, last: Result | Upscaled | None = None) -> dict[str, str]:
    """What a film of an answer says; `call` with {} makes the film of the Python call that makes the answer.

    `last` is the last of several that one call makes.
    """
    if not isinstance(one, Result):
        return {"Description": "Synthetic face: a network invented what a small picture does not show."}
    told = story(one, 0, _generator(one))
    again = told["again"]
    if isinstance(last, Result):
        again = re.sub(r"\[\d+\]$", "", story(last, 0, _generator(last))["again"])
    return {**told, "again": call.format(again)}


def _generator(one: Result) -> str:
    return str(one.settings.get("generator", "default"))


def check_side(side: int) -> None:
    if isinstance(side, bool) or not isinstance(side, int) or not _SMALLEST <= side <= _LARGEST:
        raise ValueError(f"The side of the film is {side!r}; give {_SMALLEST} to {_LARGEST} pixels.")
