"""The portrait of a picture that is nearly one whose portrait is known: the next frame of an animation.

Independent fits of two pictures that are nearly alike often end at different faces, since many faces fit a small
picture. Here the fit begins at the known portrait and is held there by a prior: of all portraits that fit, the nearest
one. What is fitted is the change: the known portrait's small picture, and what its target and the new one differ by.
So what no portrait shows does not pull at the face in every frame anew, and where nothing changes, nothing moves. Paint
follows in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pulse.finish import Solution
from pulse.fit_portrait import Fit, Watch, fit
from pulse.fit_portrait.painting import Last, painted
from pulse.fit_portrait.problem import MOST, NAMES, Problem, to_normal
from pulse.fit_portrait.switches import with_switches
from stylegan.portraits.tint import Tint

# Weight of the prior that holds a portrait where the last one was; that of the most probable face is 8e-5 by default.
HOLD = 3e-3
# The share of what a portrait and its target differ by that the next frame may keep. The rest is made good, so that
# what is left over does not add up over a long film.
_KEPT = 0.9
# Steps with the Jacobian of the last frame, and with one of its own.
_QUICK, _STEPS = 2, 4
# A frame may be off by this many times what its predecessor was, and so much more, before more effort is made.
_WORSE, _MORE = 1.3, 3e-4
# Expressions that a derivative does not lead to, as coordinates of the unit cube; each has to lower the error to this
# share.
_EXPRESSIONS = (
    {"eye_open": 0.02},
    {"eye_open": 0.9},
    {"eye_style": 0.94},
    {"eye_style": 0.25},
    {"mouth_open": 0.05},
    {"mouth_open": 0.9},
)
_HELPS = 0.9
# Switches are turned where the error is this many times as large, and so much more, and only if that lowers the cost
# to this share.
_FAR, _FAR_MORE, _CLEARLY = 2.0, 2e-3, 0.6


# The fit begins anew, as after a cut of a film, where the error is so many times as large, and so much more; what comes
# of it has to halve the error.
_CUT, _CUT_MORE, _NEW = 3.0, 6e-3, 0.5


@dataclass(frozen=True)
class _Known:
    """A target (3, s, s) with its portrait v (K,), mean squared error, Jacobian (P, K) or None, and paint."""

    target: Tensor
    v: Tensor
    error: float
    jacobian: Tensor | None
    paint: Tint | None = None


class Follower:
    """Fits portraits like `pulse.fit_portrait.fit`, each from that of the nearest target before it.

    The first target is fitted from nothing, and so is what follows a cut. `anew` counts how often that was done.
    """

    def __init__(self) -> None:
        self._known: list[_Known] = []
        # Which of them the last one was fitted from.
        self._from: _Known | None = None
        self.anew = 0

    def __call__(
        self,
        target: Tensor,
        kind: str,
        prior: float,
        starts: int,
        rngs: Sequence[torch.Generator],
        watch: Watch | None = None,
    ) -> Fit:
        """The portraits of targets (N, 3, s, s), one after the other; arguments as of `pulse.fit_portrait.fit`."""
        fits = []
        for row, rng in zip(target, rngs, strict=True):
            fits.append(self._next(row[None], kind, prior, starts, rng, watch))
            if fits[-1].interrupted:
                break
        return Fit(
            torch.cat([one.v for one in fits]),
            torch.cat([one.start for one in fits]),
            torch.cat([one.errors for one in fits]),
            sum(one.evaluations for one in fits),
            fits[-1].interrupted,
        )

    def painted(self, v: Tensor, target: Tensor, share: float, most: float, eps: float) -> Tint:
        """Paint for the last target that was fitted, on that of the one it was fitted from.

        Arguments as of `pulse.fit_portrait.painted`, for one portrait.
        """
        before = self._from
        last = (
            None if before is None or before.paint is None else Last(before.target[None], before.v[None], before.paint)
        )
        paint = painted(v, target, share, most, eps, last)
        self._known[-1] = replace(self._known[-1], paint=paint)
        return paint

    def _next(
        self, target: Tensor, kind: str, prior: float, starts: int, rng: torch.Generator, watch: Watch | None
    ) -> Fit:
        if not self._known:
            found = fit(target, kind, prior, starts, [rng], watch)
            self._keep(target, found, None, None)
            return found
        near = min(reversed(self._known), key=lambda known: float((known.target - target[0]).square().mean()))
        try:
            solution = follow(target, kind, prior, near.target[None], near.v[None], near.error, _row(near.jacobian))
        except KeyboardInterrupt:
            return _as_fit(near.v[None], torch.tensor([torch.nan]), 0, interrupted=True)
        found = _as_fit(solution.x, solution.error, solution.evaluations)
        if watch is not None and watch(0, 1, found.v, solution.error) is True:
            self._keep(target, found, solution.jacobian[0], near)
            return found
        error = float(solution.error)
        jacobian: Tensor | None = solution.jacobian[0]
        if error > _CUT * near.error + _CUT_MORE:
            new = fit(target, kind, prior, starts, [rng], watch)
            if new.interrupted or float(new.errors[0, 3]) < _NEW * error:
                found, jacobian = new, None
        self._keep(target, found, jacobian, None if jacobian is None else near)
        return found

    def _keep(self, target: Tensor, found: Fit, jacobian: Tensor | None, near: _Known | None) -> None:
        self.anew += jacobian is None
        error = found.errors[0, ~found.errors[0].isnan()]
        self._known.append(_Known(target[0], found.v[0], float(error[-1]) if len(error) else 0.0, jacobian))
        self._from = near


def follow(
    target: Tensor,
    kind: str,
    prior: float,
    last: Tensor,
    v: Tensor,
    error: float,
    jacobian: Tensor | None = None,
) -> Solution:
    """The portrait nearest to a known one whose small picture differs from that one's as the targets do.

    Args:
        target: (1, 3, s, s) in [0, 1].
        kind, prior: as of `pulse.fit_portrait.fit`.
        last: (1, 3, s, s), the target of the known portrait.
        v: (1, K), the known portrait.
        error: mean squared error of the known portrait and its own target, which this one is not expected to better.
        jacobian: (1, P, K), of an earlier solution of this function.

    Returns:
        The solution. Its `error` is that of the portrait, drawn at the target's size, and the target; its `cost` is of
        what was fitted.
    """
    problem = Problem(target, kind, prior + HOLD)
    problem.correct(v)
    wanted = problem.flat
    left = problem.draw(v) - (wanted - (target - last).flatten(1))
    problem.flat = wanted + _KEPT * left
    # The pull to the most probable face is taken back by as much as that of the pixels, which it was in balance with.
    centre = v * ((HOLD + _KEPT * prior) / (prior + HOLD))

    def off(solution: Solution) -> Tensor:
        return (solution.value - wanted).square().mean(1)

    row = torch.zeros(1, dtype=torch.int64)
    v = _expression(problem, v)
    found = problem.polish(v, row, _STEPS if jacobian is None else _QUICK, jacobian=jacobian, centre=centre)
    if jacobian is not None and float(off(found)) > _WORSE * error + _MORE:
        found = problem.polish(found.x, row, _STEPS, centre=centre)
    if float(off(found)) > _FAR * error + _FAR_MORE:
        turned = problem.polish(with_switches(problem, found).x.clamp(-MOST, MOST), row, _QUICK, centre=centre)
        if float(turned.cost) < _CLEARLY * float(found.cost):
            found = turned
    return replace(found, error=off(found), evaluations=problem.evaluations)


def _expression(problem: Problem, v: Tensor) -> Tensor:
    """The point v (1, K), with other eyes or another mouth where that clearly helps."""
    trials = v.repeat(len(_EXPRESSIONS) + 1, 1)
    for trial, values in zip(trials[1:], _EXPRESSIONS, strict=True):
        for name, value in values.items():
            if NAMES.index(name) < v.shape[1]:
                trial[NAMES.index(name)] = float(to_normal(torch.tensor(value)))
    errors = (problem.draw(trials) - problem.flat).square().mean(1)
    best = int(errors.argmin())
    return trials[best : best + 1] if float(errors[best]) < _HELPS * float(errors[0]) else v


def _row(jacobian: Tensor | None) -> Tensor | None:
    return None if jacobian is None else jacobian[None]


def _as_fit(v: Tensor, error: Tensor, evaluations: int, interrupted: bool = False) -> Fit:
    errors = torch.full((1, 4), torch.nan)
    errors[0, 3] = error[0]
    return Fit(v, torch.zeros(1, dtype=torch.int64), errors, evaluations, interrupted)
