"""Where to begin sampling a posterior: an ensemble of draws of the prior, moved to the measurement by regression.

Each member has its own noisy copy of the measurement, and moves by the regression of all members on their values: an
ensemble smoother, in a few rounds with the variance of the noise enlarged (A. Emerick and A. Reynolds, Ensemble
Smoother with Multiple Data Assimilation, Computers & Geosciences 55, 2013). It is the ensemble form of randomised
maximum likelihood (D. Oliver, N. He and A. Reynolds, 1996): if the values are linear in x and the members are many, the
moved members are independent draws of the posterior. If they are not linear, they are near it and spread, and other
steps have to correct them (`pulse.langevin`). Descent from single draws ends in other places that fit badly; a
regression over the whole ensemble does not see the small valleys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

# The noise of each round has this part of the variance of the one before.
_RATIO = 1.7
# A correlation counts only as far as it is larger than so many standard errors.
_ERRORS = 2.0
# The ridge of the slope, relative to the mean variance of a coordinate.
_RIDGE = 1e-6


@dataclass(frozen=True)
class Ensemble:
    """The members after `round` rounds.

    Attributes:
        round: how many rounds led here.
        x: (N, d).
        values: (N, n) of x.
    """

    round: int
    x: Tensor
    values: Tensor

    def slope(self) -> Tensor:
        """The regression of the values on x, (d, n): what the Jacobian is on average. In float64.

        Members whose values are not finite are left out; it is 0 where fewer than two are left.
        """
        some = self.values.isfinite().all(1)
        if int(some.sum()) < 2:
            return torch.zeros(self.x.shape[1], self.values.shape[1], dtype=torch.float64, device=self.x.device)
        x, values = _centred(self.x[some]), _centred(self.values[some])
        normal = x.T @ x
        ridge = _RIDGE * normal.diagonal().mean().clamp(min=1e-30)
        return torch.linalg.solve(normal + ridge * torch.eye(len(normal), dtype=x.dtype, device=x.device), x.T @ values)


def fitting(energy: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Which members (count,) of an ensemble to go on with: chosen by weights that lose those that fit far worse.

    The weights are exp(-energy / t), with the smallest t for which half of the members count (the effective number of
    A. Kong, J. Liu and W. Wong, J. Am. Stat. Ass. 89, 1994). The choice is systematic, so that few members are chosen
    twice, and in random order.

    Args:
        energy: (N,), minus the logarithm of the members' density; members where it is not finite are not chosen while
            there are others.
        count: how many to choose.
        rng: chooses.
    """
    weight = energy.isfinite().double()
    if not bool(weight.any()):
        weight = torch.ones_like(weight)
    else:
        above = (energy.double() - energy[energy.isfinite()].min()).nan_to_num(torch.inf)
        least = float(weight.sum()) / 2
        for t in 2.0 ** torch.arange(0, 40, dtype=torch.float64):
            weight = torch.exp(-above / t)
            if float(weight.sum()) ** 2 >= least * float(weight.square().sum()):
                break
    at = (torch.arange(count) + torch.rand(1, generator=rng)) / count
    chosen = torch.searchsorted((weight / weight.sum()).cumsum(0), at.to(weight)).clamp(max=len(energy) - 1)
    return chosen[torch.randperm(count, generator=rng).to(chosen.device)]


def smooth(
    values: Callable[[Tensor], Tensor],
    x: Tensor,
    target: Tensor,
    variance: float,
    rng: torch.Generator,
    *,
    rounds: int,
) -> Iterator[Ensemble]:
    """Moves draws of a standard normal prior towards the posterior; yields the start, and the members after each round.

    The inverses of the rounds' enlargements of the variance sum to 1, so that the measurement counts once (Emerick and
    Reynolds, equation 6). Correlations between coordinates and values are shrunk, or too few members would narrow
    coordinates that the measurement says nothing of: by the non-negative garrote (L. Breiman, Technometrics 37(4),
    1995) at two standard errors, which leaves large ones nearly as they are (R. Furrer and T. Bengtsson, J.
    Multivariate Analysis 98(2), 2007, show why to shrink).

    Args:
        values: (N, d) -> (N, n), each row on its own; it need not be differentiable.
        x: (N, d), draws of the prior. A member whose values are not finite goes on in the place of another.
        target: (n,), measured.
        variance: of the noise of one value.
        rng: draws the noise of the copies.
        rounds: how many.

    >>> rng = torch.Generator().manual_seed(0)
    >>> x = torch.randn(2000, 1, generator=rng)
    >>> *_, last = smooth(lambda x: x, x, torch.tensor([2.0]), 1.0, rng, rounds=3)
    >>> abs(float(last.x.mean()) - 1) < 0.1, abs(float(last.x.var()) - 0.5) < 0.1  # known: mean 1, variance 1/2
    (True, True)
    """
    found = values(x)
    yield Ensemble(0, x, found)
    inverse = torch.tensor([_RATIO ** (k + 1 - rounds) for k in range(rounds)], dtype=torch.float64)
    for k, factor in enumerate((inverse.sum() / inverse).tolist()):
        finite = found.isfinite().all(1)
        if int(finite.sum()) < 2:
            return
        if not bool(finite.all()):
            others = finite.nonzero()[:, 0]
            lost = (~finite).nonzero()[:, 0]
            taken = others[torch.randint(len(others), (len(lost),), generator=rng).to(others.device)]
            x, found = x.index_copy(0, lost, x[taken]), found.index_copy(0, lost, found[taken])
        noise = torch.randn(found.shape, generator=rng).to(found)
        x = x + _moves(x, found, target + (factor * variance) ** 0.5 * noise - found, factor * variance)
        found = values(x)
        yield Ensemble(k + 1, x, found)


def _moves(x: Tensor, values: Tensor, wanted: Tensor, variance: float) -> Tensor:
    """The moves (N, d) of members x (N, d) whose values (N, n) are to change by `wanted` (N, n), as far as noise lets.

    In the principal components of the values, which are as many as members, the gain of a component of variance s^2 is
    correlation * deviation of x * s / (s^2 + variance).
    """
    away, changed, count = _centred(x), _centred(values), len(x)
    square, axes = torch.linalg.eigh(changed.T @ changed if changed.shape[1] < count else changed @ changed.T)
    kept = square > 1e-10 * square.max().clamp(min=1e-30)
    square, axes = square[kept], axes[:, kept]
    if changed.shape[1] >= count:
        axes = changed.T @ axes / square.sqrt()
    sides = changed @ axes / square.sqrt()
    length = away.norm(dim=0).clamp(min=1e-30)
    correlation = (away / length).T @ sides
    certain = (1 - _ERRORS**2 / count / correlation.square().clamp(min=1e-30)).clamp(min=0)
    deviation = (square / (count - 1)).sqrt()
    gain = certain * correlation * (length / (count - 1) ** 0.5)[:, None] * deviation / (deviation.square() + variance)
    return (wanted.double() @ axes @ gain.T).to(x)


def _centred(rows: Tensor) -> Tensor:
    rows = rows.double()
    return rows - rows.mean(0)
