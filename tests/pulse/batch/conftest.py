"""A small generator in a file, and a folder of pictures."""

from pathlib import Path
from typing import Any

import pytest
import torch

import stylegan
from pulse.pictures import write_picture
from stylegan.networks import stylegan2


@pytest.fixture
def generator() -> Any:
    """A random generator of 16 px."""
    torch.manual_seed(0)
    G = stylegan2.Generator(
        16, 0, 16, 16, mapping_kwargs={"num_layers": 2}, synthesis_kwargs={"channel_base": 64, "channel_max": 8}
    )
    G.gaussian_fit = {"mean": torch.zeros(16), "std": torch.ones(16)}
    return G


@pytest.fixture
def tiny(generator: Any, tmp_path: Path) -> Path:
    """A file with that generator."""
    stylegan.save(generator, tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures, and a file that is none."""
    rng = torch.Generator().manual_seed(0)
    for number in range(6):
        write_picture(tmp_path / "in" / f"{number}.png", torch.rand(3, 8, 8, generator=rng))
    (tmp_path / "in" / "bad name\u202e.png").write_bytes(b"no picture")
    return tmp_path / "in"
