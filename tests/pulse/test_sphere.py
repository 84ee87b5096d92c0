from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pulse import sphere

SPHERES = st.tuples(st.integers(0, 2**31), st.sampled_from([2, 3, 18, 512]), st.sampled_from([1e-6, 1.0, 22.6, 1e8]))
quick = settings(max_examples=40, deadline=None)


def points(case: tuple[int, int, float], count: int) -> list[torch.Tensor]:
    seed, dim, radius = case
    generator = torch.Generator().manual_seed(seed)
    return [sphere.sample((2, 3, dim), generator, radius, dtype=torch.float64) for _ in range(count)]


def close(a: torch.Tensor, b: torch.Tensor, scale: float = 1.0, tolerance: float = 1e-9) -> bool:
    return bool((a - b).abs().max() <= tolerance * scale)


@quick
@given(SPHERES)
def test_exp_undoes_log(case):
    x, y = points(case, 2)
    assert close(sphere.exp(x, sphere.log(x, y)), y, case[2], 1e-7)


@quick
@given(SPHERES, st.floats(0.01, 3.1))
def test_log_undoes_exp_within_the_injectivity_radius(case, length):
    x, v = points(case, 2)
    v = v - (v * x).sum(-1, keepdim=True) * x / x.square().sum(-1, keepdim=True)
    v = sphere.project(v, length * case[2])
    assert close(sphere.log(x, sphere.exp(x, v)), v, case[2], 1e-7)


@quick
@given(SPHERES)
def test_exp_and_slerp_keep_the_norm_and_log_is_tangent_with_the_distance_as_length(case):
    x, y, v = points(case, 3)
    radius = torch.full((2, 3), case[2], dtype=torch.float64)
    assert close(sphere.exp(x, v).norm(dim=-1), radius, case[2])
    assert close(sphere.slerp(x, y, 0.3).norm(dim=-1), radius, case[2])
    tangent = sphere.log(x, y)
    assert close((tangent * x).sum(-1), torch.zeros(2, 3), case[2] ** 2)
    assert close(tangent.norm(dim=-1), sphere.distance(x, y) * case[2], case[2])


@quick
@given(SPHERES)
def test_distance_is_a_metric(case):
    x, y, z = points(case, 3)
    assert torch.equal(sphere.distance(x, y), sphere.distance(y, x))
    assert torch.equal(sphere.distance(x, x), torch.zeros(2, 3, dtype=torch.float64))
    assert (sphere.distance(x, z) <= sphere.distance(x, y) + sphere.distance(y, z) + 1e-12).all()
    assert close(sphere.distance(x, -x), torch.full((2, 3), math.pi, dtype=torch.float64), 1, 1e-12)
    assert close(sphere.distance(3 * x, 0.1 * y), sphere.distance(x, y), 1, 1e-12)


@quick
@given(SPHERES, st.floats(0, 1))
def test_slerp_divides_the_way_and_meets_its_ends(case, t):
    x, y = points(case, 2)
    assert close(sphere.slerp(x, y, 0.0), x, case[2])
    assert close(sphere.slerp(x, y, 1.0), y, case[2], 1e-7)
    assert close(sphere.distance(x, sphere.slerp(x, y, t)), t * sphere.distance(x, y), 1, 1e-7)


@pytest.mark.parametrize("angle", [1e-12, 1e-8, 1e-4, math.pi - 1e-8, math.pi - 1e-12])
def test_small_and_nearly_straight_angles_keep_their_digits(angle):
    x = torch.tensor([1.0, 0, 0], dtype=torch.float64)
    y = torch.tensor([math.cos(angle), math.sin(angle), 0], dtype=torch.float64)
    assert abs(float(sphere.distance(x, y)) - angle) <= 1e-4 * min(angle, math.pi - angle)
    assert close(sphere.exp(x, sphere.log(x, y)), y, 1, 1e-12)


@pytest.mark.parametrize("dim", [2, 3, 512])
def test_antipodes_get_a_valid_direction_always_the_same(dim):
    x = sphere.sample((5, dim), torch.Generator().manual_seed(0), dtype=torch.float64)
    x[0] = 0
    x[0, 0] = math.sqrt(dim)
    tangent = sphere.log(x, -x)
    assert close(tangent.norm(dim=-1), torch.full((5,), math.pi * math.sqrt(dim), dtype=torch.float64))
    assert close((tangent * x).sum(-1), torch.zeros(5), dim)
    assert close(sphere.exp(x, tangent), -x, math.sqrt(dim))
    assert torch.equal(tangent, sphere.log(x, -x))
    half = sphere.slerp(x, -x, 0.5)
    assert close(sphere.distance(x, half), torch.full((5,), math.pi / 2, dtype=torch.float64))


def test_antipodes_in_single_precision():
    x = sphere.sample((50, 512), torch.Generator().manual_seed(0))
    assert close(sphere.exp(x, sphere.log(x, -x)), -x, 1, 1e-4)


def test_log_of_the_point_itself_is_nothing_and_exp_of_nothing_is_the_point():
    x = sphere.sample((4, 7), torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.equal(sphere.log(x, x), torch.zeros_like(x))
    assert close(sphere.exp(x, torch.zeros_like(x)), x)


def test_poles_and_zero_vectors():
    pole = torch.tensor([[0.0, 0, 1], [0, 0, -1], [0, 1, 0]], dtype=torch.float64)
    for x in pole:
        for y in pole:
            assert close(sphere.exp(x, sphere.log(x, y)), y, 1, 1e-12)
    assert torch.equal(sphere.project(torch.zeros(2, 4), 3.0)[0], torch.tensor([3.0, 0, 0, 0]))
    assert close(sphere.project(torch.randn(2, 4, 9)).norm(dim=-1), torch.full((2, 4), 3.0), 1, 1e-5)


def test_derivatives():
    generator = torch.Generator().manual_seed(3)
    x, y = (torch.randn(3, 4, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(sphere.distance, (x, y))
    assert torch.autograd.gradcheck(sphere.log, (x, y))
    assert torch.autograd.gradcheck(sphere.exp, (x, y))
    assert torch.autograd.gradcheck(lambda a, b: sphere.slerp(a, b, 0.3), (x, y))
    assert torch.autograd.gradcheck(sphere.project, (x,))


def test_derivative_of_log_at_the_point_itself_is_the_projection_to_the_tangent_space():
    x = torch.tensor([0.6, 0.8, 0.0], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda y: sphere.log(x, y), x)
    assert close(jacobian, torch.eye(3, dtype=torch.float64) - x[:, None] * x[None])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gradients_stay_finite_at_coincident_and_antipodal_points(sign):
    x = torch.tensor([[0.6, 0.8, 0.0]], dtype=torch.float64, requires_grad=True)
    y = (sign * x).detach().requires_grad_()
    for value in (sphere.distance(x, y), sphere.log(x, y), sphere.slerp(x, y, 0.5), sphere.exp(x, 0 * y)):
        for gradient in torch.autograd.grad(value.sum(), (x, y), allow_unused=True, materialize_grads=True):
            assert gradient.isfinite().all()


def test_sampling_is_isotropic_on_the_sphere_of_its_radius():
    x = sphere.sample((20000, 3), torch.Generator().manual_seed(0), 2.0, dtype=torch.float64)
    assert close(x.norm(dim=-1), torch.full((20000,), 2.0))
    assert x.mean(0).abs().max() < 0.05
    assert close(x.T @ x / len(x), torch.eye(3, dtype=torch.float64) * 4 / 3, 1, 0.05)
    # Archimedes: on a sphere in three dimensions each coordinate is uniform.
    quantiles = (x[:, 0].sort().values + 2) / 4
    assert (quantiles - torch.linspace(0, 1, 20000, dtype=torch.float64)).abs().max() < 0.02
