"""The generator in the box: it draws faces, and the search with default options finds what it is asked for."""

import numpy as np
import pytest
import torch
from PIL import Image

import pulse
import stylegan
from stylegan import portraits
from stylegan.checkpoints.loading import Generator


@pytest.fixture(scope="module")
def generator() -> Generator:
    return stylegan.load("default")


def test_it_is_small_and_knows_its_fit(generator: Generator) -> None:
    assert generator.source is not None
    assert generator.source.stat().st_size < 14e6
    assert generator.img_resolution == 128
    assert generator.gaussian_fit is not None
    with torch.no_grad():
        z = torch.randn(20_000, generator.z_dim, generator=torch.Generator().manual_seed(7))
        v = torch.nn.functional.leaky_relu(generator.mapping(z)[:, 0], 5)
    fit = generator.gaussian_fit
    assert (v.mean(0) - fit["mean"]).abs().max() < 0.05 * fit["std"].mean()
    assert (v.std(0) / fit["std"] - 1).abs().max() < 0.05


def test_a_detector_of_faces_in_photographs_takes_its_samples_for_faces(generator: Generator) -> None:
    import dlib

    detector = dlib.get_frontal_face_detector()
    z = torch.randn(40, generator.z_dim, generator=torch.Generator().manual_seed(8))
    with torch.no_grad():
        images = (generator(z, truncation_psi=0.7) + 1) / 2
    found = 0
    for image in images.clamp(0, 1):
        data = (image * 255).to(torch.uint8).permute(1, 2, 0).numpy()
        found += len(detector(np.asarray(Image.fromarray(data).resize((384, 384), Image.Resampling.BICUBIC)), 0)) > 0
    assert found >= 34


def test_held_out_portraits_are_reached_with_default_options(generator: Generator) -> None:
    u = portraits.sample(6, torch.Generator().manual_seed(20_201_124))
    targets = pulse.downsample(portraits.render(u, 128), size=16).clamp(0, 1)
    result = pulse.search(generator, targets, finish="network", seed=0)
    assert result.reached.sum() >= 5
    assert torch.allclose(pulse.downsample(result.images, size=16), result.downsampled, atol=1e-5)
    assert ((result.downsampled - targets).square().mean(dim=(1, 2, 3)) <= 2e-3).equal(result.reached)
