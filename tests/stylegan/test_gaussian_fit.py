"""The gaussian fit kept beside a checkpoint."""

from pathlib import Path

import pytest
import torch

import stylegan
from stylegan.checkpoints.formats import fit
from stylegan.gaussian_fit import fit_gaussian
from stylegan.networks.stylegan2 import Generator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    generator = Generator(8, 0, 8, 16, synthesis_kwargs={"channel_base": 64})
    stylegan.save(generator, tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def test_a_fit_is_computed_once_per_file(path: Path) -> None:
    generator = stylegan.load(path)
    assert generator.gaussian_fit is None
    fit_gaussian(generator, 1000, show_progress=False)
    again = stylegan.load(path)
    assert again.gaussian_fit is not None
    assert torch.equal(again.gaussian_fit["std"], generator.gaussian_fit["std"])
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "net.safetensors",
        "net.safetensors.gaussian_fit.safetensors",
    ]


def test_the_fit_of_another_network_is_not_taken(path: Path) -> None:
    fit_gaussian(stylegan.load(path), 1000, show_progress=False)
    other = stylegan.load(path)
    with torch.no_grad():
        other.mapping.fc0.bias.add_(1)
    assert fit.read(other.mapping, path) is None


def test_a_damaged_cache_or_a_closed_folder_is_no_error(path: Path) -> None:
    generator = stylegan.load(path)
    fit_gaussian(generator, 1000, show_progress=False)
    cache = path.with_name("net.safetensors.gaussian_fit.safetensors")
    cache.write_bytes(cache.read_bytes()[:40])
    assert stylegan.load(path).gaussian_fit is None
    assert generator.gaussian_fit is not None
    assert not fit.write(generator.mapping, path.parent / "nowhere" / "net.pkl", generator.gaussian_fit)
