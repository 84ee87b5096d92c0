"""The portrait of a picture that is nearly one whose portrait is known: the next frame of an animation.

Independent fits of two pictures that are nearly alike often end at different faces, since many faces fit a small
picture. Here the fit begins at the known portrait and is held there by a second prior: of all portraits that fit, the
nearest one. Two priors are one: p |x|^2 + q |x - c|^2 is, but for a constant, (p + q) |x - q c / (p + q)|^2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pulse.finish import Solution
from pulse.fit_portrait import Fit, Watch, fit
from pulse.fit_portrait.problem import MOST, NAMES, Problem, to_normal
from pulse.fit_portrait.switches import with_switches

# Weight of the prior that holds a portrait where the last one was; that of the most probable face is 8e-5 by default.
HOLD = 3e-3
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
    """A target (3, s, s) with its portrait v (K,), mean squared error, and Jacobian (P, K) or None."""

    target: Tensor
    v: Tensor
    error: float
    jacobian: Tensor | None


class Follower:
    """Fits portraits like `pulse.fit_portrait.fit`, each from that of the nearest target before it.

    The first target is fitted from nothing. `anew` counts how often that was done.
    """

    def __init__(self) -> None:
        self._known: list[_Known] = []
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

    def _next(
        self, target: Tensor, kind: str, prior: float, starts: int, rng: torch.Generator, watch: Watch | None
    ) -> Fit:
        if not self._known:
            found = fit(target, kind, prior, starts, [rng], watch)
            self._keep(target, found, None)
            return found
        near = min(reversed(self._known), key=lambda known: float((known.target - target[0]).square().mean()))
        try:
            solution = follow(target, kind, prior, near.v[None], near.error, _row(near.jacobian))
        except KeyboardInterrupt:
            return _as_fit(near.v[None], torch.tensor([torch.nan]), 0, interrupted=True)
        found = _as_fit(solution.x, solution.error, solution.evaluations)
        if watch is not None and watch(0, 1, found.v, solution.error) is True:
            return found
        error = float(solution.error)
        jacobian: Tensor | None = solution.jacobian[0]
        if error > _CUT * near.error + _CUT_MORE:
            new = fit(target, kind, prior, starts, [rng], watch)
            if new.interrupted or float(new.errors[0, 3]) < _NEW * error:
                found, jacobian = new, None
        self._keep(target, found, jacobian)
        return found

    def _keep(self, target: Tensor, found: Fit, jacobian: Tensor | None) -> None:
        self.anew += jacobian is None
        error = found.errors[0, ~found.errors[0].isnan()]
        self._known.append(_Known(target[0], found.v[0], float(error[-1]) if len(error) else 0.0, jacobian))


def follow(
    target: Tensor, kind: str, prior: float, v: Tensor, error: float, jacobian: Tensor | None = None
) -> Solution:
    """The portrait nearest to a known one that is, made small, a target.

    Args:
        target: (1, 3, s, s) in [0, 1].
        kind, prior: as of `pulse.fit_portrait.fit`.
        v: (1, K), the known portrait.
        error: mean squared error of the known portrait and its own target, which this one is not expected to better.
        jacobian: (1, P, K), of an earlier solution of this function.

    Returns:
        The solution; its `error` and `cost` are of pictures of the target's own size.
    """
    problem = Problem(target, kind, prior + HOLD)
    problem.correct(v)
    centre = v * (HOLD / (prior + HOLD))
    row = torch.zeros(1, dtype=torch.int64)
    v = _expression(problem, v)
    found = problem.polish(v, row, _STEPS if jacobian is None else _QUICK, jacobian=jacobian, centre=centre)
    if jacobian is not None and float(found.error) > _WORSE * error + _MORE:
        found = problem.polish(found.x, row, _STEPS, centre=centre)
    if float(found.error) > _FAR * error + _FAR_MORE:
        turned = problem.polish(with_switches(problem, found).x.clamp(-MOST, MOST), row, _QUICK, centre=centre)
        if float(turned.cost) < _CLEARLY * float(found.cost):
            found = turned
    return replace(found, evaluations=problem.evaluations)


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
