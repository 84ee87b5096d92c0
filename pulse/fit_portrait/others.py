"""Other portraits that make the same small picture as one that was found.

A target of 16 px fixes some twenty directions of a portrait's coordinates, and leaves the others to chance. What it
leaves open, its Jacobian J tells: near the point found, the coordinates that fit are normal with the precision
J'J / s^2 + I (the Laplace approximation; K. P. Murphy, Probabilistic Machine Learning: An Introduction, section 4.6.8).
Points are drawn from that, around the point and around what becomes of it with a switch turned, and are moved back to
the target by a few steps that need no other Jacobian.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pulse.finish import Solution
from pulse.fit_portrait.problem import MOST, Problem
from pulse.fit_portrait.switches import alternatives, foretold

# The variance s^2 of a small picture's values. A point drawn with it is off by about eps, which the steps take away.
_VARIANCE = 0.03
# By how much further than likely points the points go, because the most different ones are looked for.
_FURTHER = 1.3
STEPS = 4
# Called as watch(step, steps, v, error) with the points (M, K) so far and their errors (M,); True ends it.
Watch = Callable[[int, int, Tensor, Tensor], object]


def others(
    target: Tensor,
    v: Tensor,
    kind: str,
    prior: float,
    count: int,
    allowed: float,
    rng: torch.Generator,
    watch: Watch | None = None,
) -> Tensor:
    """Portraits (count, K) unlike v (1, K) in what the target (1, 3, s, s) does not tell.

    Args:
        target: floats in [0, 1].
        v: normal coordinates, near the target.
        kind: "people" or "any".
        prior: weight of the prior, as of `pulse.fit_portrait.fit`.
        count: how many.
        allowed: mean squared error at which one is near enough.
        rng: where the random numbers come from.
        watch: is told of every step; returning True ends it with the points so far.
    """
    problem = Problem(target, kind, prior)
    problem.correct(v)
    near = problem.polish(v, torch.zeros(1, dtype=torch.int64), 1)
    points = _drawn(problem, near, count, allowed, rng)

    def follow(step: int, found: Solution) -> object:
        return watch is not None and watch(step, STEPS, found.x, found.error)

    # All steps go on with the one Jacobian.
    known = near.jacobian.expand(count, -1, -1).clone()
    rows = torch.zeros(count, dtype=torch.int64)
    return problem.polish(points, rows, STEPS, follow, known, renew=STEPS, enough=allowed / 2).x.clamp(-MOST, MOST)


def _drawn(problem: Problem, near: Solution, count: int, allowed: float, rng: torch.Generator) -> Tensor:
    """Points (count, K), half of them with a switch turned where the target does not tell how it stands."""
    jacobian, k = near.jacobian[0], problem.k
    turned, _ = alternatives(near.x[0], problem.target[0])
    steps, left = foretold(problem, jacobian, problem.draw(turned), 0)
    open_ones = (left <= allowed).nonzero()[:, 0]
    points = near.x.repeat(count, 1)
    if len(open_ones) > 0:
        few = count // 2
        # Each at most once more often than another.
        order = torch.cat([torch.randperm(len(open_ones), generator=rng) for _ in range(-(-few // len(open_ones)))])
        picked = open_ones[order[:few]]
        points[count - few :] = turned[picked] + steps[picked]
    precision = jacobian.T @ jacobian / _VARIANCE + torch.eye(k)
    root = torch.linalg.cholesky(precision)
    moves = torch.linalg.solve_triangular(root.T, torch.randn(k, count, generator=rng), upper=True).T
    return (points + _FURTHER * moves * problem.continuous).clamp(-MOST, MOST)
