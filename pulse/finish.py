"""The last stretch: Gauss-Newton on few numbers.

A gradient gives the direction of descent; with few variables, a Jacobian also gives the distance. The Levenberg-
Marquardt method (K. Levenberg 1944; D. Marquardt 1963; in the form of J. Nocedal and S. Wright, Numerical Optimization,
2nd edition, section 10.3) needs a dozen steps where descent needs hundreds. scipy's `least_squares` does the same for
one problem at a time; here many run in one batch, because what is evaluated (a renderer, a generator) is several times
cheaper in batches.

Drawn answers use it on the renderer. It serves as well on the Z of a StyleGAN, from a point that a search has found or
that was drawn::

    G = stylegan.load("default")

    def small(z):
        return pulse.downsample(G(z, None, noise_mode="const") / 2 + 0.5, size=16).flatten(1)

    z = torch.randn(4, G.z_dim, generator=rng)
    z *= (G.z_dim / z.square().sum(1, keepdim=True)).sqrt()
    found = least_squares(small, z, target.flatten(1), spherical=True, steps=10)
    faces = G(found.x, None, noise_mode="const") / 2 + 0.5
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pulse import sphere

# Dampings tried at each step, relative to the one that worked last. Trying them costs little beside a Jacobian.
_DAMPINGS = (0.1, 1.0, 10.0)
_LEAST_DAMPING, _MOST_DAMPING = 1e-6, 1e6


@dataclass(frozen=True)
class Solution:
    """What `least_squares` found for each of B problems.

    Attributes:
        x: (B, K), the best points.
        value: (B, P), the function there.
        error: (B,), mean squared difference of `value` and the target.
        cost: (B,), `error` plus the prior's term.
        steps: (B,) int64, how many steps were taken that lowered the cost.
        evaluations: how often the function was evaluated, counted in rows.
        jacobian: (B, P, K), the last one of each row; 0 in columns that were not free, and in rows that took no step.
    """

    x: Tensor
    value: Tensor
    error: Tensor
    cost: Tensor
    steps: Tensor
    evaluations: int
    jacobian: Tensor


@torch.no_grad()
def least_squares(
    function: Callable[[Tensor], Tensor],
    x: Tensor,
    target: Tensor,
    *,
    prior: float | Tensor = 0.0,
    centre: Tensor | None = None,
    stiff: Tensor | None = None,
    free: Tensor | None = None,
    value: Tensor | None = None,
    jacobian: Tensor | None = None,
    renew: int = 1,
    little: float = 0.0,
    spherical: bool = False,
    steps: int = 8,
    difference: float = 0.05,
    longest: float = 1.0,
    enough: float = 0.0,
    callback: Callable[[int, Solution], object] | None = None,
) -> Solution:
    """Moves points until a function of them is near its targets (Levenberg-Marquardt, many problems at once).

    Minimises, for each row, mean((function(x) - target)^2) + mean((prior + stiff) * (x - centre)^2). The
    Jacobian is taken by one-sided differences towards 0, so that a point at the edge of the likely range is not
    evaluated outside of it.

    Args:
        function: (M, K) -> (M, P), each row on its own; it need not be differentiable.
        x: (B, K), the starting points.
        target: (B, P).
        prior: weight of the prior, a number or (B,); x counts as standard normal, so this is the maximum a posteriori
            point for noise of variance `prior` * P / K.
        centre: (B, K), the prior's mean; 0 by default.
        stiff: (K,), by how much more each coordinate weighs in the prior; 0 by default.
        free: (B, K) or (K,) bool, the coordinates that may move; all by default.
        value: (B, P), the function at `x` where it is known, so that it is not evaluated there.
        jacobian: (B, P, K), where the first step takes it from, so that it is not evaluated; a `Solution` has one. A
            row of NaN is evaluated all the same.
        renew: the Jacobian is taken anew at every step of this number, and updated from what the steps between have
            seen (C. Broyden 1965; Nocedal and Wright, equation 11.14), which costs no evaluation.
        little: a coordinate of a row is differentiated once only, if a step of 1 along it changes the values by at
            most this, in mean square: the function hardly sees it.
        spherical: keep each row's length, and step along the sphere (geodesics of `pulse.sphere`); the prior then has
            no effect.
        steps: the largest number of steps.
        difference: step of the finite differences.
        longest: no coordinate moves further in one step.
        enough: a row whose error is at most this stops.
        callback: called as callback(step, solution so far); returning True ends the search.

    Returns:
        The best points; never worse than `x`.

    Raises:
        ValueError: the shapes do not fit, or the function is not finite at `x`.

    >>> line = least_squares(lambda x: x @ torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.zeros(1, 2),
    ...                      torch.tensor([[1.0, 4.0]]))
    >>> [round(v, 2) for v in line.x[0].tolist()]
    [1.0, 2.0]
    """
    if x.ndim != 2 or target.ndim != 2 or len(x) != len(target):
        raise ValueError(f"The points are {tuple(x.shape)}, the targets {tuple(target.shape)}; give (B, K) and (B, P).")
    centre = torch.zeros_like(x) if centre is None else centre
    stiff = torch.zeros_like(x[0]) if stiff is None else stiff
    weight = torch.as_tensor(prior, dtype=x.dtype).expand(len(x))
    problem = _Problem(function, target, weight, centre, stiff, spherical)
    free = torch.ones_like(x, dtype=torch.bool) if free is None else free.expand_as(x).clone()
    seen = free.clone()
    shape = (len(x), target.shape[1], x.shape[1])
    if jacobian is not None and jacobian.shape != shape:
        raise ValueError(f"The Jacobian is {tuple(jacobian.shape)}; give {shape}, or none.")
    if value is not None and value.shape != target.shape:
        raise ValueError(f"The values are {tuple(value.shape)}; give {tuple(target.shape)}, or none.")
    value = problem.evaluate(x) if value is None else value
    jacobian = x.new_full(shape, torch.nan) if jacobian is None else jacobian * free[:, None]
    best = problem.solution(x, value, torch.zeros(len(x), dtype=torch.int64), jacobian)
    if not best.cost.isfinite().all():
        raise ValueError("The function is not finite where the search begins; begin somewhere else.")
    damping = torch.full((len(x),), 1e-2, dtype=x.dtype)
    for step in range(steps):
        rows = ((best.error > enough) & (damping < _MOST_DAMPING)).nonzero()[:, 0]
        if len(rows) == 0:
            break
        if step % renew == 0:
            asked = rows if step > 0 else rows[jacobian[rows].isnan().flatten(1).any(1)]
            jacobian = problem.renewed(jacobian, asked, best, difference, seen)
            seen = seen & (jacobian.square().mean(1) > little)
        tried = damping[rows, None] * torch.tensor(_DAMPINGS)
        away = best.x[rows] - centre[rows]
        moves = problem.moves(jacobian[rows], free[rows], away, best.value[rows], rows, tried)
        before = best
        best, which = problem.try_moves(best, rows, moves.clamp(-longest, longest), jacobian)
        if renew > 1:
            jacobian = _updated(jacobian, best.x - before.x, best.value - before.value)
        helped = which >= 0
        picked = tried.gather(1, which.clamp(min=0)[:, None])[:, 0].clamp(min=_LEAST_DAMPING)
        damping[rows] = torch.where(helped, picked, damping[rows] * 30)
        if callback is not None and callback(step, best) is True:
            break
    return replace(best, jacobian=best.jacobian.nan_to_num(0))


def _updated(jacobian: Tensor, moved: Tensor, changed: Tensor) -> Tensor:
    """Broyden's Jacobian (B, P, K): of all that give `changed` for `moved`, the one nearest to the last."""
    off = changed - (jacobian @ moved[:, :, None])[:, :, 0]
    length = moved.square().sum(1).clamp(min=1e-9)
    return jacobian + off[:, :, None] * (moved / length[:, None])[:, None]


class _Problem:
    """The function with its targets, and how often it was evaluated."""

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        target: Tensor,
        prior: Tensor,
        centre: Tensor,
        stiff: Tensor,
        spherical: bool,
    ) -> None:
        self.function = function
        self.target = target
        self.centre = centre
        self.prior = torch.zeros_like(prior) if spherical else prior
        self.stiff = torch.zeros_like(stiff) if spherical else stiff
        self.spherical = spherical
        self.evaluations = 0

    def evaluate(self, x: Tensor) -> Tensor:
        self.evaluations += len(x)
        return self.function(x)

    def solution(self, x: Tensor, value: Tensor, steps: Tensor, jacobian: Tensor) -> Solution:
        error = (value - self.target).square().mean(1)
        cost = error + self.penalty(x - self.centre, self.prior)
        return Solution(x, value, error, cost, steps, self.evaluations, jacobian)

    def penalty(self, away: Tensor, prior: Tensor) -> Tensor:
        """The prior's term of points that are `away` (..., K) from the centre."""
        square = away.square()
        return prior * square.mean(-1) + (self.stiff * square).mean(-1)

    def moved(self, x: Tensor, move: Tensor) -> Tensor:
        return sphere.exp(x, move) if self.spherical else x + move

    def renewed(self, jacobian: Tensor, rows: Tensor, best: Solution, difference: float, seen: Tensor) -> Tensor:
        """The Jacobian (B, P, K) with the columns of some rows that are `seen` (B, K) taken anew; 0 for NaN."""
        asked = torch.zeros_like(seen)
        asked[rows] = seen[rows]
        row, column = asked.nonzero().unbind(1)
        if len(row) == 0:
            return jacobian.nan_to_num(0)
        x = best.x[row]
        at = torch.arange(len(row))
        towards = torch.where(x[at, column] > 0, -difference, difference).to(x.dtype)
        step = torch.zeros_like(x)
        step[at, column] = towards
        changed = self.evaluate(self.moved(x, step)) - best.value[row]
        jacobian = jacobian.nan_to_num(0)
        jacobian[row, :, column] = changed / towards[:, None]
        return jacobian

    def moves(
        self, jacobian: Tensor, free: Tensor, away: Tensor, value: Tensor, rows: Tensor, damping: Tensor
    ) -> Tensor:
        """(B, D, K): the steps of the damped normal equations for each of D dampings, `away` (B, K) from the centre."""
        p, k = jacobian.shape[1:]
        weight = (self.prior[rows] / k)[:, None] + self.stiff / k
        normal = jacobian.transpose(1, 2) @ jacobian / p + torch.diag_embed(weight)
        gradient = (jacobian.transpose(1, 2) @ (value - self.target[rows])[:, :, None])[:, :, 0] / p + weight * away
        scale = normal.diagonal(dim1=1, dim2=2).mean(1).clamp(min=torch.finfo(away.dtype).tiny)
        damped = normal[:, None] + torch.diag_embed((damping * scale[:, None])[:, :, None].expand(-1, -1, k))
        # The column of a coordinate that is not free is 0, so that without a gradient it stays.
        pull = -(gradient * free)[:, None].expand(-1, damping.shape[1], -1)
        return torch.linalg.solve(damped, pull)

    def try_moves(self, best: Solution, rows: Tensor, moves: Tensor, jacobian: Tensor) -> tuple[Solution, Tensor]:
        """The better of `best` and the results of the moves; and which move helped each row, -1 for none."""
        b, d, k = moves.shape
        x = self.moved(best.x[rows, None].expand(b, d, k), moves)
        values = self.evaluate(x.reshape(b * d, k)).view(b, d, -1)
        error = (values - self.target[rows, None]).square().mean(2)
        cost = error + self.penalty(x - self.centre[rows, None], self.prior[rows, None])
        cost = cost.nan_to_num(torch.inf, torch.inf)
        least, which = cost.min(1)
        helped = least < best.cost[rows]
        taken, one = rows[helped], which[helped]
        found, value, steps = best.x.clone(), best.value.clone(), best.steps.clone()
        found[taken], value[taken] = x[helped, one], values[helped, one]
        steps[taken] += 1
        return self.solution(found, value, steps, jacobian), torch.where(helped, which, -1)
