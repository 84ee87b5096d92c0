"""Which portrait a small picture shows: numbers of `stylegan.portraits` that, drawn and made small, are the picture.

A portrait is a point v of a space with a standard normal prior; `stylegan.portraits.render` draws u = Phi(v). For each
target: points around what a small network reads from it (`stylegan.portraits.encoder`) are drawn, and the best is
polished by Levenberg-Marquardt (`pulse.finish`). A derivative does not see switches (glasses, a hat, a crown), so the
values of each are tried: the last Jacobian foretells what every trial would reach, and the most promising are drawn.
Effort goes where it is needed: other starts, and more turns of switches, only for targets that are still far. What no
portrait shows, such as most sprites of games, is met by paint in the end (`painting`). Targets of more than 16 px are
made small first; the answer is refined at their own size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pulse.finish import Solution
from pulse.fit_portrait.colours import coloured
from pulse.fit_portrait.drawing import drawn, one_thread
from pulse.fit_portrait.oddity import weight_of
from pulse.fit_portrait.painting import painted
from pulse.fit_portrait.problem import (
    ALL,
    CHARACTER,
    MOST,
    NAMES,
    PEOPLE,
    Problem,
    rows_of,
    to_normal,
    to_unit,
    with_rows,
)
from pulse.fit_portrait.switches import simplified, with_switches
from pulse.operators import downsample
from stylegan import portraits
from stylegan.portraits import encoder
from stylegan.portraits.prototypes import dressed
from stylegan.portraits.tint import Tint

__all__ = [
    "ALL",
    "MOST",
    "NAMES",
    "PEOPLE",
    "Fit",
    "Fitting",
    "Painting",
    "Watch",
    "drawn",
    "fit",
    "painted",
    "to_normal",
    "to_unit",
]

# Points drawn around what the network reads, for each target.
_SCREENED = {"people": 64, "any": 64}
# Characters in the target's colours that are drawn beside them: the most promising of `portraits.prototypes`.
_DRESSED = 12
# Of each long polish; every second takes a Jacobian anew.
_STEPS = 4
# Larger targets are fitted at this side first: that is where most of a face is decided, and pictures cost little.
_COARSE = 16
# How often switches are tried; every time but the first only for targets whose error is still more than this. Half
# of the default `eps` leaves room for what pictures of other sizes differ by.
_TURNS, _FAR = 2, 1e-3
# Targets whose best screened point is further than this are none that portraits show. What paint can mend counts less
# for them (`Problem.soft`), and they get one turn.
_STRANGE = 1.2e-2
# Polishes at the target's own size, each after a correction.
_REFINED = 3
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
            each in the small pictures that the fit is made with, of 16 px at most but for the last. NaN for stages that
            were not reached.
        evaluations: portraits drawn, for all targets.
        interrupted: whether Ctrl-C ended the fit.
    """

    v: Tensor
    start: Tensor
    errors: Tensor
    evaluations: int
    interrupted: bool = False


# `fit`, or what finds portraits in another way.
Fitting = Callable[[Tensor, str, float, int, Sequence[torch.Generator], Watch | None], Fit]
# `painted`, or what paints in another way: from portraits, targets, share, most and eps.
Painting = Callable[[Tensor, Tensor, float, float, float], Tint]


class _Ended(Exception):
    """The watcher has ended the fit."""


class _Watched:
    """The best so far, which remains when a fit is ended, and who is told of it."""

    def __init__(self, mean: Tensor, steps: int, watch: Watch | None) -> None:
        count = len(mean)
        self.v, self.start = mean.clamp(-MOST, MOST), torch.zeros(count, dtype=torch.int64)
        self.errors = torch.full((count, 4), torch.nan)
        self.last = torch.full((count,), torch.inf)
        self.steps, self.done, self.watch = steps, 0, watch

    def keep(self, stage: int, rows: Tensor, v: Tensor, error: Tensor) -> None:
        """Keeps the points (M, K) of the targets `rows` (M,)."""
        self.v[rows], self.errors[rows, stage], self.last[rows] = v, error, error

    def tell(self, step: int) -> None:
        """Tells the watcher that `step` of this part of the fit is done; `done` are those of the parts before.

        Raises:
            _Ended: the watcher ends the fit.
        """
        step += self.done
        if self.watch is not None and self.watch(step, self.steps, self.v.clone(), self.last.clone()) is True:
            raise _Ended

    def polish(
        self,
        problem: Problem,
        rows: Tensor,
        v: Tensor,
        value: Tensor,
        stage: int,
        step: int,
        jacobian: Tensor | None = None,
    ) -> Solution:
        """`Problem.polish` of points (M * S, K), S for each of the targets `rows` (M,) of the whole.

        `value` (M * S, P) is what is drawn for them. The polish's first step is number `step`. Every step is kept where
        it is better, and told of.
        """
        each = len(v) // len(rows)
        cost = torch.full((len(rows),), torch.inf)

        def follow(i: int, found: Solution) -> None:
            least, which = found.cost.view(-1, each).min(1)
            better = least < cost
            cost[better] = least[better]
            one = (torch.arange(len(rows)) * each + which)[better]
            self.keep(stage, rows[better], found.x[one], problem.errors(found)[one])
            self.tell(step + i)

        owner = torch.arange(len(rows)).repeat_interleave(each)
        return problem.polish(v, owner, _STEPS, follow, jacobian, value=value)


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
        starts: how many points are polished for each target, all but the first only where the first remains far.
        rngs: one for each target, so that an answer does not depend on its neighbours.
        watch: is told of every step; returning True ends the fit, and so does Ctrl-C, with the best so far.
    """
    problem = Problem(target, kind, prior)
    best = _Watched(encoder.read(target)[0][:, : problem.k], _steps(kind), watch)
    interrupted = False
    try:
        _walk(problem, best, starts, rngs)
    except _Ended:
        pass
    except KeyboardInterrupt:
        interrupted = True
    return Fit(best.v, best.start, best.errors, problem.evaluations, interrupted)


def _part() -> int:
    """The steps of two polishes, and of turns of switches with a polish each."""
    return 2 * _STEPS + _TURNS * (1 + _STEPS)


def _steps(kind: str) -> int:
    """All that a watcher may be told of: the screening, one part or two, the end."""
    return 1 + (1 if kind == "people" else 2) * _part() + _REFINED


def _walk(problem: Problem, best: _Watched, starts: int, rngs: Sequence[torch.Generator]) -> None:
    """Screens, polishes, and turns switches, at `_COARSE` pixels; then polishes at the target's own size."""
    coarse = problem
    if problem.size > _COARSE:
        small = downsample(problem.target, size=_COARSE).clamp(0, 1)
        coarse = Problem(small, problem.kind, problem.prior)
    each = torch.arange(len(problem.target))
    v, value, error, strange = screened_points(coarse, starts, rngs)
    best.keep(0, each, v[:, 0], error)
    best.tell(0)
    best.done = 1
    for soft in (False, True):
        rows = (strange == soft).nonzero()[:, 0]
        if len(rows):
            part = Problem(coarse.target[rows], coarse.kind, coarse.prior, soft)
            _found(part, best, rows, v[rows], value[rows])
            coarse.evaluations += part.evaluations
        if problem.k == ALL or not soft:
            best.done += _part()
    if coarse is not problem:
        problem.evaluations += coarse.evaluations
        _refined(problem, best)


def _found(problem: Problem, best: _Watched, rows: Tensor, v: Tensor, value: Tensor) -> None:
    """Polishes the starts v (M, S, K) of the targets `rows` of the whole, for which `value` (M, S, P) is drawn
    (and not filtered), and turns switches."""
    value = problem.filtered(value.flatten(0, 1)).view_as(value)
    solution = _polished(problem, best, rows, v, value)
    best.keep(1, rows, solution.x, problem.errors(solution))
    step = 2 * _STEPS
    for turn in range(1 if problem.soft else _TURNS):
        # Later turns are for those that are still far.
        few = (solution.error > (_FAR if turn else 0)).nonzero()[:, 0]
        if len(few) == 0:
            break
        before = rows_of(solution, few)
        part = problem.of(few)
        turned = simplified(part, with_switches(part, before))
        if turn == 0:
            best.keep(2, rows[few], turned.x, part.errors(turned))
        best.tell(step)
        # Where something was taken away, the Jacobian is that of another face.
        same = (turned.x == before.x).all(1) | (turned.jacobian != before.jacobian).flatten(1).any(1)
        known = torch.where(same[:, None, None], turned.jacobian, torch.nan)
        after = best.polish(part, rows[few], turned.x, turned.value, 3, step + 1, known)
        better = (after.cost < before.cost) | (turn == 0)
        problem.evaluations += part.evaluations
        solution = with_rows(solution, few[better], rows_of(after, better.nonzero()[:, 0]))
        best.keep(3, rows[few], solution.x[few], problem.errors(solution)[few])
        step += 1 + _STEPS


def _polished(problem: Problem, best: _Watched, rows: Tensor, v: Tensor, value: Tensor) -> Solution:
    """The best screened points, polished; where that does not come near, of several starts the best."""
    starts = v.shape[1]
    if problem.soft:
        # They are far in any case, and calls for few portraits cost as much as for many.
        found = best.polish(problem, rows, v.flatten(0, 1), value.flatten(0, 1), 1, step=_STEPS)
        which = (found.cost * weight_of(problem, found.x)).view(len(rows), starts).argmin(1)
        best.start[rows] = which
        return rows_of(found, torch.arange(len(rows)) * starts + which)
    solution = best.polish(problem, rows, v[:, 0], value[:, 0], 1, step=0)
    far = (solution.error > _FAR).nonzero()[:, 0]
    if starts == 1 or len(far) == 0:
        return solution
    part = problem.of(far)
    owner = torch.arange(len(far)).repeat_interleave(starts - 1)
    others = part.polish(
        v[far, 1:].flatten(0, 1),
        owner,
        _STEPS,
        lambda i, found: best.tell(_STEPS + i),
        value=value[far, 1:].flatten(0, 1),
    )
    problem.evaluations += part.evaluations
    least, which = (others.cost * weight_of(part, others.x)).view(len(far), starts - 1).min(1)
    better = (least < solution.cost[far] * weight_of(part, solution.x[far])).nonzero()[:, 0]
    best.start[rows[far[better]]] = which[better] + 1
    return with_rows(solution, far[better], rows_of(others, better * (starts - 1) + which[better]))


def _refined(problem: Problem, best: _Watched) -> None:
    """Polishes the best points at the target's own size, each time after a correction of the targets."""
    rows = torch.arange(len(problem.target))
    jacobian = None
    for i in range(_REFINED):
        part = problem.of(rows)
        part.correct(best.v[rows])
        found = part.polish(best.v[rows], torch.arange(len(rows)), _STEPS // 2, jacobian=jacobian)
        problem.evaluations += part.evaluations
        best.keep(3, rows, found.x, found.error)
        best.tell(i)
        # The second polish goes on with the Jacobian of the first; the last is for those that are still far.
        jacobian = found.jacobian if i == 0 else None
        rows = rows if i == 0 else rows[found.error > _FAR]
        if len(rows) == 0:
            break


def screened_points(
    problem: Problem, starts: int, rngs: Sequence[torch.Generator]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The best points of those around what the network reads.

    Returns:
        The points (N, starts, K), what is drawn for them (N, starts, P), the error (N,) of the best, and whether (N,)
        even that is so far that the target is none that portraits show.
    """
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
    if problem.k == ALL:
        # Two of torch's threads take longer than one for as small tensors.
        with one_thread():
            parts = dressed(problem.target, _DRESSED)[0]
        v = torch.cat([v, to_normal(parts)], 1)
    count = v.shape[1]
    value = problem.draw(v.flatten(0, 1)).view(len(rngs), count, -1)
    off = value - problem.flat[:, None]
    error = off.square().mean(2)
    strange = (error.amin(1) > _STRANGE) & (problem.k == ALL)
    soft = Problem(problem.target, problem.kind, problem.prior, soft=True)
    each = v.flatten(0, 1)
    softly = soft.filtered(off.flatten(0, 1)).square().mean(1) * weight_of(soft, each)
    softly = softly + soft.strangeness(each, torch.arange(len(rngs)).repeat_interleave(count))
    cost = torch.where(strange[:, None], softly.view(error.shape), error)
    if problem.k == ALL and starts > 1:
        # One start of either kind: what is made of parts is nearer at first, what was read often ends nearer.
        ranked = cost.clone()
        for part in (ranked[:, :-_DRESSED], ranked[:, -_DRESSED:]):
            part.scatter_(1, part.argmin(1, keepdim=True), part.amin(1, keepdim=True) - 1)
        which = ranked.topk(starts, dim=1, largest=False).indices
    else:
        which = cost.topk(starts, dim=1, largest=False).indices
    rows = torch.arange(len(rngs))[:, None]
    return v[rows, which], value[rows, which], error.gather(1, which[:, :1])[:, 0], strange
