"""The losses of training, against what they are by hand."""

import pytest
import torch

from stylegan.training import losses


def test_r1_is_the_squared_gradient() -> None:
    pictures = torch.randn(3, 3, 4, 4, requires_grad=True)
    logits = (pictures.square() / 2).sum(dim=(1, 2, 3))
    assert torch.allclose(losses.r1_penalty(logits, pictures), pictures.square().sum(dim=(1, 2, 3)).mean())


def test_path_lengths_are_those_of_a_linear_map() -> None:
    # Of an image w * a, the length along a picture y is |y . a| for each style, and y is normal of deviation 1/side.
    ws = torch.ones(4096, 1, 1, requires_grad=True)
    lengths = losses.path_lengths(3 * ws[:, :, None, :].expand(-1, 1, 8, 8), ws, torch.Generator().manual_seed(0))
    assert torch.isclose(lengths.square().mean(), torch.tensor(9.0), rtol=0.1)


def test_pyramid_distance_sees_every_scale() -> None:
    x = torch.zeros(1, 3, 16, 16)
    checks = ((torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2 - 1).float().expand(1, 3, 16, 16)
    assert losses.pyramid_distance(x, x) == 0
    assert torch.isclose(losses.pyramid_distance(x + checks, x), torch.tensor(1.0))
    assert torch.isclose(losses.pyramid_distance(x + 1, x), torch.tensor(1.0))


def test_texture_distance_forgives_a_shift_and_not_a_blur() -> None:
    rng = torch.Generator().manual_seed(0)
    grain = torch.randn(4, 3, 32, 32, generator=rng)
    shifted = grain.roll((2, 2), dims=(2, 3))
    blurred = torch.nn.functional.avg_pool2d(grain, 3, stride=1, padding=1)
    assert losses.texture_distance(grain, grain, rng) == 0
    assert losses.pyramid_distance(blurred, grain) < losses.pyramid_distance(shifted, grain)
    assert losses.texture_distance(blurred, grain, rng) > 1.5 * losses.texture_distance(shifted, grain, rng)


def test_skin_distance_is_that_of_mean_lightness_at_the_places() -> None:
    places = torch.zeros(2, 2, 8, 8, dtype=torch.bool)
    places[:, 0, :4, :4], places[:, 1, 6, 6] = True, True
    grey = torch.full((2, 3, 8, 8), 2 * 119 / 255 - 1)
    # Tables list L* 50.03 for this grey, and 100 for white.
    assert float(losses.skin_distance(grey, torch.ones(2, 3, 8, 8), places)) == pytest.approx(0.4997**2, abs=1e-4)
    other = grey.clone()
    other[:, :, 4:, :4] = 1
    assert losses.skin_distance(grey, other, places) == 0
    # Of four places one is brighter.
    other[0, :, 6, 6] = 1
    assert float(losses.skin_distance(grey, other, places)) == pytest.approx(0.4997**2 / 4, abs=1e-4)
    # Light and shade that are even on average count little, and black has a gradient that is finite.
    shaded = grey.clone()
    shaded[:, :, ::2] += 0.02
    shaded[:, :, 1::2] -= 0.02
    shaded[:, :, 6, 6] = grey[:, :, 6, 6]
    assert losses.skin_distance(shaded, grey, places) < 1e-6
    black = torch.full((2, 3, 8, 8), -1.0, requires_grad=True)
    losses.skin_distance(black, grey, places).backward()
    assert black.grad is not None
    assert black.grad.isfinite().all()
    assert black.grad[:, :, :4, :4].abs().min() > 0
