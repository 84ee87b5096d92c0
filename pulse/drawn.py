"""Drawn answers: the portrait that a small picture shows, drawn by the renderer itself, crisp and of any size.

The search of `pulse.engine` moves styles of a network. Here no network draws: the answer is a point of
`stylegan.portraits`, found by `pulse.fit_portrait`, and drawn.
"""

from __future__ import annotations

import operator
import secrets
import warnings
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from pulse import pictures
from pulse.fit_portrait import MOST, Fitting, Painting, drawn, fit, painted, to_unit
from pulse.operators import downsample
from pulse.options import SMALLEST, STARTS, DrawnOptions, SearchOptions
from pulse.result import Result
from pulse.state import Callback, state_of_drawn
from stylegan.common.processes import usual_threads
from stylegan.portraits.tint import Tint

# The largest side of a target, in pixels.
_LARGEST = 64
# Stages of a fit that `Result.history` tells of: screened, polished, switches tried, polished again, drawn large.
_STAGES = 5
# Of the pictures that a callback sees, in pixels.
_PREVIEW = 64


def draw(
    picture: pictures.Source,
    *,
    kind: str = DrawnOptions.kind,
    resolution: int = DrawnOptions.resolution,
    fidelity: float = DrawnOptions.fidelity,
    starts: int = STARTS,
    seed: int | None = None,
    eps: float = SearchOptions.eps,
    size: int = 16,
    framing: str = "pad",
    background: pictures.Colour = pictures.BACKGROUND,
    grid: str | int = "auto",
    notes: list[str] | None = None,
    callback: Callback | None = None,
    fitting: Fitting = fit,
    painting: Painting = painted,
) -> Result:
    """Draws the portrait that, made small, is the given picture.

        result = pulse.draw("knight.png", seed=1)
        print(result.describe())
        result.to_pil().save("face.png")

    Args:
        picture: targets (N, 3, s, s) in [0, 1], s from 8 to 64; or a picture as `pulse.depixelize` takes it.
        kind: "any", people and characters (coloured skin, helmets, horns); or "people", the person that fits best.
        resolution: of the answers, 16 to 1024 px, at least the side of the targets.
        fidelity: from 0, the most probable face, to 1, the closest pixels.
        starts: how many points are polished for each target; more take longer and miss less.
        seed: of the first target, counted on for the others; random if not given.
        eps: mean squared error at which an answer counts as reached.
        size, framing, background, grid, notes: of a picture, as of `pulse.depixelize`; targets are taken as they are.
        callback: called as callback(step, state) at every step with a `SearchState`; returning True ends the fit.
        fitting, painting: what finds the portraits and paints them; of an animation a
            `pulse.fit_portrait.follow.Follower` and its `painted`.

    Returns:
        The answers. `images` (N, 3, R, R) are the drawn pictures; `downsampled`, `l2`, `loss` and `reached` are those
        of their pixels. `latents` (N, 1, K) are the portraits' normal coordinates; `describe` and `redraw` know what
        they mean. `history` has the errors of five stages: the best point screened, after the polish, after the
        switches, after the last polish, and drawn at `resolution`; NaN for stages that an early end left out. Ctrl-C
        ends the fit and draws the best so far; a second Ctrl-C stops at once.

    Raises:
        ValueError: in one sentence, for a picture or an option that cannot be used.
    """
    asked = DrawnOptions(kind, resolution, fidelity)
    # Checked by the one list of options.
    options = SearchOptions(starts=starts, seed=seed, eps=eps)
    target = _target(picture, size, framing, background, grid, notes)
    if resolution < target.shape[-1]:
        raise ValueError(
            f"The resolution is {resolution} and the target has {target.shape[-1]} pixels; give a resolution of at "
            "least as many."
        )
    first = secrets.randbits(32) if options.seed is None else operator.index(options.seed)
    seeds = tuple(first + i for i in range(len(target)))
    rngs = [torch.Generator().manual_seed(one) for one in seeds]
    told = None if callback is None else _Told(target, options.eps, callback)
    found = fitting(target, kind, prior_of(fidelity), starts, rngs, None if told is None else told.follow)
    v = found.v.clamp(-MOST, MOST)
    paint, interrupted = None, found.interrupted
    if kind == "any" and not interrupted:
        try:
            paint = painting(v, target, *paint_of(fidelity), options.eps)
        except KeyboardInterrupt:
            interrupted = True
    images, interrupted = _drawn(v, resolution, interrupted, paint)
    small = downsample(images, size=(target.shape[2], target.shape[3]))
    error = (small - target).square().mean((1, 2, 3))
    reached = error <= options.eps
    history = torch.cat([found.errors, error[:, None]], 1)
    if told is not None:
        try:
            told.tell(told.steps, told.steps, images, small, v, error)
        except KeyboardInterrupt:
            # A callback may raise what came while the picture was drawn.
            if interrupted:
                raise
            interrupted = True
    last = torch.full((len(target),), _STAGES - 1)
    return Result(
        images=images,
        downsampled=small,
        target=target,
        loss=error,
        l2=error,
        reached=reached,
        reached_at=last.masked_fill(~reached, -1),
        best_at=last,
        start=found.start,
        latents=v[:, None],
        paint=None if paint is None else paint.colour,
        painted_at=None if paint is None else v,
        ws=v.new_zeros(len(v), 0, 0),
        noise=[],
        history={"loss": history, "l2": history.clone()},
        seed=first,
        seeds=seeds,
        settings={
            "finish": "drawn",
            **asdict(asked),
            "paint": kind == "any" and fidelity > 0,
            "starts": starts,
            "eps": options.eps,
            "seed": first,
            "kernel": "bicubic",
        },
        interrupted=interrupted,
    )


class _Told:
    """Tells a callback of the steps of a fit, with pictures of the best so far."""

    def __init__(self, target: Tensor, eps: float, callback: Callback) -> None:
        self.target, self.eps, self.callback = target, eps, callback
        self.errors: list[Tensor] = []
        self.steps = 0
        self.reached_at = torch.full((len(target),), -1)
        # The points that were drawn last, and their pictures.
        self.v = torch.full((len(target), 1), torch.nan)
        self.images = torch.zeros(len(target), 3, _PREVIEW, _PREVIEW)

    def follow(self, step: int, steps: int, v: Tensor, error: Tensor) -> object:
        """One step of `pulse.fit_portrait.fit`."""
        self.steps = steps
        # Many steps leave the best point where it is.
        moved = (v != self.v).any(1)
        images = self.images.clone()
        images[moved] = drawn(to_unit(v[moved]), _PREVIEW)
        self.v, self.images = v, images
        return self.tell(step, steps, images, downsample(images, size=self.target.shape[-1]), v, error)

    def tell(self, step: int, steps: int, images: Tensor, small: Tensor, v: Tensor, error: Tensor) -> object:
        """Calls the callback."""
        # A polish that ends early leaves steps out.
        self.errors += [self.errors[-1] if self.errors else error] * (step - len(self.errors)) + [error]
        at = torch.full((len(v),), step)
        self.reached_at = torch.where((self.reached_at < 0) & (error <= self.eps), at, self.reached_at)
        history = torch.stack(self.errors, 1)
        state = state_of_drawn(step, self.steps, images, small, v, history, self.reached_at)
        return self.callback(step, state)


def _drawn(v: Tensor, resolution: int, interrupted: bool, paint: Tint | None) -> tuple[Tensor, bool]:
    """The portraits v (N, K), and whether Ctrl-C came by now; a second one stops at once."""
    images: list[Tensor] = []
    few = usual_threads()
    parts = list(v.split(few))
    while len(images) < len(parts):
        i = few * len(images)
        try:
            tint = None if paint is None else paint[i : i + few]
            images.append(drawn(to_unit(parts[len(images)]), resolution, tint))
        except KeyboardInterrupt:
            if interrupted:
                raise
            interrupted = True
    return torch.cat(images), interrupted


def prior_of(fidelity: float) -> float:
    """The weight of the prior: from 1e-2, at which only broad colours count, to 1e-5, by powers of ten."""
    return 10 ** (-2 - 3 * float(fidelity))


def paint_of(fidelity: float) -> tuple[float, float]:
    """Which share of an error paint leaves, and how much of it at most: all at fidelity 0, 45 % and 1.4e-2 at 0.7."""
    return 10 ** (-0.5 * float(fidelity)), 10 ** (-1.3 - 0.8 * float(fidelity))


def _target(picture: Any, size: int, framing: str, background: Any, grid: str | int, notes: list[str] | None) -> Tensor:
    if isinstance(picture, Tensor) and picture.ndim == 4 and picture.is_floating_point():
        target = picture.detach().cpu().float()
        if len(target) == 0 or target.shape[1] != 3 or not bool(((target >= 0) & (target <= 1)).all()):
            raise ValueError(f"The target is {tuple(picture.shape)}; give floats (N, 3, s, s) in [0, 1].")
    else:
        found: list[str] = []
        target = pictures.read_target(
            picture, 1024, size, framing=framing, background=background, grid=grid, notes=found
        )
        if notes is None:
            for note in found:
                warnings.warn(f"About the picture: {note}", stacklevel=3)
        else:
            notes.extend(found)
    side = target.shape[-1]
    if target.shape[-2] != side or not SMALLEST <= side <= _LARGEST:
        raise ValueError(
            f"The target is {side}x{target.shape[-2]} pixels; drawn answers need a square of {SMALLEST} to "
            f"{_LARGEST}, the network's search (finish='network') takes others."
        )
    return target
