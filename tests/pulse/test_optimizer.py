from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pulse.optimizer import OPTIMIZERS, SCHEDULES, SphericalOptimizer, lr_factors

GOLDEN = np.load(Path(__file__).parents[1] / "data" / "spherical_optimizer.npz")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_hundred_steps_are_pulses(name):
    latent, noise, target, target_noise = (
        torch.from_numpy(GOLDEN[k].copy()) for k in ("latent0", "noise0", "target", "target_noise")
    )
    optimizer = SphericalOptimizer(name, [latent.requires_grad_(), noise.requires_grad_()], float(GOLDEN[f"{name}_lr"]))
    for step, factor in enumerate(lr_factors("linear1cycledrop", 100), 1):
        loss = (latent - target).square().sum() + (noise - target_noise).square().sum()
        latent.grad, noise.grad = torch.autograd.grad(loss, (latent, noise))
        optimizer.step(factor)
        if step in (1, 10, 100):
            for which, ours in (("latent", latent), ("noise", noise)):
                golden = GOLDEN[f"{name}_{which}_{step}"]
                assert np.abs(ours.detach().numpy() - golden).max() <= 1e-4 * np.abs(golden).max()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_are_pulses(schedule):
    np.testing.assert_allclose(lr_factors(schedule, 100), GOLDEN[f"lr_{schedule}"], atol=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [0, 1, 2, 7, 1000])
def test_schedules_of_any_length_stay_between_nothing_and_one(schedule, steps):
    factors = lr_factors(schedule, steps)
    assert len(factors) == steps
    assert all(0 < f <= 1 for f in factors)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_vector_keeps_its_norm_and_free_variables_do_not(name):
    generator = torch.Generator().manual_seed(0)
    styles, maps, free = (torch.randn(*s, generator=generator) for s in ((2, 5, 16), (2, 1, 4, 4), (2, 5, 16)))
    norms = [styles.norm(dim=2), maps.flatten(2).norm(dim=2), free.norm(dim=2)]
    optimizer = SphericalOptimizer(name, [styles, maps, free], 0.1, [True, True, False])
    for _ in range(5):
        for x in (styles, maps, free):
            x.grad = torch.randn(x.shape, generator=generator)
        optimizer.step()
    torch.testing.assert_close(styles.norm(dim=2), norms[0])
    torch.testing.assert_close(maps.flatten(2).norm(dim=2), norms[1])
    assert (free.norm(dim=2) - norms[2]).abs().min() > 1e-4


def test_a_variable_of_no_length_stays_where_it_is():
    zero = torch.zeros(1, 1, 4)
    optimizer = SphericalOptimizer("adam", [zero], 0.4)
    zero.grad = torch.ones_like(zero)
    optimizer.step()
    assert zero.abs().max() < 1e-4


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="'lion' is unknown; choose one of adam"):
        SphericalOptimizer("lion", [torch.zeros(1, 1, 2)], 0.1)
    with pytest.raises(ValueError, match="'cosine' is unknown; choose one of fixed"):
        lr_factors("cosine", 3)
