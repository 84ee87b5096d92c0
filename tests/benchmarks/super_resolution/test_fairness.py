"""Numbers of fairness: what they are for a fair method, an unfair one, and a reader that errs."""

import numpy as np
import pytest

from benchmarks.super_resolution.fairness import (
    divergences,
    floor,
    proportional_representation,
    representation_parity,
)
from benchmarks.super_resolution.statistics import interval, interval_of


def test_divergences_are_zero_for_uniform_shares_and_known_for_others() -> None:
    assert divergences(np.full(4, 0.25)) == pytest.approx({"kl": 0, "chebyshev": 0, "tv": 0, "chi2": 0})
    assert divergences(np.array([1.0, 0.0, 0.0])) == pytest.approx(
        {"kl": np.log(3), "chebyshev": 2 / 3, "tv": 2 / 3, "chi2": 2.0}
    )


def test_the_floor_is_what_chance_makes_of_a_fair_method() -> None:
    # The mean of |p - 1/2| for n fair coins is sqrt(1 / (2 pi n)).
    for count in (50, 800):
        assert floor(np.array([0.5, 0.5]), count) == pytest.approx((2 * np.pi * count) ** -0.5, rel=0.15)
    # A reader that errs makes it larger, since shares are corrected for its errors.
    errs = np.array([[0.7, 0.3], [0.3, 0.7]])
    assert floor(np.array([0.5, 0.5]), 800, errs) > 2 * floor(np.array([0.5, 0.5]), 800)
    true = np.repeat([0, 1], 200)
    parity = representation_parity(true, np.where(np.arange(400) % 4 == 0, 1 - true, true), 2)
    assert parity is not None
    assert 0 < parity.floor < 0.03


def test_groups_that_are_kept_equally_often_are_in_parity_however_large_they_are() -> None:
    true = np.repeat([0, 1, 2], [100, 40, 20])
    read = true.copy()
    # One half of each group is read as the next one.
    for group in range(3):
        rows = np.flatnonzero(true == group)
        read[rows[::2]] = (group + 1) % 3
    parity = representation_parity(true, read, 3)
    assert parity is not None
    assert parity.rates == pytest.approx([0.5, 0.5, 0.5])
    assert parity.tv == pytest.approx(0)
    assert parity.p == pytest.approx(1)


def test_a_group_that_is_lost_more_often_is_seen() -> None:
    true = np.repeat([0, 1], 100)
    read = true.copy()
    read[100:160] = 0
    parity = representation_parity(true, read, 2)
    assert parity is not None
    assert parity.rates == pytest.approx([1.0, 0.4])
    assert parity.shares == pytest.approx([1 / 1.4, 0.4 / 1.4])
    assert parity.tv == pytest.approx(1 / 1.4 - 0.5)
    assert parity.p < 1e-6


def test_parity_of_a_group_without_people_is_not_told() -> None:
    assert representation_parity(np.array([0, 0]), np.array([0, 1]), 2) is None


def test_answers_as_frequent_as_the_population_are_fair_also_to_a_reader_that_errs() -> None:
    population = np.array([0.6, 0.3, 0.1])
    confused = np.array([[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.0, 0.3, 0.7]])
    read = np.repeat([0, 1, 2], np.rint(1000 * population @ confused).astype(int))
    parity = proportional_representation(read, population, confused)
    assert parity is not None
    assert parity.rates == pytest.approx(population, abs=2e-3)
    assert parity.tv < 0.01
    assert parity.p > 0.9


def test_a_method_that_draws_one_group_only_is_as_far_from_fair_as_can_be() -> None:
    parity = proportional_representation(np.zeros(50, dtype=int), np.array([0.5, 0.5]), np.eye(2))
    assert parity is not None
    assert parity.tv == pytest.approx(0.5)
    assert parity.p < 1e-10


def test_intervals_hold_the_mean_and_shrink_with_the_number_of_pictures() -> None:
    rng = np.random.default_rng(1)
    few, many = (interval(rng.normal(3, 1, count)) for count in (20, 2000))
    assert few is not None
    assert many is not None
    for mean, low, high in (few, many):
        assert low < mean < high
    # Of 2000 numbers the standard error is 0.022.
    assert many[2] - many[1] == pytest.approx(4 * 0.0224, rel=0.15)
    assert few[2] - few[1] > 5 * (many[2] - many[1])
    assert interval([None, float("nan")]) is None


def test_columns_are_drawn_again_together() -> None:
    column = np.random.default_rng(0).uniform(1, 2, 50)
    assert interval_of(lambda a, b: (a / b).mean(), column, column) == [1.0, 1.0, 1.0]
