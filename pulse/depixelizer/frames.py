"""From an animation of small pictures to a film of large faces."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pulse import pictures, pixel_grid
from pulse.depixelizer import heads
from pulse.depixelizer.cut import cells_of, parse_crop, part_of
from pulse.depixelizer.film import FilmResult
from pulse.depixelizer.motion import Shift, shifts, steadied
from pulse.depixelizer.one import large_enough
from pulse.engine import search
from pulse.finishes import SHARED, choose_finish, given_drawn
from pulse.generators import load_generator
from pulse.options import STARTS, DrawnOptions, SearchOptions, given_options, merge_options
from pulse.pictures.fit import fit_resize
from pulse.pictures.frames import MOST_FRAMES, Frames, open_frames
from pulse.pictures.notices import narrow_box
from pulse.pictures.read import PictureError, from_rgba, parse_grid, rgba
from pulse.result import Result
from pulse.state import Callback
from stylegan.common.framing import composited, fills, square

# Targets that differ by less, in mean square, look the same: half a grey level of 255, as compression leaves.
_SAME = 4e-6
# Motion is looked for in pictures of at most this side.
_LOOK = 64
# All answers together have at most so many pixels, because all are kept.
_KEPT = 1 << 26
# The network's search of a frame after the first: its share of the steps and of the learning rate.
_STEPS, _RATE = 0.2, 0.25


def depixelize_frames(
    picture: pictures.Source | Sequence[pictures.Source] | Frames,
    *,
    generator: Any = "default",
    finish: str | None = None,
    kind: str | None = None,
    resolution: int | None = None,
    fidelity: float | None = None,
    size: int = 16,
    framing: str = "pad",
    background: pictures.Colour = pictures.BACKGROUND,
    grid: str | int = "auto",
    crop: str | Sequence[int] | None = None,
    head: bool = False,
    follow: bool = True,
    move: bool = False,
    most: int = MOST_FRAMES,
    notes: list[str] | None = None,
    callback: Callback | None = None,
    on_frame: Callable[[int, int], object] | None = None,
    options: SearchOptions | None = None,
    **overrides: Any,
) -> FilmResult:
    """Finds a large face for every frame of an animation, so that the face does not flicker.

        film = pulse.depixelize_frames("walk.gif", seed=1)
        film.save("face.webp")

    All frames have one grid, one palette and one framing. If the sprite moves as a whole, the frame follows it, so that
    the face stays where it is, as in portraits. Each answer begins at that of the nearest frame before it, and is held
    there: of all faces that fit, the nearest one. Frames that are alike share one answer. So a film takes much less
    time than its frames one by one.

    Args:
        picture: a file (GIF, WebP, animated PNG, MP4, WebM), a list of pictures of one size, or a still one.
        generator, finish, kind, resolution, fidelity, size, framing, background, grid, crop, head, options, overrides:
            as for `pulse.depixelize`. The head is found in the first frame.
        follow: False answers each frame by itself, with the same seed.
        move: True moves the face as the sprite moves.
        most: how many frames the animation may have.
        notes: a list that gets a sentence for each surprise. Without a list they become warnings.
        callback: as for `pulse.search`, for each answer; returning True ends the film.
        on_frame: called as on_frame(done, of) after each of the different answers.

    Returns:
        The frames. Ctrl-C ends the film with what was found.

    Raises:
        ValueError: in one sentence, for an animation, generator or option that cannot be used.
    """
    chosen = merge_options(options, overrides)
    for_network = given_options(options, overrides) - set(SHARED)
    for_drawn = given_drawn(kind, resolution, fidelity)
    who = choose_finish(finish, generator, for_network=for_network, for_drawn=for_drawn)
    asked = DrawnOptions(**for_drawn)
    G = load_generator(generator) if who == "network" else None
    side = asked.resolution if G is None else int(G.img_resolution)
    pictures.check_framing(side if G is not None else 1024, size, framing)
    if chosen.seed is None:
        chosen = replace(chosen, seed=secrets.randbits(32))
    frames = open_frames(picture, most=most)
    told = list(frames.notes)
    sprites = _sprites(frames.pictures, parse_grid(grid), crop, head, told)
    squares, shown = _squares(sprites, framing, background, told)
    order, places, targets = _targets(squares, size, side, chosen.kernel, follow)
    if len(targets) * side * side > _KEPT:
        raise PictureError(
            f"The animation has {len(targets)} different frames, whose answers of {side} px take too much memory; "
            "choose a lower resolution, or cut it shorter."
        )
    if G is None:
        # One note is enough.
        targets = [large_enough(one, told if i == 0 else []) for i, one in enumerate(targets)]
    for note in told if notes is None else ():
        warnings.warn(f"About the picture: {note}", stacklevel=2)
    if notes is not None:
        notes.extend(told)
    starts = chosen.starts if "starts" in given_options(options, overrides) else STARTS
    answer = _drawer(asked, chosen, starts, follow) if G is None else _searcher(G, chosen, follow)
    answers, interrupted = _answers(targets, answer, callback, on_frame)
    scale = answers[0].images.shape[-1] / squares[0].shape[-1] if move else 0
    if move:
        own = [pictures.fit_target(one, max(side, size), size, "pad", chosen.kernel) for one in squares]
        own = own if G is not None else [large_enough(one, []) for one in own]
    else:
        own = [targets[i] for i in order]
    return FilmResult(
        answers,
        tuple(min(order[i], len(answers) - 1) for i in shown),
        tuple((round(places[i][0] * scale), round(places[i][1] * scale)) for i in shown),
        frames.seconds,
        torch.cat([own[i] for i in shown]),
        tuple(told),
        interrupted,
    )


def _sprites(given: Sequence[Image.Image], grid: str | int, crop: Any, head: bool, told: list[str]) -> list[np.ndarray]:
    """The frames at their native size, cut: (h, w, 4) of uint8 each, all of one size."""
    frames = [rgba(one) for one in given]
    box = None if crop is None else parse_crop(crop, given[0].size)
    if grid != "off":
        native = pixel_grid.read_frames(frames, None if grid == "auto" else int(grid))
        if native[0].found:
            told.append(native[0].reason)
            frames = [one.pixels for one in native]
            box = None if box is None else cells_of(box, native[0])
    if box is not None:
        frames = [part_of(frame, box) for frame in frames]
    if head:
        visible = [frame for frame in frames if frame[..., 3].max() >= 3]
        place, _, reason = heads.find(visible[0] if visible else frames[0])
        told.append(reason)
        frames = [part_of(frame, place) for frame in frames]
    # All that ever shows decides on the margins, so that nothing jumps.
    margins = narrow_box(Image.fromarray(np.max([frame[..., 3] for frame in frames], axis=0)))
    if margins is not None:
        left, top, right, bottom = margins
        frames = [frame[top:bottom, left:right] for frame in frames]
    if frames[0].shape[0] * frames[0].shape[1] < 2:
        raise PictureError("The frames are single pixels, in which nothing can be seen; give larger ones.")
    return frames


def _squares(
    sprites: Sequence[np.ndarray], framing: str, background: pictures.Colour, told: list[str]
) -> tuple[list[Tensor], list[int]]:
    """The frames that show something as squares (1, 3, s, s) in [0, 1], and which of them stands for each frame."""
    squares: list[Tensor] = []
    shown: list[int] = []
    seen: dict[bytes, int] = {}
    for sprite in sprites:
        key = sprite.tobytes()
        if sprite[..., 3].max() < 3:
            # Nothing is there to be answered; the frame before stands on.
            shown.append(shown[-1] if shown else 0)
            continue
        if key not in seen:
            seen[key] = len(squares)
            image = from_rgba(sprite)
            over = composited(image, background)
            beyond = fills(over, image.getchannel("A") if image.mode == "RGBA" else None, background)
            squares.append(square(over, max(over.shape[-2:]), framing, fit_resize, beyond))
        shown.append(seen[key])
    if not squares:
        raise PictureError("All frames are fully transparent, so there is nothing to see; give another animation.")
    blank = sum(int(sprite[..., 3].max() < 3) for sprite in sprites)
    if blank:
        told.append(f"{blank} of its frames are fully transparent; the face before stays in them.")
    return squares, shown


def _targets(
    squares: Sequence[Tensor], size: int, resolution: int, kernel: str, follow: bool
) -> tuple[list[int], list[Shift], list[Tensor]]:
    """For each square which target it has and how far it moved, in its pixels; and the different targets."""
    places: list[Shift] = [(0, 0)] * len(squares)
    if follow and len(squares) > 1:
        side = squares[0].shape[-1]
        factor = max(1, -(-side // _LOOK))
        small = (
            [torch.nn.functional.avg_pool2d(one, factor)[0] for one in squares]
            if factor > 1
            else [one[0] for one in squares]
        )
        places = [(x * factor, y * factor) for x, y in shifts(small)]
    order: list[int] = []
    targets: list[Tensor] = []
    for still in steadied(squares, places):
        target = pictures.fit_target(still, max(resolution, size), size, "pad", kernel)
        errors = [float((target - other).square().mean()) for other in targets]
        if errors and min(errors) <= _SAME:
            order.append(int(np.argmin(errors)))
        else:
            order.append(len(targets))
            targets.append(target)
    return order, places, targets


# Answers a target, given the callback.
_Answer = Callable[[Tensor, Callback | None], Result]


def _answers(
    targets: Sequence[Tensor],
    answer: _Answer,
    callback: Callback | None,
    on_frame: Callable[[int, int], object] | None,
) -> tuple[list[Result], bool]:
    """The answer of each target, and whether the rest was left out."""
    answers: list[Result] = []
    ended = False

    def watched(step: int, state: Any) -> object:
        nonlocal ended
        ended = callback is not None and callback(step, state) is True
        return ended

    for number, target in enumerate(targets, 1):
        try:
            answers.append(answer(target, None if callback is None else watched))
        except KeyboardInterrupt:
            if not answers:
                raise
            return answers, True
        if on_frame is not None:
            on_frame(number, len(targets))
        if ended or answers[-1].interrupted:
            return answers, True
    return answers, False


def _drawer(asked: DrawnOptions, options: SearchOptions, starts: int, follow: bool) -> _Answer:
    from pulse.drawn import draw
    from pulse.fit_portrait import fit, painted
    from pulse.fit_portrait.follow import Follower

    follower = Follower()

    def answer(target: Tensor, callback: Callback | None) -> Result:
        return draw(
            target,
            kind=asked.kind,
            resolution=asked.resolution,
            fidelity=asked.fidelity,
            starts=starts,
            seed=options.seed,
            eps=options.eps,
            callback=callback,
            fitting=follower if follow else fit,
            painting=follower.painted if follow else painted,
        )

    return answer


def _searcher(G: Any, options: SearchOptions, follow: bool) -> _Answer:
    known: list[Result] = []
    later = replace(
        options,
        method="pulse" if options.method == "pulse" else "bounded",
        steps=max(1, round(_STEPS * options.steps)),
        learning_rate=_RATE * options.learning_rate,
        starts=1,
    )

    def answer(target: Tensor, callback: Callback | None) -> Result:
        if not (follow and known):
            result = search(G, target, options, finish="network", callback=callback)
        else:
            near = min(reversed(known), key=lambda one: float((one.target - target).square().mean()))
            result = search(G, target, later, finish="network", init=near, callback=callback)
        known.append(result)
        return result

    return answer
