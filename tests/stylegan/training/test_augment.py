"""Augmentation: what must lose nothing loses nothing, and its probability follows the overfitting."""

from math import pi

import pytest
import torch

from stylegan.training import augment as aug


def _rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_with_probability_zero_nothing_changes(pictures: torch.Tensor) -> None:
    assert aug.augment(pictures, 0.0, _rng()) is pictures
    assert torch.equal(aug.blit(pictures, *aug.random_blits(4, 16, 0, _rng())), pictures)
    assert torch.equal(aug.warp(pictures, aug.random_warps(4, 0, _rng())), pictures)
    assert torch.equal(aug.recolour(pictures, aug.random_colours(4, 0, _rng())), pictures)


def test_blits_are_exact(pictures: torch.Tensor) -> None:
    none, still = torch.zeros(4, dtype=torch.long), torch.zeros(4, 2, dtype=torch.long)
    turned = aug.blit(pictures, none, torch.arange(4), still)
    for k in range(4):
        assert torch.equal(turned[k], pictures[k].rot90(k, (1, 2)))
    assert torch.equal(aug.blit(pictures, none + 1, none, still), pictures.flip(3))
    shifted = aug.blit(pictures, none, none, still + torch.tensor([2, -1]))
    assert torch.equal(shifted[:, :, 2:, :-1], pictures[:, :, :-2, 1:])
    assert torch.equal(shifted[:, :, 1, :-1], pictures[:, :, 1, 1:])
    both = aug.blit(pictures, none + 1, none + 1, still)
    assert torch.equal(both, pictures.flip(3).rot90(1, (2, 3)))


def test_warps_agree_with_blits(pictures: torch.Tensor) -> None:
    """The filters give back what they are given where the look-up falls on samples: shifts by whole pixels."""
    shift = aug._shifts(torch.tensor([[2 * 3 / 16, 0.0]]).expand(4, 2))
    warped = aug.warp(pictures, shift)
    assert torch.allclose(warped[:, :, 6:-6, 9:-6], pictures[:, :, 6:-6, 6:-9], atol=1e-5)
    smooth = torch.nn.functional.interpolate(pictures, size=64, mode="bicubic")
    quarter = aug.warp(smooth, aug._rotations(torch.full((4,), pi / 2)))
    assert (quarter - smooth.rot90(1, (2, 3)))[..., 8:-8, 8:-8].abs().max() < 0.05


def test_scaling_enlarges_about_the_middle() -> None:
    dot = torch.zeros(1, 3, 32, 32)
    dot[:, :, 12:20, 12:20] = 1
    double = aug.warp(dot, aug._scales(torch.tensor([2.0]), inverse=False))
    assert double.sum() == pytest.approx(4 * float(dot.sum()), rel=0.02)
    assert double[0, 0, 9:23, 9:23].min() > 0.7


def test_colours(pictures: torch.Tensor) -> None:
    matrices = aug.random_colours(512, 1.0, _rng())
    grey = torch.full((512, 3, 1, 1), 0.5)
    # Grey has no hue: every transformation leaves it grey.
    recoloured = aug.recolour(grey, matrices)
    assert recoloured.std(dim=1).max() < 1e-5
    assert recoloured.flatten(1)[:, 0].std() > 0.2
    spread = torch.linalg.det(matrices[:, :3, :3])
    assert (spread > 0).any()
    assert (spread < 0).any()


def test_gradients_pass() -> None:
    rng = _rng()
    matrices, colours = aug.random_warps(2, 1.0, rng).double(), aug.random_colours(2, 1.0, rng).double()
    blits = aug.random_blits(2, 8, 1.0, rng)
    x = torch.randn(2, 3, 8, 8, generator=rng, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: aug.recolour(aug.warp(aug.blit(x, *blits), matrices), colours), x)


def test_the_share_of_changed_pictures_is_the_probability() -> None:
    changed = (aug.random_warps(20_000, 0.3, _rng()) != torch.eye(3)).flatten(1).any(dim=1).float().mean()
    # Scale, rotation, aspect and shift: none of them with probability 0.7^4.
    assert float(changed) == pytest.approx(1 - 0.7**4, abs=0.015)


@pytest.mark.parametrize(("sign", "direction"), [(0.9, 1), (0.2, -1), (0.6, 0)])
def test_the_probability_follows_the_overfitting(sign: float, direction: int) -> None:
    adaptive = aug.AdaptiveProbability(p=0.5, target=0.6, kimg=1.0)
    for _ in range(3):
        adaptive.update(torch.tensor(sign, dtype=torch.float64), 8)
    assert float(adaptive.p) == 0.5
    adaptive.update(torch.tensor(sign, dtype=torch.float64), 8)
    if direction == 0:
        assert abs(float(adaptive.p) - 0.5) < 0.04
    else:
        assert float(adaptive.p) == pytest.approx(0.5 + direction * 4 * 8 / 1000)
    for _ in range(400):
        adaptive.update(torch.tensor(sign, dtype=torch.float64), 8)
    if direction:
        assert float(adaptive.p) == (1.0 if direction > 0 else 0.0)


def test_augmenting_leaves_the_global_generator_alone(pictures: torch.Tensor) -> None:
    before = torch.get_rng_state()
    one, two = (aug.augment(pictures, 1.0, _rng(1)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, aug.augment(pictures, 1.0, _rng(2)))
    assert torch.equal(torch.get_rng_state(), before)
