"""Which portrait a small picture shows: numbers of `stylegan.portraits` that, drawn and made small, are the picture.

A portrait is a point v of a space with a standard normal prior; `stylegan.portraits.render` draws u = Phi(v). For each
target: points around what a small network reads from it (`stylegan.portraits.encoder`) are drawn, and the best are
polished by Levenberg-Marquardt (`pulse.finish`). A derivative does not see switches (glasses, a hat, a crown), so the
values of each are tried: the last Jacobian foretells what every trial would reach, and the most promising are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pulse.fit_portrait.colours import coloured
from pulse.fit_portrait.problem import ALL, CHARACTER, MOST, NAMES, PEOPLE, Problem, rows_of, to_normal, to_unit
from pulse.fit_portrait.switches import simplified, with_switches
from stylegan import portraits
from stylegan.portraits import encoder

__all__ = ["ALL", "MOST", "NAMES", "PEOPLE", "Fit", "fit", "to_normal", "to_unit"]

# Points drawn around what the network reads, for each target.
_SCREENED = {"people": 64, "any": 128}
# Of each long polish; every second takes a Jacobian anew.
_STEPS = 4


@dataclass(frozen=True)
class Fit:
    """The portraits found for N targets.

    Attributes:
        v: (N, K), K 64 for people and 128 for any.
        start: (N,), which of the starts won.
        errors: (N, 4), mean squared error of the best screened point, after the polish, after the switches, at the end;
            each in the small pictures that the fit is made with.
        evaluations: portraits drawn, for all targets.
    """

    v: Tensor
    start: Tensor
    errors: Tensor
    evaluations: int


def fit(target: Tensor, kind: str, prior: float, starts: int, rngs: Sequence[torch.Generator]) -> Fit:
    """The likely portraits that are, made small, nearest to the targets.

    Args:
        target: (N, 3, s, s) in [0, 1].
        kind: "people" or "any".
        prior: weight of the prior; see `pulse.finish.least_squares`.
        starts: how many points are polished for each target.
        rngs: one for each target, so that an answer does not depend on its neighbours.
    """
    problem = Problem(target, kind, prior)
    v, error = screened_points(problem, starts, rngs)
    count = len(target)
    screened = error.view(count, starts).min(1).values
    rows = torch.arange(count).repeat_interleave(starts)
    first = problem.polish(v, rows, _STEPS)
    won = first.cost.view(count, starts).argmin(1)
    best = rows_of(first, torch.arange(count) * starts + won)
    polished = best.error
    best = simplified(problem, with_switches(problem, best))
    switched = best.error
    best = problem.polish(best.x, torch.arange(count), _STEPS)
    errors = torch.stack([screened, polished, switched, best.error], 1)
    return Fit(best.x, won, errors, problem.evaluations)


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
