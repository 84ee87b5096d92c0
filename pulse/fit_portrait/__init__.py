"""Which portrait a small picture shows: numbers of `stylegan.portraits` that, drawn and made small, are the picture.

A portrait is a point v of a space with a standard normal prior; `stylegan.portraits.render` draws u = Phi(v). For each
target: points around what a small network reads from it (`stylegan.portraits.encoder`) are drawn, and the best are
polished by Levenberg-Marquardt (`pulse.finish`). A derivative does not see switches (glasses, a hat, a crown), so the
values of each are tried: the last Jacobian foretells what every trial would reach, and the most promising are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pulse.finish import Solution
from pulse.fit_portrait.colours import coloured
from pulse.fit_portrait.problem import ALL, CHARACTER, MOST, NAMES, PEOPLE, Problem, rows_of, to_normal, to_unit
from pulse.fit_portrait.switches import simplified, with_switches
from stylegan import portraits
from stylegan.portraits import encoder

__all__ = ["ALL", "MOST", "NAMES", "PEOPLE", "Fit", "Watch", "fit", "to_normal", "to_unit"]

# Points drawn around what the network reads, for each target.
_SCREENED = {"people": 64, "any": 128}
# Of each long polish; every second takes a Jacobian anew.
_STEPS = 4

# Called as watch(step, steps, v, error), step below steps, with the best points (N, K) so far and their errors (N,);
# returning True ends the fit.
Watch = Callable[[int, int, Tensor, Tensor], object]


@dataclass(frozen=True)
class Fit:
    """The portraits found for N targets.

    Attributes:
        v: (N, K), K 64 for people and 128 for any.
        start: (N,), which of the starts won.
        errors: (N, 4), mean squared error of the best screened point, after the polish, after the switches, at the end;
            each in the small pictures that the fit is made with. NaN for stages that were not reached.
        evaluations: portraits drawn, for all targets.
        interrupted: whether Ctrl-C ended the fit.
    """

    v: Tensor
    start: Tensor
    errors: Tensor
    evaluations: int
    interrupted: bool = False


class _Ended(Exception):
    """The watcher has ended the fit."""


class _Watched:
    """The best so far, which remains when a fit is ended, and who is told of it."""

    def __init__(self, mean: Tensor, watch: Watch | None) -> None:
        count = len(mean)
        self.v, self.start = mean.clamp(-MOST, MOST), torch.zeros(count, dtype=torch.int64)
        self.errors = torch.full((count, 4), torch.nan)
        self.watch = watch

    def keep(self, stage: int, v: Tensor, error: Tensor, cost: Tensor) -> None:
        """Keeps the best of the points (N * starts, K) of each target."""
        starts = len(v) // len(self.v)
        won = cost.view(-1, starts).argmin(1)
        rows = torch.arange(len(self.v)) * starts + won
        self.start = won if starts > 1 else self.start
        self.v, self.errors[:, stage] = v[rows], error[rows]

    def tell(self, step: int, stage: int) -> None:
        """Tells the watcher that `step` is done.

        Raises:
            _Ended: the watcher ends the fit.
        """
        # Screened, two polishes, and the switches between them.
        steps = 2 * _STEPS + 2
        if self.watch is not None and self.watch(step, steps, self.v, self.errors[:, stage]) is True:
            raise _Ended

    def polish(self, problem: Problem, v: Tensor, rows: Tensor, stage: int, step: int) -> Solution:
        """`Problem.polish`, of which every step is kept and told of; the first is number `step`."""

        def follow(i: int, found: Solution) -> None:
            self.keep(stage, found.x, found.error, found.cost)
            self.tell(step + i, stage)

        found = problem.polish(v, rows, _STEPS, follow)
        self.keep(stage, found.x, found.error, found.cost)
        return found


def fit(
    target: Tensor,
    kind: str,
    prior: float,
    starts: int,
    rngs: Sequence[torch.Generator],
    watch: Watch | None = None,
) -> Fit:
    """The likely portraits that are, made small, nearest to the targets.

    Args:
        target: (N, 3, s, s) in [0, 1].
        kind: "people" or "any".
        prior: weight of the prior; see `pulse.finish.least_squares`.
        starts: how many points are polished for each target.
        rngs: one for each target, so that an answer does not depend on its neighbours.
        watch: is told of every step; returning True ends the fit, and so does Ctrl-C, with the best so far.
    """
    problem = Problem(target, kind, prior)
    best = _Watched(encoder.read(target)[0][:, : problem.k], watch)
    interrupted = False
    try:
        _walk(problem, best, starts, rngs)
    except _Ended:
        pass
    except KeyboardInterrupt:
        interrupted = True
    return Fit(best.v, best.start, best.errors, problem.evaluations, interrupted)


def _walk(problem: Problem, best: _Watched, starts: int, rngs: Sequence[torch.Generator]) -> None:
    each = torch.arange(len(problem.target))
    v, error = screened_points(problem, starts, rngs)
    best.keep(0, v, error, error)
    best.tell(0, 0)
    first = best.polish(problem, v, each.repeat_interleave(starts), 1, step=1)
    solution = rows_of(first, each * starts + first.cost.view(-1, starts).argmin(1))
    solution = simplified(problem, with_switches(problem, solution))
    best.keep(2, solution.x, solution.error, solution.cost)
    best.tell(1 + _STEPS, 2)
    best.polish(problem, solution.x, each, 3, step=2 + _STEPS)


def screened_points(problem: Problem, starts: int, rngs: Sequence[torch.Generator]) -> tuple[Tensor, Tensor]:
    """The best points (N * starts, K) of those around what the network reads, and their errors (N * starts,)."""
    count = _SCREENED["people" if problem.k == PEOPLE else "any"]
    mean, deviation = encoder.read(problem.target)
    points = []
    for i, rng in enumerate(rngs):
        spread = torch.randn(count, problem.k, generator=rng)
        spread[0] = 0
        v = mean[i, : problem.k] + 0.8 * deviation[i, : problem.k] * spread
        if problem.k == ALL:
            v[:, CHARACTER] = 0.7
            v[: count // 2, PEOPLE:] = to_normal(portraits.as_characters(torch.zeros(1, PEOPLE)))[:, PEOPLE:]
            v[count // 2 :] = coloured(v[count // 2 :], problem.target[i], rng)
        points.append(v.clamp(-MOST, MOST))
    v = torch.stack(points)
    values = problem.draw(v.flatten(0, 1)).view(len(rngs), count, -1)
    cost = (values - problem.flat[:, None]).square().mean(2)
    least, which = cost.topk(starts, dim=1, largest=False)
    return v[torch.arange(len(rngs))[:, None], which].flatten(0, 1), least.flatten()
