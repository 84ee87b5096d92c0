"""A small generator in a file: the fixture `tiny`."""

from pathlib import Path

import pytest
import torch

import stylegan
from stylegan.networks import stylegan2


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a random generator of 16 px."""
    torch.manual_seed(0)
    G = stylegan2.Generator(
        16, 0, 16, 16, mapping_kwargs={"num_layers": 2}, synthesis_kwargs={"channel_base": 64, "channel_max": 8}
    )
    G.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
    path = tmp_path_factory.mktemp("generators") / "tiny.safetensors"
    stylegan.save(G, path)
    return path
