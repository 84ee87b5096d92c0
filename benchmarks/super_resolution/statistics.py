"""Means with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

ROUNDS = 1000


def interval(values: Sequence[Any] | np.ndarray, seed: int = 0) -> list[float] | None:
    """The mean, and the 2.5 and 97.5 % quantiles of the means of samples drawn again (Efron 1979).

    Args:
        values: numbers; None and NaN are left out.
        seed: of the samples.

    Returns:
        [mean, low, high], the last two NaN for fewer than two numbers; None without any.

    >>> interval([1.0, 1.0, None, 1.0])
    [1.0, 1.0, 1.0]
    """
    numbers = np.array([np.nan if value is None else value for value in values], dtype=float)
    numbers = numbers[~np.isnan(numbers)]
    count = len(numbers)
    if count < 2:
        return [float(numbers[0]), float("nan"), float("nan")] if count else None
    rows = np.random.default_rng(seed).integers(count, size=(ROUNDS, count))
    low, high = np.quantile(numbers[rows].mean(1), [0.025, 0.975])
    return [float(numbers.mean()), float(low), float(high)]


def interval_of(statistic: Callable[..., Any], *columns: np.ndarray, seed: int = 0) -> list[float] | None:
    """As `interval`, of any statistic of columns (N,) without NaN, whose rows are drawn together."""
    count = len(columns[0])
    if count == 0:
        return None
    value = float(statistic(*columns))
    if count < 2:
        return [value, float("nan"), float("nan")]
    rng = np.random.default_rng(seed)
    again = []
    for _ in range(ROUNDS):
        rows = rng.integers(count, size=count)
        again.append(float(statistic(*(column[rows] for column in columns))))
    low, high = np.quantile(again, [0.025, 0.975])
    return [value, float(low), float(high)]
