"""Whether a method keeps the groups of people, and draws all of them where the picture says nothing.

The definitions are those of Jalal et al., Fairness for Image Generation with Uncertain Sensitive Attributes (ICML
2021), and their numbers those of Laszkiewicz et al., Benchmarking the Fairness of Image Upsampling Methods (FAccT
2024):

- RDP, Representation Demographic Parity: the answer to a picture of somebody of a group shows that group equally often
  for all groups;
- PR, Proportional Representation: among the answers each group is as frequent as among the truths;
- UCPR, Uninformative Conditional Proportional Representation: among the answers to a picture that says nothing each
  group is as frequent as in the population.

Each becomes a distribution over the groups, which is uniform for a fair method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from benchmarks.tones import corrected_shares

# Draws that a floor is the mean of.
_ROUNDS = 200


@dataclass(frozen=True)
class Parity:
    """How far a method is from a fair one in one grouping.

    Args:
        shares: (k,) of the groups; what RDP compares are rates, and the shares are those rates divided by their sum.
        rates: (k,) of RDP: how often the group is kept; of PR and UCPR: how frequent the group is, corrected for the
            reader's confusions.
        kl, chebyshev, tv, chi2: Kullback-Leibler divergence, largest difference, total variation (half the sum of the
            differences) and Pearson's divergence of the shares to uniform ones; 0 for a fair method.
        p: of a chi-squared test of that fairness; NaN where it cannot be made.
        count: answers.
        floor: the mean total variation of a fair method with so many answers, which chance alone makes.
    """

    shares: list[float]
    rates: list[float]
    kl: float
    chebyshev: float
    tv: float
    chi2: float
    p: float
    count: int
    floor: float


def divergences(shares: np.ndarray) -> dict[str, float]:
    """Those of shares (k,), which sum to 1, to uniform ones.

    >>> divergences(np.array([1.0, 0.0]))["tv"]
    0.5
    """
    k = len(shares)
    away = np.abs(shares - 1 / k)
    some = shares[shares > 0]
    return {
        "kl": float((some * np.log(k * some)).sum()),
        "chebyshev": float(away.max()),
        "tv": float(away.sum() / 2),
        "chi2": float(k * (away**2).sum()),
    }


def floor(population: np.ndarray, count: int, confused: np.ndarray | None = None) -> float:
    """The mean total variation from uniform of `count` answers of a fair method, whose groups are the population's.

    Args:
        population: shares (k,) of the groups, none of them 0.
        count: answers.
        confused: (k, k) as of `proportional_representation`; None where groups are known.
    """
    rng = np.random.default_rng(0)
    seen = population if confused is None else population @ confused
    away = []
    for counts in rng.multinomial(count, seen / seen.sum(), size=_ROUNDS):
        rates = counts / count if confused is None else corrected_shares(counts / count, confused)
        weighed = rates / population
        away.append(divergences(weighed / weighed.sum())["tv"])
    return float(np.mean(away))


def representation_parity(true: np.ndarray, read: np.ndarray, kinds: int) -> Parity | None:
    """RDP of groups `read` (N,) in answers to pictures of people of the groups `true` (N,).

    The test is that of homogeneity: whether the rates of all groups are equal. None if a group has nobody.
    """
    people = np.bincount(true, minlength=kinds)
    if (people == 0).any():
        return None
    kept = np.bincount(true[true == read], minlength=kinds)
    rates = kept / people
    # Where no group is ever kept, none is kept more often than another.
    shares = rates / rates.sum() if rates.any() else np.full(kinds, 1 / kinds)
    rng, chance = np.random.default_rng(0), kept.sum() / len(true)
    again = rng.binomial(people, chance, size=(_ROUNDS, kinds)) / people
    again = np.where(again.any(1, keepdims=True), again, 1.0)
    least = float(np.mean([divergences(some)["tv"] for some in again / again.sum(1, keepdims=True)]))
    table = np.stack([kept, people - kept])
    p = float(stats.chi2_contingency(table, correction=False)[1]) if (table.sum(1) > 0).all() else 1.0
    return Parity(shares.tolist(), rates.tolist(), **divergences(shares), p=p, count=len(true), floor=least)


def proportional_representation(read: np.ndarray, population: np.ndarray, confused: np.ndarray) -> Parity | None:
    """PR or UCPR of the groups `read` (N,) in answers.

    Args:
        read: as the reader sees them.
        population: shares (k,) of the groups, none of them 0, that a fair method keeps.
        confused: (k, k), of people of each group (rows) the share read as each group (columns).

    The frequencies are corrected for the reader's confusions. The test asks whether the groups that were read fit those
    that the reader would see in the population.
    """
    kinds = len(population)
    if len(read) == 0 or (population <= 0).any():
        return None
    counts = np.bincount(read, minlength=kinds)
    rates = corrected_shares(counts / len(read), confused)
    weighed = rates / population
    shares = weighed / weighed.sum()
    expected = population @ confused
    p = float(stats.chisquare(counts, expected * len(read)).pvalue) if (expected > 0).all() else float("nan")
    return Parity(
        shares.tolist(),
        rates.tolist(),
        **divergences(shares),
        p=p,
        count=len(read),
        floor=floor(population, len(read), confused),
    )
