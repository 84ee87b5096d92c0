"""Samples of a posterior: chains of Metropolis-adjusted Langevin steps from an ensemble that was moved to it.

What is sampled is x in R^d with a standard normal prior and measured values with normal noise, at a temperature T of
the likelihood:

    p(x | y) ~ exp(-||f(x) - y||^2 / (2 T variance)) exp(-||x||^2 / 2).

Where f does not depend on the length of x, because a mapping network scales its input, the direction of x has a uniform
prior on the sphere.

Sources: A. Jalal et al., Fairness for Image Generation with Uncertain Sensitive Attributes (ICML 2021), sample the
posterior of a generator by Langevin steps. G. Roberts and R. Tweedie (Bernoulli 2(4), 1996) correct the steps after
Metropolis and truncate their drift; G. Roberts and J. Rosenthal (J. R. Stat. Soc. B 60(1), 1998) give the best rate of
acceptance. The metric is a Gauss-Newton Hessian (M. Girolami and B. Calderhead, J. R. Stat. Soc. B 73(2), 2011), here a
mean over the ensemble and the chains, the latter by random vectors (M. Hutchinson, Comm. Stat. 19(2), 1990). The chains
begin where an ensemble smoother leads (`pulse.ensemble`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pulse.ensemble import fitting, smooth

# The rate of acceptance to aim at: the best one of Langevin steps in many dimensions.
_ACCEPTED = 0.574
# Of the burn-in, the part that the ensemble takes; in the rest the chains learn their step sizes and the metric.
_ENSEMBLE = 0.75
_ROUNDS = 5
# Without gradients so many times more points fit into a call.
_WITHOUT_GRADIENTS = 4
# Members of the ensemble, at least; and how many for each coordinate, because a regression needs more than one.
_MEMBERS, _FOR_EACH = 256, 2
# How much of what was learnt of the metric each step keeps, and how many such steps the ensemble's share is worth.
_KEPT, _WORTH = 0.95, 5.0
# Step sizes: the first, the longest, and how fast they are learnt.
_FIRST, _LONGEST, _GAIN = 0.1, 2.0, 0.5


@dataclass(frozen=True)
class Chains:
    """Where the chains are after `step` steps.

    Attributes:
        step: how many steps led here.
        x: (M, d).
        error: (M,) mean squared difference of the values and the target.
        energy: (M,) minus the logarithm of the density at temperature T, up to a constant.
        accepted: (M,) the share of the proposals taken since the burn-in, and while it lasts, so far.
        finite: (M,) False for chains that never were where the values are finite.
    """

    step: int
    x: Tensor
    error: Tensor
    energy: Tensor
    accepted: Tensor
    finite: Tensor


def langevin(
    values: Callable[[Tensor], Tensor],
    x: Tensor,
    target: Tensor,
    variance: float,
    rngs: Sequence[torch.Generator],
    *,
    steps: int,
    burn_in: int,
    temperature: float = 1.0,
    at_once: int = 64,
) -> Iterator[Chains]:
    """Walks M chains into one posterior; yields the start, and the chains after every step.

    The burn-in leads an ensemble there, in a few rounds that stand for several steps each. The chains go on from
    members that fit, and learn the metric and a step size each. Afterwards nothing is learnt, and every
    step of a chain leaves the posterior as it is.

    Args:
        values: (m, d) -> (m, n), each row on its own; differentiable.
        x: (M, d), draws of the prior.
        target: (n,).
        variance: of the noise of one value.
        rngs: one for each chain; the first also draws the rest of the ensemble.
        steps: in all; the first `burn_in` of them only lead there. Without burn-in the chains begin at x.
        temperature: T.
        at_once: how many points `values` gets in a call.

    >>> rngs = [torch.Generator().manual_seed(i) for i in range(200)]
    >>> start = torch.stack([torch.randn(1, generator=rng) for rng in rngs])
    >>> *_, last = langevin(lambda x: x, start, torch.tensor([2.0]), 1.0, rngs, steps=40, burn_in=20)
    >>> abs(float(last.x.mean()) - 1) < 0.15, abs(float(last.x.var()) - 0.5) < 0.15  # known: mean 1, variance 1/2
    (True, True)
    """
    m, d = x.shape
    noise_variance = variance * temperature
    strength = 1 / noise_variance
    taken, tried = x.new_zeros(m), 0

    def state(step: int, x: Tensor, square: Tensor, finite: Tensor) -> Chains:
        square = square.nan_to_num(0, 0)
        energy = strength / 2 * square + x.square().sum(1) / 2
        return Chains(step, x.clone(), square / len(target), energy, taken / max(1, tried), finite.clone())

    @torch.no_grad()
    def seen(points: Tensor) -> Tensor:
        return torch.cat([values(some) for some in points.split(_WITHOUT_GRADIENTS * at_once)])

    led = int(_ENSEMBLE * burn_in)
    rounds = min(_ROUNDS, led)
    more = max(_MEMBERS, _FOR_EACH * d) - m if rounds else 0
    members = torch.cat([x, torch.randn(max(0, more), d, generator=rngs[0]).to(x)])
    curvature, known = x.new_zeros(d, d), 0.0
    for ensemble in smooth(seen, members, target, noise_variance, rngs[0], rounds=rounds):
        x, off = ensemble.x[:m], (ensemble.values[:m] - target).square().sum(1)
        yield state(led * ensemble.round // max(1, rounds), x, off, off.isfinite())
        if ensemble.round == rounds > 0:
            every = strength / 2 * (ensemble.values - target).square().sum(1) + ensemble.x.square().sum(1) / 2
            x = ensemble.x[fitting(every, m, rngs[0])]
            slope = ensemble.slope()
            curvature, known = _WORTH * (slope @ slope.T).to(x), _WORTH
    square, pull, _ = _measured(values, x, target, None, at_once)
    finite = _finite(square, pull)
    square, pull = square.nan_to_num(0, 0), pull.nan_to_num(0, 0, 0)
    log_step = x.new_full((m,), math.log(_FIRST))
    identity = torch.eye(d, dtype=x.dtype, device=x.device)
    root = identity
    for step in range(led, steps):
        if step == burn_in:
            taken, tried = torch.zeros_like(taken), 0
        if step <= burn_in:
            root = torch.linalg.cholesky(identity + curvature * (strength / max(known, 1e-9)))
        size = log_step.exp()[:, None]
        normal = _normal(rngs, d).to(x)
        moved = x + size / 2 * _drift(root, -strength * pull - x) + size.sqrt() * _solved(root, normal, transposed=True)
        noise = _normal(rngs, len(target)).to(x) if step < burn_in else None
        new_square, new_pull, probe = _measured(values, moved, target, noise, at_once)
        good = _finite(new_square, new_pull)
        new_square, new_pull = new_square.nan_to_num(0, 0), new_pull.nan_to_num(0, 0, 0)
        # The logarithms of the proposal's densities, there and back: -||root^T (step - drift)||^2 / (2 size).
        back = (x - moved - size / 2 * _drift(root, -strength * new_pull - moved)) @ root
        proposal = normal.square().sum(1) - back.square().sum(1) / size[:, 0]
        density = strength * (square - new_square) + x.square().sum(1) - moved.square().sum(1)
        rate = ((density + proposal) / 2).clamp(max=0).exp()
        # A chain that begins where nothing is finite takes the first place that is.
        rate = torch.where(finite, rate, 1.0) * good
        take = _uniform(rngs).to(x) < rate
        x = torch.where(take[:, None], moved, x)
        square, pull = torch.where(take, new_square, square), torch.where(take[:, None], new_pull, pull)
        finite, taken, tried = finite | take, taken + take, tried + 1
        if probe is not None:
            some = probe[probe.isfinite().all(1)]
            curvature = _KEPT * curvature + some.T @ some / max(1, len(some))
            known = _KEPT * known + 1
            gain = _GAIN * (1 + step - led) ** -0.35
            log_step = (log_step + gain * (rate - _ACCEPTED)).clamp(max=math.log(_LONGEST))
        yield state(step + 1, x, square, finite)


def _measured(
    values: Callable[[Tensor], Tensor], x: Tensor, target: Tensor, noise: Tensor | None, at_once: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """||f(x) - y||^2 (M,), half its gradient (M, d), and J^T noise (M, d) for noise (M, n)."""
    parts = []
    for rows in torch.arange(len(x), device=x.device).split(at_once):
        with torch.enable_grad():
            point = x[rows].detach().requires_grad_()
            found = values(point)
            off = (found - target).detach()
            (pull,) = torch.autograd.grad(found, point, off, retain_graph=noise is not None)
            probe = pull if noise is None else torch.autograd.grad(found, point, noise[rows])[0]
        parts.append((off.square().sum(1), pull, probe))
    square, pull, probe = (torch.cat(some) for some in zip(*parts, strict=True))
    return square, pull, None if noise is None else probe


def _finite(square: Tensor, pull: Tensor) -> Tensor:
    return square.isfinite() & pull.isfinite().all(1)


def _drift(root: Tensor, slope: Tensor) -> Tensor:
    """Slopes (M, d) in the metric H = root root^T: H^-1 slope, at most sqrt(d) long there."""
    half = _solved(root, slope)
    longest = math.sqrt(slope.shape[1])
    half = half * (longest / half.norm(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1)
    return _solved(root, half, transposed=True)


def _solved(root: Tensor, rows: Tensor, transposed: bool = False) -> Tensor:
    """root^-1, or root^-T, times each of the rows (M, d)."""
    return torch.linalg.solve_triangular(root.mT if transposed else root, rows.mT, upper=transposed).mT


def _normal(rngs: Sequence[torch.Generator], count: int) -> Tensor:
    return torch.stack([torch.randn(count, generator=rng) for rng in rngs])


def _uniform(rngs: Sequence[torch.Generator]) -> Tensor:
    return torch.cat([torch.rand(1, generator=rng) for rng in rngs])
