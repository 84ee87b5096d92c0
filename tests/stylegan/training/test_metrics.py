"""Distances between features, against their definitions."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from stylegan.training import metrics
from stylegan.training.dataset import Dataset
from stylegan.training.networks import new_generator
from stylegan.training.options import TrainingOptions


def _features(n: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(seed)) + shift


def test_fid_is_the_formula() -> None:
    x, y = _features(50, 0), _features(70, 1, 0.5) * torch.arange(1, 7)
    a, b = np.cov(x.numpy().T), np.cov(y.numpy().T)
    root = np.trace(sqrtm(a @ b).real)
    expected = float((x.mean(0) - y.mean(0)).square().sum()) + np.trace(a) + np.trace(b) - 2 * root
    assert metrics.frechet_distance(x, y) == pytest.approx(expected, rel=1e-4)
    assert metrics.frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


def test_kid_is_unbiased() -> None:
    same = [metrics.kernel_distance(_features(40, 2 * i), _features(40, 2 * i + 1)) for i in range(50)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(50)
    assert min(same) < 0
    assert metrics.kernel_distance(_features(40, 0), _features(40, 1, 1.0)) > 10 * np.std(same)


def test_measuring_a_generator() -> None:
    generator = new_generator(TrainingOptions(resolution=16, w_dim=16, channel_base=64, channel_max=8)).eval()
    pictures = np.random.default_rng(0).integers(0, 255, (12, 3, 16, 16), dtype=np.uint8)

    def colours(some: torch.Tensor) -> torch.Tensor:
        return some.float().mean(dim=(2, 3))

    told = metrics.measure(generator, Dataset(pictures), 100, colours)
    assert set(told) == {"swd", "fid", "kid"}
    assert told == metrics.measure(generator, Dataset(pictures), 12, colours)
    # Of one picture there is no covariance.
    assert set(metrics.measure(generator, Dataset(pictures[:1]), 12, colours)) == {"swd"}
    with pytest.raises(ValueError, match="must be"):
        metrics.measure(generator, Dataset(pictures), 12, lambda some: some.float())


def test_the_users_features_are_found_by_name() -> None:
    assert metrics.features_of("torch:flatten") is torch.flatten
    for name in ("nosuch_module:f", "torch:nosuch", "torch"):
        with pytest.raises(ValueError, match=r"package\.module:function"):
            metrics.features_of(name)
