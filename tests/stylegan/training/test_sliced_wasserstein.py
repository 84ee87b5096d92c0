"""The sliced Wasserstein distance: the pyramid is exact, and the distance sees what differs at the level it is at."""

import numpy as np
import pytest
import torch

from stylegan.training import sliced_wasserstein as swd


def _noise(n: int, seed: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 3, size, size), dtype=np.uint8)


def test_the_pyramid_gives_the_picture_back() -> None:
    pictures = torch.rand(2, 3, 64, 64)
    levels = swd.laplacian_pyramid(pictures, 3)
    assert [level.shape[-1] for level in levels] == [64, 32, 16]
    again = levels[2]
    for level in (levels[1], levels[0]):
        again = level + swd.upsample(again)
    assert torch.allclose(again, pictures, atol=1e-6)
    flat = swd.laplacian_pyramid(torch.full((1, 3, 64, 64), 7.0), 2)
    # At the far edges the zeros between the pixels are not mirrored evenly.
    assert torch.allclose(flat[0][:, :, :-2, :-2], torch.zeros(1), atol=1e-5)
    assert torch.allclose(flat[1], torch.tensor(7.0))


def test_equal_sets_are_near_and_near_in_any_order() -> None:
    a = _noise(64, 0)
    assert swd.mean_distance(swd.sliced_wasserstein(a, a, directions=64)) < 60
    same = swd.mean_distance(swd.sliced_wasserstein(a, a[::-1], directions=64))
    assert same == pytest.approx(swd.mean_distance(swd.sliced_wasserstein(a, _noise(64, 1), directions=64)), rel=0.5)


def test_the_level_that_differs_is_told() -> None:
    rng = np.random.default_rng(0)
    coarse = rng.integers(64, 192, (64, 3, 4, 4)).repeat(8, axis=2).repeat(8, axis=3)
    fine = rng.integers(-8, 9, (64, 3, 32, 32))
    reals, others = ((coarse + part).clip(0, 255).astype(np.uint8) for part in (fine, np.roll(fine, 1, axis=0)))
    striped = (coarse + 12 * (np.arange(32) % 2)).clip(0, 255).astype(np.uint8)
    floor = swd.sliced_wasserstein(reals, others, directions=64)
    told = swd.sliced_wasserstein(reals, striped, directions=64)
    assert list(told) == [32, 16]
    assert told[32] > 3 * floor[32]
    assert told[16] < 1.5 * floor[16]


def test_the_distance_on_a_line_is_that_of_sorted_values() -> None:
    x, y = torch.randn(500, 1), torch.randn(500, 1) * 2 + 1
    ours = swd._distance(x, y, 16, np.random.default_rng(0))
    scipy = pytest.importorskip("scipy.stats")
    assert ours == pytest.approx(scipy.wasserstein_distance(x[:, 0].numpy(), y[:, 0].numpy()), rel=1e-5)


def test_what_cannot_be_compared_is_said() -> None:
    with pytest.raises(ValueError, match="same shape"):
        swd.sliced_wasserstein(_noise(2, 0), _noise(3, 0))
    with pytest.raises(ValueError, match="Halving 48 px"):
        swd.sliced_wasserstein(_noise(2, 0, 48), _noise(2, 1, 48), smallest=16)
