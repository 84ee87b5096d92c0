"""Tricks with small pictures, named after what Jonathan Fly did with his: soften, iterate, explore."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pulse.depixelizer.calls import split_arguments, told
from pulse.depixelizer.cut import crop_picture
from pulse.depixelizer.one import depixelize
from pulse.engine import search
from pulse.feedforward.upscale import Upscaled, upscale, upscale_small
from pulse.operators import KERNELS, downsample
from pulse.options import SearchOptions
from pulse.pictures import Source, read_picture, read_target, to_pil
from pulse.pictures.notices import cut_margins
from pulse.result import Result
from pulse.state import Callback

__all__ = ["ENGINES", "Variant", "explore", "iterate", "read_whole", "soften", "soften_pillow", "window"]

ENGINES = ("search", "feedforward")
# A picture is softened at so many pixels of its longer side.
_SOFT = 128
# Pictures are moved and scaled at no more pixels a side than this.
_WHOLE = 1024
# Repeated beyond each border, as a share of the side, so that a moved window always shows something.
_BEYOND = 0.5
# The side to which a small picture is resampled, as a share of its own.
_FEWER = 0.75
_MOST = 100


def soften(
    picture: Source,
    *,
    crop: str | Sequence[int] | None = None,
    head: bool = False,
    grid: str | int = "auto",
    notes: list[str] | None = None,
) -> Image.Image:
    """The picture with soft edges: enlarged to 128 px with a bicubic kernel, so that its steps become slopes.

    Made small again, it is the sprite without its hard pixels, which no face has.

        soft = pulse.soften("knight.png")
        pulse.depixelize(soft, grid="off").to_pil().save("face.png")

    Args:
        picture, crop, head, grid, notes: as for `pulse.depixelize`.

    Returns:
        "RGB" or "RGBA", 128 px along its longer side; of a larger picture, as it was read.

    Raises:
        ValueError: in one sentence, for a picture that cannot be used.
    """
    return soften_pillow(cut_margins(crop_picture(picture, crop, head, grid=grid, notes=notes))[0])


def soften_pillow(image: Image.Image) -> Image.Image:
    """The same of a Pillow picture "RGB" or "RGBA" at its native size."""
    scale = _SOFT / max(image.size)
    if scale <= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    if image.mode != "RGBA":
        return image.resize(size, Image.Resampling.BICUBIC)
    # With colours in the share of their opacity, so that those of transparent pixels do not bleed.
    return image.convert("RGBa").resize(size, Image.Resampling.BICUBIC).convert("RGBA")


def iterate(
    picture: Source,
    times: int = 10,
    *,
    engines: str | Sequence[str] = "search",
    network: Any = "default",
    callback: Callback | None = None,
    **how: Any,
) -> list[Result | Upscaled]:
    """Answers a picture, makes the answer small, answers that, and so on.

    What the first answer could not draw is lost, and each stage is nearer to what its engine likes to draw.

        for number, stage in enumerate(pulse.iterate("goblin.png", 5, seed=1)):
            stage.to_pil().save(f"stage-{number + 1}.png")
        pulse.iterate("goblin.png", engines=["search", "feedforward"])  # in turn

    Args:
        picture: as for `pulse.depixelize`.
        times: how many stages, 1 to 100.
        engines: "search" or "feedforward" (`pulse.upscale`), or several of them, which take turns.
        network: of `pulse.upscale`.
        callback: as for `pulse.search`; batch k is stage k of `times`, of the stages that are searched. Returning
            True ends with the stages so far.
        how: further arguments of `pulse.depixelize`. Stage k has the seed `seed + k`.

    Returns:
        One answer for each stage; fewer where the callback or Ctrl-C ended it. `target` is what each one began with.
        `settings["iterate"]` of those that were searched has what finds stage k again.

    Raises:
        ValueError: in one sentence, for a picture or an option that cannot be used.
    """
    turns = [engines] if isinstance(engines, str) else list(engines)
    if not turns or not set(turns) <= set(ENGINES):
        raise ValueError(f"The engines are {engines!r}; give {' or '.join(ENGINES)}, or several of them.")
    if isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= _MOST:
        raise ValueError(f"The number of stages is {times!r}; give a whole number from 1 to {_MOST}.")
    reading, answering = split_arguments(how)
    stages: list[Result | Upscaled] = []
    options = answering.get("options")
    seed = answering.get("seed", None if options is None else options.seed)
    # Known from the start, so that stages of two engines can be found again.
    seed = secrets.randbits(32) if seed is None else seed
    size = int(reading.get("size", 16))
    for number in range(times):
        watch = told(callback, number, times - 1 - number)
        one: Result | Upscaled
        if turns[number % len(turns)] == "feedforward":
            if number == 0:
                one = _upscaled(picture, network, reading)
            else:
                one = upscale_small(downsample(stages[-1].images, size=16).clamp(0, 1), network)
        elif number == 0:
            one = depixelize(picture, callback=watch, **{**how, "seed": seed})
        else:
            target = downsample(stages[-1].images, size=size).clamp(0, 1)
            more = dict(answering, seed=seed + number, callback=watch)
            one = search(more.pop("generator", "default"), target, **more)
        if isinstance(one, Result):
            size = int(one.target.shape[-1])
            one.settings["iterate"] = {"stage": number, "seed": seed, "engines": turns}
        stages.append(one)
        if (watch is not None and watch.ended) or (isinstance(one, Result) and one.interrupted):
            break
    return stages


def _upscaled(picture: Source, network: Any, reading: dict[str, Any]) -> Upscaled:
    """The feed-forward network's answer to a picture that is read as for `pulse.depixelize`."""
    crop, head, grid = reading.get("crop"), reading.get("head", False), reading.get("grid", "auto")
    if crop is not None or head:
        picture, grid = crop_picture(picture, crop, head, grid=grid, notes=reading.get("notes")), "off"
    more = {name: reading[name] for name in ("framing", "background", "notes") if name in reading}
    return upscale(picture, network=network, grid=grid, **more)


@dataclass(frozen=True)
class Variant:
    """A picture moved, scaled or resampled, and its answer.

    Attributes:
        name: what was done, in a few words.
        answer: of one image; `target` is the changed picture.
    """

    name: str
    answer: Result


def explore(picture: Source, *, callback: Callback | None = None, **how: Any) -> list[Variant]:
    """Answers a picture as it is, and misaligned in many ways: moved, scaled, and made small by other kernels.

    Which pixel falls where is an accident of the sprite. The sheet of the variants (`pulse.pictures.gallery`) shows how
    much of the answer hangs on it, and which of the faces is the one to keep.

        for variant in pulse.explore("goblin.png", seed=1):
            print(variant.name, float(variant.answer.l2))

    Args:
        picture, how: as for `pulse.depixelize`.
        callback: as for `pulse.search`. Returning True ends with the best so far.

    Returns:
        The picture as it is, moved by one pixel left, right, up and down, and by half a pixel; at 80, 90, 110 and
        125 %; and made small by each kernel: from a larger picture to `size`, a sprite to three quarters of its size.

    Raises:
        ValueError: in one sentence, for a picture or an option that cannot be used.
    """
    reading, answering = split_arguments(how)
    size, kernel = int(reading.pop("size", 16)), answering.get("kernel", SearchOptions.kernel)
    whole = read_whole(picture, **reading)
    side = min(size, whole.shape[-1])
    targets: dict[str, Tensor] = {"as it is": _small(whole, side, kernel)}
    step = 1 / side
    for name, x, y in (
        ("1 px to the left", step, 0.0),
        ("1 px to the right", -step, 0.0),
        ("1 px up", 0.0, step),
        ("1 px down", 0.0, -step),
        ("half a pixel to the left and up", step / 2, step / 2),
    ):
        targets[name] = window(whole, (x, y, 1 + x, 1 + y), side)
    for percent in (80, 90, 110, 125):
        half = 50 / percent
        targets[f"{percent} %"] = window(whole, (0.5 - half, 0.5 - half, 0.5 + half, 0.5 + half), side)
    fewer = size if whole.shape[-1] > size else max(round(_FEWER * side), 8)
    for each in KERNELS:
        targets[f"{fewer} px, {each}"] = _small(whole, fewer, each)
    return _answered(targets, answering, callback)


def _answered(targets: dict[str, Tensor], answering: dict[str, Any], callback: Callback | None) -> list[Variant]:
    """The answers of all targets, those of one size in one search. All have the same seed."""
    generator = answering.pop("generator", "default")
    seed = answering.pop("seed", None)
    sizes = sorted({int(target.shape[-1]) for target in targets.values()}, reverse=True)
    found: dict[str, Result] = {}
    for number, side in enumerate(sizes):
        names = [name for name, target in targets.items() if target.shape[-1] == side]
        watch = told(callback, number, len(sizes) - 1 - number)
        target = torch.cat([targets[name] for name in names])
        results = search(generator, target, seed=seed, callback=watch, **answering)
        seed = results.seed if seed is None else seed
        found |= dict(zip(names, results, strict=True))
        if results.interrupted or (watch is not None and watch.ended):
            break
    variants = [Variant(name, found[name]) for name in targets if name in found]
    for number, variant in enumerate(variants):
        variant.answer.settings["explore"] = {"number": number, "seed": seed}
    return variants


def read_whole(picture: Source, **reading: Any) -> Tensor:
    """A picture as a square at its native size, of 1024 px at most, (1, 3, s, s) in [0, 1].

    Args:
        picture: as for `pulse.depixelize`.
        reading: `framing`, `background`, `grid`, `crop`, `head` and `notes`, as of `pulse.depixelize`.
    """
    crop, head, notes = reading.pop("crop", None), reading.pop("head", False), reading.get("notes")
    if crop is not None or head:
        picture = crop_picture(picture, crop, head, grid=reading.get("grid", "auto"), notes=notes)
        reading["grid"] = "off"
    return read_target(picture, _WHOLE, _WHOLE, **reading)


def _small(whole: Tensor, side: int, kernel: str) -> Tensor:
    return whole if whole.shape[-1] <= side else downsample(whole, size=side, kernel=kernel).clamp(0, 1)


def window(whole: Tensor, box: tuple[float, float, float, float], side: int) -> Tensor:
    """What a window shows of a square picture, (1, 3, side, side) in [0, 1], resampled with a bicubic kernel.

    Args:
        whole: (1, 3, s, s) in [0, 1], at 8 bits a channel.
        box: left, top, right and bottom, where 0 and 1 are the picture's borders. Beyond them, up to half of its side,
            its outermost pixels continue.
        side: of the result, in pixels.
    """
    s = whole.shape[-1]
    beyond = math.ceil(_BEYOND * s)
    padded = torch.nn.functional.pad(whole, (beyond,) * 4, mode="replicate")
    place = tuple(x * s + beyond for x in box)
    seen = to_pil(padded[0]).resize((side, side), Image.Resampling.BICUBIC, box=place)  # type: ignore[arg-type]
    return read_picture(seen)
