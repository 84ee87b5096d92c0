"""The network in the box that reads portraits."""

import pytest
import torch

from pulse.operators import downsample
from stylegan import portraits
from stylegan.portraits import encoder


@pytest.fixture(scope="module")
def seen() -> tuple[torch.Tensor, torch.Tensor]:
    u = portraits.sample(96, torch.Generator().manual_seed(77))
    return u, portraits.render(u, 32)


@pytest.mark.parametrize("size", [8, 16, 32])
def test_it_reads_the_pose_and_the_background_of_portraits_of_any_size(seen, size: int) -> None:
    u, pictures = seen
    mean, deviation = encoder.read(downsample(pictures, size=size).clamp(0, 1))
    assert mean.shape == deviation.shape == (96, 128)
    v = torch.special.ndtri(u.double().clamp(1e-4, 1 - 1e-4)).float()
    for name in ("yaw", "tone", "light_side"):
        i = portraits.COORDINATES.index(name)
        assert float(torch.corrcoef(torch.stack([v[:, i], mean[:, i]]))[0, 1]) > 0.6


def test_it_knows_what_it_does_not_know(seen) -> None:
    _, pictures = seen
    mean, deviation = encoder.read(downsample(pictures, size=16).clamp(0, 1))
    sure, unsure = portraits.COORDINATES.index("yaw"), portraits.COORDINATES.index("freckles")
    assert float(deviation[:, sure].mean()) < 0.6 < 0.9 < float(deviation[:, unsure].mean())
    # Those of all portraits: nothing was read.
    assert float(mean[:, unsure].abs().mean()) < 0.2
