"""A DCGAN as a generator like the others: its sphere, its one style, its file."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import stylegan
from stylegan.gaussian_fit import fit_gaussian
from stylegan.networks.dcgan import Discriminator, Generator, feature_maps
from stylegan.training.networks import weights_from


def _generator(resolution: int = 16) -> Generator:
    with weights_from(0):
        return Generator(12, resolution, width=4).eval()


def test_it_honours_the_protocol_of_generators() -> None:
    G = _generator()
    assert isinstance(G, stylegan.Generator)
    assert (G.z_dim, G.w_dim, G.num_ws, G.c_dim, G.noise_shapes, G.img_resolution) == (12, 12, 1, 0, (), 16)
    z = torch.randn(3, 12)
    images = G(z, noise_mode="random")
    assert images.shape == (3, 3, 16, 16)
    assert torch.equal(images, G.synthesis(G.mapping(z), noise=[]))
    assert float(images.detach().abs().max()) <= 1


def test_latents_count_by_their_direction_and_the_fit_of_styles_is_the_sphere_of_z() -> None:
    G = _generator()
    z = torch.randn(4, 12)
    torch.testing.assert_close(G.mapping(3 * z), G.mapping(z))
    undone = F.leaky_relu(G.mapping(z)[:, 0], 5)
    torch.testing.assert_close(undone.norm(dim=1), torch.full((4,), 12**0.5))
    torch.testing.assert_close(F.cosine_similarity(undone, z), torch.ones(4))
    fit = fit_gaussian(G, 200_000, show_progress=False)
    torch.testing.assert_close(fit["mean"], torch.zeros(12), atol=0.01, rtol=0)
    torch.testing.assert_close(fit["std"], torch.ones(12), atol=0.01, rtol=0)


def test_truncation_draws_styles_to_the_centre() -> None:
    G = _generator()
    z = torch.randn(2, 12)
    torch.testing.assert_close(G.mapping(z, truncation_psi=0.5), G.mapping(z) / 2)
    assert torch.equal(G.mapping(z, truncation_psi=0.5, truncation_cutoff=0), G.mapping(z))
    one, other = G(z, truncation_psi=0.0)
    assert torch.equal(one, other)


def test_the_shapes_are_those_of_the_paper() -> None:
    assert feature_maps(64, 128) == [1024, 512, 256, 128]
    # At 128 px the first layer stays as narrow as at 64.
    assert feature_maps(128, 64) == [512, 512, 256, 128, 64]
    G = Generator(img_resolution=64, width=64)
    assert sum(p.numel() for p in G.parameters()) == 3_576_707
    # In half precision it fits into 8 MB.
    assert 2 * sum(p.numel() for p in G.parameters()) < 8e6
    assert Discriminator(128, width=4)(torch.zeros(2, 3, 128, 128)).shape == (2, 1)


def test_a_file_brings_it_back(tmp_path: Path) -> None:
    G = _generator()
    G.synthesis.norms[0].mean.normal_()  # type: ignore[union-attr, operator]
    G.gaussian_fit = {"mean": torch.zeros(12), "std": torch.ones(12)}
    stylegan.save(G, tmp_path / "g.safetensors")
    loaded = stylegan.load(tmp_path / "g.safetensors")
    assert isinstance(loaded, Generator)
    z = torch.randn(2, 12)
    assert torch.equal(loaded(z), G(z))
    assert loaded.gaussian_fit is not None
    assert torch.equal(loaded.gaussian_fit["std"], torch.ones(12))


@pytest.mark.parametrize("resolution", [4, 12, 65])
def test_a_size_that_cannot_be_is_refused(resolution: int) -> None:
    with pytest.raises(ValueError, match=f"the resolution is {resolution}, not a power of two from 8 upwards"):
        Generator(img_resolution=resolution)


def test_the_emoji_in_the_box_are_coloured_things_on_white() -> None:
    G = stylegan.load("aimoji")
    images = stylegan.sample(G, range(32), 1)
    assert images.shape == (32, 3, 64, 64)
    border = torch.cat([images[:, :, :2].flatten(2), images[:, :, -2:].flatten(2)], 2)
    assert border.mean() > 0.9
    assert images[:, :, 20:44, 20:44].mean() < 0.8
    # No two are alike.
    distances = torch.cdist(images.flatten(1), images.flatten(1)) + 1e3 * torch.eye(32)
    assert distances.min() > 5
