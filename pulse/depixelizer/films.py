"""Films that are made of a small picture: its search, and a zoom into it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pulse.depixelizer.calls import split_arguments
from pulse.depixelizer.frames import depixelize_frames
from pulse.depixelizer.one import depixelize
from pulse.depixelizer.tricks import read_whole, window
from pulse.films.answers import SIDE, Film, SearchRecord, beside, check_side, reduced, text_of
from pulse.finishes import SHARED, choose_finish, given_drawn
from pulse.options import given_options
from pulse.pictures import Source, read_picture, to_pil
from pulse.state import Callback

# Where a zoom ends, as shares of the picture's width and height: at the eyes of most sprites.
_CENTRE = (0.5, 0.45)
# Frames from one answer to the next, and frames a second.
_BETWEEN, _FPS = 6, 12.0
_STILL, _LAST = 0.6, 1.4
_MOST_FACES, _MOST_TIMES = 100, 8.0


def film_of_search(picture: Source, *, side: int = SIDE, callback: Callback | None = None, **how: Any) -> Film:
    """Finds a face, as `pulse.depixelize` does, and films the search: the best face so far beside the small picture.

        pulse.film_of_search("knight.png", seed=1).save("search.webp")

    `SearchRecord` films a search whose result is wanted as well.

    Args:
        picture, callback, how: as of `pulse.depixelize`.
        side: of both pictures, in pixels.

    Raises:
        ValueError: in one sentence, for a picture or an option that cannot be used.
    """
    record = SearchRecord(callback, side)
    return record.film(depixelize(picture, callback=record, **how))


def film_of_zoom(
    picture: Source,
    *,
    times: float = 2.0,
    faces: int = 9,
    side: int = SIDE,
    notes: list[str] | None = None,
    callback: Callback | None = None,
    **how: Any,
) -> Film:
    """Films a zoom into a picture while it is answered: what is seen of it, and beside it the face of that.

    Faces are found for the whole picture and for what is left of it at even steps of the zoom. As in
    `pulse.depixelize_frames` each one begins at the one before. Between them the film blends.

        pulse.film_of_zoom("goblin.png", seed=1).save("zoom.webp")

    Args:
        picture, notes, callback, how: as of `pulse.depixelize`; returning True from the callback ends the zoom there.
        times: how much larger the picture becomes, more than 1 and up to 8.
        faces: how many are found, 2 to 100.
        side: of both pictures, in pixels; drawn answers are drawn no larger.

    Raises:
        ValueError: in one sentence, for a picture or an option that cannot be used.
    """
    if isinstance(faces, bool) or not isinstance(faces, int) or not 2 <= faces <= _MOST_FACES:
        raise ValueError(f"The number of faces is {faces!r}; give a whole number from 2 to {_MOST_FACES}.")
    if isinstance(times, bool) or not 1 < times <= _MOST_TIMES:
        raise ValueError(f"The picture is to become {times!r} times as large; give more than 1, up to {_MOST_TIMES:g}.")
    check_side(side)
    reading, answering = split_arguments(how)
    size = int(reading.pop("size", 16))
    whole = read_whole(picture, **{"notes": notes, **reading})
    small = min(size, whole.shape[-1])
    windows = [to_pil(window(whole, _box(times, i / (faces - 1)), small)[0]) for i in range(faces)]
    found = depixelize_frames(
        windows, grid="off", size=small, notes=[], callback=callback, **_no_larger(answering, side, small)
    )
    count = found.order.index(max(found.order)) + 1 if found.interrupted else faces
    shown = [reduced(found[i], side) for i in range(count)]
    frames = _BETWEEN * (count - 1) + 1
    large = to_pil(whole[0])

    def draw() -> Iterator[Tensor]:
        for number in range(frames):
            i, part = divmod(number, _BETWEEN)
            face = shown[i] if part == 0 else torch.lerp(shown[i], shown[i + 1], part / _BETWEEN)
            yield beside(_seen(large, _box(times, number / (_BETWEEN * (faces - 1))), side), face)

    told = text_of(found.answers[0], "{}")
    told["again"] = re.sub(r"pulse\.(draw|depixelize)\(", "pulse.film_of_zoom(", told["again"], count=1)
    return Film(draw, [_STILL, *[1 / _FPS] * (frames - 2), _LAST][-frames:], told, found.interrupted)


def _box(times: float, share: float) -> tuple[float, float, float, float]:
    """What is seen after a share of the zoom: left, top, right and bottom, where 0 and 1 are the picture's borders."""
    side = times**-share
    left, top = ((1 - side) * place for place in _CENTRE)
    return left, top, left + side, top + side


def _seen(whole: Image.Image, box: tuple[float, float, float, float], side: int) -> Tensor:
    """That part of a picture, (3, side, side), its pixels repeated where they are few."""
    left, top, right, bottom = (place * whole.width for place in box)
    kernel = Image.Resampling.NEAREST if right - left < side else Image.Resampling.BICUBIC
    return read_picture(whole.resize((side, side), kernel, box=(left, top, right, bottom)))[0]


def _no_larger(answering: dict[str, Any], side: int, least: int) -> dict[str, Any]:
    """The same arguments; drawn answers get a resolution of `side` at most."""
    drawn = given_drawn(*(answering.get(name) for name in ("kind", "resolution", "fidelity")))
    named = {name: x for name, x in answering.items() if name not in (*drawn, "generator", "finish", "options")}
    network = given_options(answering.get("options"), named) - set(SHARED)
    who = choose_finish(
        answering.get("finish"), answering.get("generator", "default"), for_network=network, for_drawn=drawn
    )
    if who == "network":
        return answering
    return {**answering, "resolution": max(least, min(drawn.get("resolution", side), side))}
