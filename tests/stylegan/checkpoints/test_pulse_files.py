"""PULSE's files, whole and in part."""

import shutil
from pathlib import Path

import pytest
import torch

import stylegan
from stylegan import CheckpointError
from stylegan.checkpoints.loading import read
from stylegan.networks import stylegan1

DATA = Path(__file__).parents[2] / "data"


def _copy(folder: Path, *parts: str) -> Path:
    for part in parts:
        golden = "pulse_synthesis_128" if part == "synthesis" else f"pulse_{part}"
        shutil.copyfile(DATA / f"{golden}.pt", folder / f"{part}.pt")
    return folder


@pytest.mark.parametrize("parts", [("synthesis",), ("synthesis", "gaussian_fit")])
def test_without_a_mapping_network_styles_still_become_images(parts: tuple[str, ...], tmp_path: Path) -> None:
    generator = stylegan.load(_copy(tmp_path, *parts))
    whole = stylegan.load(_copy(tmp_path, "mapping", "gaussian_fit"))
    assert isinstance(generator, stylegan1.Generator)
    assert (generator.gaussian_fit is not None) == (len(parts) == 2)
    ws = torch.randn(1, 12, 512)
    assert torch.equal(generator.synthesis(ws, noise_mode="const"), whole.synthesis(ws, noise_mode="const"))
    with pytest.raises(ValueError, match=r"load a folder that also holds mapping\.pt"):
        generator(torch.randn(1, 512))
    stylegan.save(generator, tmp_path / "n.safetensors")
    assert torch.equal(stylegan.load(tmp_path / "n.safetensors").synthesis(ws), generator.synthesis(ws))


def test_the_synthesis_file_alone_whatever_its_name(tmp_path: Path) -> None:
    shutil.copyfile(DATA / "pulse_synthesis_128.pt", tmp_path / "weights.bin")
    reading = read(tmp_path / "weights.bin")
    assert reading.format == "PULSE (StyleGAN1)"
    assert reading.ignored == ["no mapping network"]
    with pytest.raises(CheckpointError, match="holds a generator"):
        stylegan.load(tmp_path / "weights.bin", which="D")


def test_files_of_before_2020(tmp_path: Path) -> None:
    _copy(tmp_path, "synthesis", "mapping", "gaussian_fit")
    new = stylegan.load(tmp_path)
    for part in ("synthesis", "mapping", "gaussian_fit"):
        state = torch.load(tmp_path / f"{part}.pt", weights_only=True)
        torch.save(state, tmp_path / f"{part}.pt", _use_new_zipfile_serialization=False)
    old = stylegan.load(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(new.state_dict().values(), old.state_dict().values(), strict=True))


def test_a_mapping_of_something_else_is_refused(tmp_path: Path) -> None:
    _copy(tmp_path, "synthesis", "gaussian_fit")
    shutil.copyfile(tmp_path / "gaussian_fit.pt", tmp_path / "mapping.pt")
    with pytest.raises(CheckpointError, match=r"mapping\.pt has no dense0\.weight"):
        stylegan.load(tmp_path)
