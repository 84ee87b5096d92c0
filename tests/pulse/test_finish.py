"""Levenberg-Marquardt for many small problems at once."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares as of_scipy

import pulse
from pulse import sphere
from pulse.finish import Solution, least_squares


def _curved(x: torch.Tensor) -> torch.Tensor:
    """Three numbers to five, not linear."""
    a, b, c = x.unbind(1)
    return torch.stack([a.exp(), a * b, b + c.sin(), c * c - a, a + b + c], 1)


def test_it_finds_what_scipy_finds_for_each_of_many_problems() -> None:
    rng = torch.Generator().manual_seed(0)
    target = _curved(torch.randn(6, 3, generator=rng).double()) + 0.1 * torch.randn(6, 5, generator=rng).double()
    start = torch.zeros(6, 3, dtype=torch.float64) + 0.1
    found = least_squares(_curved, start, target, steps=60, difference=1e-6)
    for i in range(6):
        theirs = of_scipy(lambda x, i=i: (_curved(torch.from_numpy(x)[None])[0] - target[i]).numpy(), start[i].numpy())
        assert float(found.error[i]) * 5 / 2 <= theirs.cost * 1.001 + 1e-9
    torch.testing.assert_close(found.value, _curved(found.x))
    torch.testing.assert_close(found.error, (found.value - target).square().mean(1))


def test_a_coordinate_may_weigh_more_in_the_prior() -> None:
    matrix = torch.tensor([[1.0, 2.0, 0.5], [0.0, 1.0, -1.0]], dtype=torch.float64)
    target = torch.tensor([[3.0, 1.0, -2.0]], dtype=torch.float64)
    stiff, centre = torch.tensor([0.0, 4.0]).double(), torch.tensor([[0.0, 1.0]]).double()
    found = least_squares(
        lambda x: x @ matrix, torch.zeros(1, 2).double(), target, prior=0.3, centre=centre, stiff=stiff, steps=30
    )
    weight = torch.diag(0.15 + stiff / 2)
    expected = torch.linalg.solve(matrix @ matrix.T / 3 + weight, matrix @ target[0] / 3 + weight @ centre[0])
    torch.testing.assert_close(found.x[0], expected)
    away = (found.x[0] - centre[0]).square()
    torch.testing.assert_close(found.cost[0], found.error[0] + 0.3 * away.mean() + (stiff * away).mean())


def test_the_prior_gives_ridge_regression() -> None:
    matrix = torch.tensor([[1.0, 2.0, 0.5], [0.0, 1.0, -1.0]], dtype=torch.float64)
    target = torch.tensor([[3.0, 1.0, -2.0]], dtype=torch.float64)
    found = least_squares(lambda x: x @ matrix, torch.zeros(1, 2).double(), target, prior=0.3, steps=30)
    # The gradient of mean((xM - t)^2) + 0.3 mean(x^2) is 0.
    expected = torch.linalg.solve(matrix @ matrix.T / 3 + 0.15 * torch.eye(2), matrix @ target[0] / 3)
    torch.testing.assert_close(found.x[0], expected, atol=1e-4, rtol=1e-4)


def test_on_a_sphere_lengths_stay_and_the_nearest_point_is_found() -> None:
    rng = torch.Generator().manual_seed(1)
    x, target = torch.randn(4, 5, generator=rng), torch.randn(4, 5, generator=rng)
    found = least_squares(lambda v: v, x, target, spherical=True, steps=40, difference=1e-3)
    torch.testing.assert_close(found.x.norm(dim=1), x.norm(dim=1), atol=1e-3, rtol=1e-3)
    nearest = target * (x.norm(dim=1) / target.norm(dim=1))[:, None]
    torch.testing.assert_close(found.x, nearest, atol=0.02, rtol=0.02)


def test_it_is_never_worse_than_its_start_and_counts_what_it_costs() -> None:
    rows = [0]

    def rough(x: torch.Tensor) -> torch.Tensor:
        rows[0] += len(x)
        return (20 * x).sin().round(decimals=1)

    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(2))
    target = torch.zeros(3, 2)
    found = least_squares(rough, x, target, steps=5)
    assert found.evaluations == rows[0]
    assert (found.error <= (rough(x) - target).square().mean(1)).all()


def test_rows_that_are_near_enough_stop_and_a_callback_ends_it() -> None:
    seen: list[Solution] = []
    target = torch.tensor([[0.0, 0.0], [5.0, 5.0]])
    found = least_squares(
        lambda x: x,
        torch.zeros(2, 2),
        target,
        enough=1e-3,
        callback=lambda step, best: len(seen) > 1 or seen.append(best),
    )
    assert found.steps.tolist() == [0, 3]
    assert len(seen) == 2


def test_what_cannot_be_solved_is_said() -> None:
    with pytest.raises(ValueError, match=r"give \(B, K\) and \(B, P\)"):
        least_squares(lambda x: x, torch.zeros(2), torch.zeros(2))
    with pytest.raises(ValueError, match="not finite where the search begins"):
        least_squares(lambda x: x / 0, torch.zeros(1, 1), torch.full((1, 1), math.pi))
    assert np.isfinite(float(least_squares(lambda x: 1 / x, torch.ones(1, 1), torch.zeros(1, 1)).error))


def test_what_is_not_free_stays_and_what_is_unseen_is_not_asked_again() -> None:
    asked = []

    def function(x: torch.Tensor) -> torch.Tensor:
        asked.append(len(x))
        return torch.stack([x[:, 0] + x[:, 1], x[:, 1].sin()], 1)

    x = torch.tensor([[0.5, 0.5, 0.5, 0.5]])
    free = torch.tensor([False, True, True, True])
    found = least_squares(function, x, torch.tensor([[2.0, 0.9]]), free=free, steps=2)
    assert float(found.x[0, 0]) == 0.5
    # The start, three columns, three dampings; then only the column that is seen.
    assert asked == [1, 3, 3, 1, 3]
    assert float(found.x[0, 2]) == 0.5


def test_broyden_s_updates_save_evaluations() -> None:
    rng = torch.Generator().manual_seed(5)
    target = _curved(0.5 * torch.randn(4, 3, generator=rng).double())
    start = torch.zeros(4, 3, dtype=torch.float64) + 0.1
    anew = least_squares(_curved, start, target, steps=12, difference=1e-5)
    updated = least_squares(_curved, start, target, steps=12, difference=1e-5, renew=3)
    assert updated.evaluations < anew.evaluations
    assert float(updated.error.max()) < 1e-6


def test_a_jacobian_that_is_known_is_not_evaluated() -> None:
    asked: list[int] = []

    def function(x: torch.Tensor) -> torch.Tensor:
        asked.append(len(x))
        return torch.stack([x[:, 0] + x[:, 1], x[:, 1] - x[:, 0]], 1)

    x, target = torch.full((2, 2), 0.5), torch.ones(2, 2)
    known = torch.tensor([[1.0, 1.0], [-1.0, 1.0]]).repeat(2, 1, 1)
    # The second row's is unknown.
    known[1] = torch.nan
    found = least_squares(function, x, target, jacobian=known, steps=1)
    assert asked == [2, 2, 6]
    torch.testing.assert_close(found.jacobian, known[:1].repeat(2, 1, 1), atol=1e-4, rtol=1e-4)
    with pytest.raises(ValueError, match=r"The Jacobian is \(2, 2, 1\); give \(2, 2, 2\), or none"):
        least_squares(function, x, target, jacobian=known[:, :, :1])


def test_a_value_that_is_known_is_not_evaluated_again() -> None:
    matrix = torch.tensor([[1.0, 2.0], [0.0, 1.0]])
    x, target = torch.zeros(1, 2), torch.tensor([[1.0, 4.0]])
    asked: list[int] = []

    def function(x: torch.Tensor) -> torch.Tensor:
        asked.append(len(x))
        return x @ matrix

    found = least_squares(function, x, target, steps=2)
    first = asked.copy()
    asked.clear()
    known = least_squares(function, x, target, value=x @ matrix, steps=2)
    assert asked == first[1:]
    assert known.evaluations == found.evaluations - 1
    torch.testing.assert_close(known.x, found.x)
    with pytest.raises(ValueError, match=r"The values are \(1, 1\); give \(1, 2\)"):
        least_squares(function, x, target, value=torch.zeros(1, 1))


def test_what_hardly_counts_is_differentiated_once() -> None:
    asked: list[int] = []

    def function(x: torch.Tensor) -> torch.Tensor:
        asked.append(len(x))
        return torch.stack([x[:, 0].exp(), x[:, 0] + 1e-3 * x[:, 1]], 1)

    found = least_squares(function, torch.full((1, 2), 0.5), torch.tensor([[3.0, 1.0]]), little=1e-4, steps=2)
    assert asked == [1, 2, 3, 1, 3]
    # It may move all the same.
    assert float(found.x[0, 1]) != 0.5


def test_a_generator_s_z_is_found_on_its_sphere(stand_in: Callable[[int], Any]) -> None:
    G = stand_in(16)
    z = torch.randn(2, G.z_dim, generator=torch.Generator().manual_seed(3))
    z = z * (G.z_dim**0.5 / z.norm(dim=1, keepdim=True))

    def small(z: torch.Tensor) -> torch.Tensor:
        return pulse.downsample(G.synthesis(G.mapping(z)) / 2 + 0.5, size=8).flatten(1)

    near = sphere.exp(z, 0.3 * torch.randn(2, G.z_dim, generator=torch.Generator().manual_seed(4)))
    found = least_squares(small, near, small(z), spherical=True, steps=8, difference=0.01)
    assert (found.error < 0.01 * (small(near) - small(z)).square().mean(1)).all()
    torch.testing.assert_close(found.x.norm(dim=1), z.norm(dim=1), atol=1e-3, rtol=1e-3)
