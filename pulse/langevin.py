"""Samples of a posterior: chains of Metropolis-adjusted Langevin steps, started from the prior and cooled.

What is sampled is x in R^d with a standard normal prior and measured values with normal noise, at a temperature T of
the likelihood:

    p(x | y) ~ exp(-||f(x) - y||^2 / (2 T variance)) exp(-||x||^2 / 2).

Where f does not depend on the length of x, because a mapping network scales its input, the direction of x has a uniform
prior on the sphere.

Sources: A. Jalal et al., Fairness for Image Generation with Uncertain Sensitive Attributes (ICML 2021), sample the
posterior of a generator by annealed Langevin steps. G. Roberts and R. Tweedie (Bernoulli 2(4), 1996) correct the steps
after Metropolis and truncate their drift; G. Roberts and J. Rosenthal (J. R. Stat. Soc. B 60(1), 1998) give the best
rate of acceptance. The metric is a Gauss-Newton Hessian (M. Girolami and B. Calderhead, J. R. Stat. Soc. B 73(2),
2011), here a mean over chains, estimated by random vectors (M. Hutchinson, Comm. Stat. 19(2), 1990). While they cool,
chains that fall behind are replaced by copies of others (P. Del Moral, A. Doucet and A. Jasra, Sequential Monte Carlo
Samplers, J. R. Stat. Soc. B 68(3), 2006).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# The rate of acceptance to aim at: the best one of Langevin steps in many dimensions.
_ACCEPTED = 0.574
# Of the burn-in, the part in which the chains cool; in the rest they learn their step sizes.
_COOLING = 0.8
# The first temperature, relative to that at which the likelihood counts as much as the prior.
_HOT = 2.0
# Chains are replaced when the weights of less than this part of them count.
_ALIKE = 0.5
# How much of what was learnt of the metric each step keeps.
_KEPT = 0.95
# Step sizes: the first, the longest, and how fast they are learnt.
_FIRST, _LONGEST, _GAIN = 0.3, 2.0, 0.4


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

    The burn-in cools from a temperature at which the likelihood counts little. It learns the metric and a step size for
    each chain, and replaces chains that fall behind. Afterwards nothing is learnt, and every step of a chain leaves the
    posterior as it is.

    Args:
        values: (m, d) -> (m, n), each row on its own; differentiable.
        x: (M, d), draws of the prior.
        target: (n,).
        variance: of the noise of one value.
        rngs: one for each chain.
        steps: in all; the first `burn_in` of them only lead there.
        temperature: T.
        at_once: how many points `values` gets in a call.

    >>> rngs = [torch.Generator().manual_seed(i) for i in range(200)]
    >>> start = torch.stack([torch.randn(1, generator=rng) for rng in rngs])
    >>> *_, last = langevin(lambda x: x, start, torch.tensor([2.0]), 1.0, rngs, steps=40, burn_in=20)
    >>> abs(float(last.x.mean()) - 1) < 0.15, abs(float(last.x.var()) - 0.5) < 0.15  # known: mean 1, variance 1/2
    (True, True)
    """
    m, d = x.shape
    square, pull, _ = _measured(values, x, target, None, at_once)
    finite = _finite(square, pull)
    mean = float(square[finite].mean()) if bool(finite.any()) else 0.0
    hot = max(temperature, _HOT * mean / (variance * d))
    log_step = x.new_full((m,), math.log(_FIRST))
    log_weight = x.new_zeros(m)
    curvature, known = x.new_zeros(d, d), 0.0
    identity = torch.eye(d, dtype=x.dtype, device=x.device)
    root, strength = identity, 0.0
    taken, tried = x.new_zeros(m), 0

    def state(step: int) -> Chains:
        energy = square / (2 * variance * temperature) + x.square().sum(1) / 2
        return Chains(step, x.clone(), square / len(target), energy, taken / max(1, tried), finite.clone())

    yield state(0)
    for step in range(steps):
        if step == burn_in:
            taken, tried = torch.zeros_like(taken), 0
        if step <= burn_in:
            cooled = min(1.0, step / max(1.0, _COOLING * burn_in))
            before, strength = strength, 1 / (variance * hot ** (1 - cooled) * temperature**cooled)
            if step > 0:
                log_weight = log_weight - (strength - before) / 2 * square
                kept = _chosen(log_weight.masked_fill(~finite, -math.inf), rngs[0])
                if kept is not None:
                    x, square, pull, log_step, finite = (t[kept] for t in (x, square, pull, log_step, finite))
                    log_weight = torch.zeros_like(log_weight)
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
            seen = probe[probe.isfinite().all(1)]
            curvature = _KEPT * curvature + seen.T @ seen / max(1, len(seen))
            known = _KEPT * known + 1
            gain = _GAIN * (1 + max(0.0, step - _COOLING * burn_in)) ** -0.5
            log_step = (log_step + gain * (rate - _ACCEPTED)).clamp(max=math.log(_LONGEST))
        yield state(step + 1)


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


def _chosen(log_weight: Tensor, rng: torch.Generator) -> Tensor | None:
    """Which chains go on in the place of each, by systematic sampling of their weights; None while most count."""
    weight = torch.softmax(log_weight, 0)
    count = len(weight)
    if not bool(weight.isfinite().all()) or 1 / weight.square().sum() >= _ALIKE * count:
        return None
    at = (torch.arange(count) + torch.rand(1, generator=rng)) / count
    return torch.searchsorted(weight.cumsum(0), at.to(weight)).clamp(max=count - 1)


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
