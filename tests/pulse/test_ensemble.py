"""Where chains of a posterior begin: an ensemble that regression moves to it."""

from __future__ import annotations

import torch
from torch import Tensor

from pulse.ensemble import Ensemble, _moves, fitting, smooth


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=rng(seed))


def moved(values, target: Tensor, variance: float, d: int, count: int, rounds: int = 5) -> Tensor:
    *_, last = smooth(values, draw(count, d, seed=1), target, variance, rng(), rounds=rounds)
    assert last.round == rounds
    return last.x


def test_of_a_linear_problem_the_members_are_draws_of_the_posterior():
    matrix, variance = draw(4, 6), 0.1
    hessian = torch.eye(4) + matrix @ matrix.T / variance
    target = draw(4, seed=2) @ matrix
    mean = torch.linalg.solve(hessian, matrix @ target / variance)
    x = moved(lambda x: x @ matrix, target, variance, 4, 4000)
    white = (x - mean) @ torch.linalg.cholesky(hessian)
    assert white.mean(0).abs().max() < 0.1
    torch.testing.assert_close(torch.cov(white.T), torch.eye(4), atol=0.1, rtol=0)


def test_coordinates_of_which_nothing_is_known_keep_their_spread():
    # Without shrinking, chance correlations of 128 members with 60 values narrow them to about 0.6.
    matrix = draw(60, 60)
    matrix[20:] = 0
    x = moved(lambda x: (x @ matrix).sin(), (draw(60, seed=2) @ matrix).sin(), 0.05, 60, 128)
    assert 0.9 < x[:, 20:].std(0).mean() < 1.1


def test_values_may_be_more_or_fewer_than_members():
    matrix, count = draw(3, 40), 200
    x, wanted = draw(count, 3, seed=1), draw(count, 40, seed=2)
    few = _moves(x, x @ matrix, wanted, 0.5)
    # As many values of nothing change no move, but the side that is decomposed.
    nothing = torch.zeros(count, 200)
    many = _moves(x, torch.cat([x @ matrix, nothing], 1), torch.cat([wanted, nothing], 1), 0.5)
    torch.testing.assert_close(few, many, atol=1e-4, rtol=1e-4)


def test_members_whose_values_are_not_finite_go_on_in_the_place_of_others():
    x = moved(lambda x: torch.where(x > -0.5, x, torch.nan), torch.tensor([1.0]), 0.1, 1, 100)
    assert bool((x > 0).all())


def test_where_nothing_is_finite_the_members_stay():
    start = draw(10, 2)
    every = list(smooth(lambda x: x * torch.nan, start, torch.zeros(2), 0.1, rng(), rounds=3))
    assert len(every) == 1
    torch.testing.assert_close(every[0].x, start)


def test_the_slope_is_the_jacobian_of_a_linear_function():
    matrix, x = draw(3, 5), draw(40, 3)
    values = x @ matrix + 1
    values[7] = torch.nan
    torch.testing.assert_close(Ensemble(0, x, values).slope().float(), matrix, atol=1e-4, rtol=1e-4)


def test_members_that_fit_far_worse_are_lost_and_few_are_taken_twice():
    energy = torch.cat([draw(90).abs(), torch.full((9,), 1e3), torch.tensor([torch.nan])])
    chosen = fitting(energy, 40, rng())
    assert bool((chosen < 90).all())
    assert len(chosen.unique()) > 32
    # In random order: neighbours among the members are none among the chosen.
    assert not bool((chosen.diff() >= 0).all())


def test_members_that_fit_alike_are_all_chosen():
    assert sorted(fitting(torch.zeros(16), 16, rng()).tolist()) == list(range(16))
    assert len(fitting(torch.full((4,), torch.nan), 3, rng())) == 3
