"""Several faces for one small picture, as different as they can be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from pulse.depixelizer.calls import Told, split_arguments, told
from pulse.depixelizer.one import depixelize
from pulse.depixelizer.variety import distances, farthest
from pulse.drawn import paint_of, prior_of
from pulse.engine import search
from pulse.fit_portrait import MOST, drawn, painted, to_unit
from pulse.fit_portrait.others import STEPS, others
from pulse.operators import downsample
from pulse.pictures import Source
from pulse.result import Result, joined
from pulse.state import Callback, SearchState, state_of_drawn

# Faces that are drawn for each that is chosen; those of a network cost a search each.
_DRAWN, _SEARCHED = 7, 2
# The side at which drawn faces are compared, and measured.
_SIDE = 64
# Where the first answer is not within eps, the others may be further off by this factor.
_WORSE = 1.1
_MOST = 64


def samples(picture: Source, count: int = 9, *, callback: Callback | None = None, **how: Any) -> Result:
    """Finds `count` faces that are, made small, the given picture, and that differ in all else.

    A small picture does not say who it is. Searches from other seeds often end at nearly the same face; here more
    faces are found than are asked for, and those are kept that lie farthest apart in what the small picture does not
    show (`pulse.depixelizer.variety.distances`).

        answers = pulse.samples("knight.png", 9, seed=1)
        for i in range(len(answers)):
            answers.to_pil(i).save(f"knight-{i + 1}.png")

    Drawn faces cost little beyond the first: the first answer is moved along all that the picture leaves open, and
    switches (glasses, sex, hats) that it does not show are turned. Of a network, twice as many searches are made, from
    the seeds that follow.

    Args:
        picture: as for `pulse.depixelize`.
        count: how many faces, 1 to 64.
        callback: as for `pulse.search`; batch 0 is that of the first answer. Returning True ends with the faces so far.
        how: further arguments of `pulse.depixelize`: `generator`, `finish`, `kind`, `seed` and so on.

    Returns:
        The faces, each within `eps` where the first one is, else, before paint, at most a tenth further off than it is
        where there are enough.
        The first is that of `pulse.depixelize`. Fewer than `count` where the callback or Ctrl-C ended the search.
        `settings["sampled"]` has what finds face i again: `pulse.samples(picture, count, seed=...)[i]`.

    Raises:
        ValueError: in one sentence, for a picture, a count or an option that cannot be used.
    """
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= _MOST:
        raise ValueError(f"The number of samples is {count!r}; give a whole number from 1 to {_MOST}.")
    watch = told(callback, 0, int(count > 1))
    first = depixelize(picture, callback=watch, **how)
    if first.made_by == "drawn":
        first.settings["sampled"] = {"count": count, "seed": first.seed}
    if count == 1 or (watch is not None and watch.ended) or first.interrupted:
        return first
    watch = told(callback, 1, 0)
    return _drawn(first, count, watch) if first.made_by == "drawn" else _searched(first, count, how, watch)


def _searched(first: Result, count: int, how: dict[str, Any], watch: Told | None) -> Result:
    """The first answer and others of the network, from the seeds that follow."""
    target = first.target.expand(_SEARCHED * count - 1, -1, -1, -1)
    _, answering = split_arguments(how)
    answering |= {"finish": "network", "seed": first.seed + 1, "callback": watch}
    found = joined([first, search(answering.pop("generator", "default"), target, **answering)])
    allowed = max(float(first.settings["eps"]), _WORSE * float(first.l2))
    return found[_chosen(found.images, found.l2, int(target.shape[-1]), allowed, count)]


def _drawn(first: Result, count: int, watch: Told | None) -> Result:
    """The first answer and others that are drawn."""
    target, settings, size = first.target, first.settings, int(first.target.shape[-1])
    eps, steps = float(settings["eps"]), STEPS + count - 1
    side = max(_SIDE, 4 * size)

    def small_faces(v: Tensor) -> tuple[Tensor, Tensor]:
        images = drawn(to_unit(v.clamp(-MOST, MOST)), side)
        return images, downsample(images, size=size)

    def tell(step: int, v: Tensor, error: Tensor) -> object:
        if watch is None:
            return None
        return watch(step, _state(step, steps, *small_faces(v), v, error, eps))

    def follow(step: int, _: int, v: Tensor, error: Tensor) -> object:
        return tell(step, v[: count - 1], error[: count - 1])

    rng = torch.Generator().manual_seed(first.seed)
    v = first.latents[:, 0]
    prior = prior_of(settings["fidelity"])
    # Paint would hide how near a face itself is.
    unpainted = float((small_faces(v)[1] - target).square().mean())
    allowed = max(eps, _WORSE * unpainted)
    v = torch.cat([v, others(target, v, settings["kind"], prior, _DRAWN * count, allowed, rng, follow)])
    images, small = small_faces(v)
    error = (small - target).square().mean((1, 2, 3))
    chosen = _chosen(images, error, size, allowed, count)
    v, error = v[chosen], error[chosen]
    large, paint, interrupted = [first.images], [first.paint], first.interrupted
    try:
        for i in range(1, count):
            if tell(STEPS + i - 1, v[1:], error[1:]) is True:
                break
            one = v[i : i + 1]
            tint = None
            if first.paint is not None:
                tint = painted(one, target, *paint_of(settings["fidelity"]), eps=eps)
            large.append(drawn(to_unit(one), int(settings["resolution"]), tint))
            paint.append(None if tint is None else tint.colour)
    except KeyboardInterrupt:
        interrupted = True
    images = torch.cat(large)
    fields = None if first.paint is None else torch.cat([one for one in paint[: len(images)] if one is not None])
    return _result(first, v[: len(images)], images, fields, interrupted)


def _chosen(images: Tensor, error: Tensor, size: int, allowed: float, count: int) -> list[int]:
    """Rows of `count` faces that lie far apart, the first among them, of those within the error that is allowed."""
    near = error <= allowed
    near[0] = True
    if int(near.sum()) < count:
        best = error.clone()
        best[0] = -1
        near[best.argsort()[:count]] = True
    rows = near.nonzero()[:, 0]
    return rows[farthest(distances(images[rows], size), count)].tolist()


def _result(first: Result, v: Tensor, images: Tensor, paint: Tensor | None, interrupted: bool) -> Result:
    """The result of the portraits v (N, K), of which the first is that of `first`."""
    count = len(v)
    small = downsample(images, size=first.target.shape[-1])
    error = (small - first.target).square().mean((1, 2, 3))
    last = first.best_at.expand(count)
    # The others have no stages of their own.
    history = torch.full((count, first.history["l2"].shape[1]), torch.nan)
    history[:, -1] = error
    history[0] = first.history["l2"][0]
    reached = error <= float(first.settings["eps"])
    return replace(
        first,
        images=images,
        downsampled=small,
        target=first.target.expand(count, -1, -1, -1).clone(),
        loss=error,
        l2=error,
        reached=reached,
        reached_at=last.masked_fill(~reached, -1),
        best_at=last.clone(),
        start=first.start.expand(count).clone(),
        latents=v[:, None],
        paint=paint,
        painted_at=None if paint is None else v,
        ws=first.ws.expand(count, -1, -1).clone(),
        history={"loss": history, "l2": history.clone()},
        seeds=tuple(first.seed + i for i in range(count)),
        interrupted=interrupted,
    )


def _state(step: int, steps: int, images: Tensor, small: Tensor, v: Tensor, error: Tensor, eps: float) -> SearchState:
    """What a callback is told of faces that are drawn."""
    at = torch.full((len(v),), step).masked_fill(error > eps, -1)
    return state_of_drawn(step, steps, images, small, v, error[:, None], at)
