"""The gaussian fit, and the cache that keeps it."""

import os
import shutil
from pathlib import Path

import pytest
import torch

import stylegan
from stylegan import gaussian_fit
from stylegan.common.files import write_tensors
from stylegan.gaussian_fit import fit_gaussian
from stylegan.networks.stylegan2 import Generator


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PULSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "fits"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    generator = Generator(8, 0, 8, 16, synthesis_kwargs={"channel_base": 64})
    (tmp_path / "theirs").mkdir()
    stylegan.save(generator, tmp_path / "theirs" / "net.safetensors")
    return tmp_path / "theirs" / "net.safetensors"


def _computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    counted: list[int] = []
    compute = gaussian_fit._compute

    def count(G: object, samples: int, *rest: object) -> dict[str, torch.Tensor]:
        counted.append(samples)
        return compute(G, samples, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(gaussian_fit, "_compute", count)
    return counted


def test_a_fit_is_computed_once_and_nothing_is_written_beside_the_file(
    path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = _computed(monkeypatch)
    first = fit_gaussian(stylegan.load(path), 1000, show_progress=False)
    copy = path.with_name("copy.safetensors")
    shutil.copyfile(path, copy)
    again = stylegan.load(copy)
    assert torch.equal(fit_gaussian(again, 1000)["std"], first["std"])
    assert again.gaussian_fit is not None
    assert counted == [1000]
    copy.unlink()
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert len(list(cache.iterdir())) == 1


def test_another_network_or_number_of_samples_gets_a_fit_of_its_own(
    path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = _computed(monkeypatch)
    fit = fit_gaussian(stylegan.load(path), 1000)
    other = stylegan.load(path)
    with torch.no_grad():
        other.mapping.fc0.bias.add_(100)
    assert not torch.allclose(fit_gaussian(other, 1000)["mean"], fit["mean"])
    fit_gaussian(stylegan.load(path), 1001)
    fit_gaussian(stylegan.load(path), 1000, generator=torch.Generator().manual_seed(1))
    assert counted == [1000, 1000, 1001, 1000]
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("planted", ["shape", "values", "type", "gigabyte", "header", "pipe", "folder", "cut"])
def test_a_planted_fit_is_not_taken(planted: str, path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = _computed(monkeypatch)
    expected = fit_gaussian(stylegan.load(path), 1000)
    (kept,) = cache.iterdir()
    mean, std = torch.zeros(8), torch.ones(8)
    if planted == "shape":
        write_tensors(kept, {"mean": torch.zeros(9), "std": torch.ones(9)}, {})
    elif planted == "values":
        write_tensors(kept, {"mean": mean, "std": -std}, {})
    elif planted == "type":
        write_tensors(kept, {"mean": mean.long(), "std": std}, {})
    elif planted == "gigabyte":
        with kept.open("ab") as file:
            file.truncate(1_000_000_000)
    elif planted == "header":
        kept.write_bytes((90_000_000).to_bytes(8, "little") + b"{" + b" " * 100_000)
    elif planted == "cut":
        kept.write_bytes(kept.read_bytes()[:40])
    else:
        kept.unlink()
        kept.mkdir() if planted == "folder" else os.mkfifo(kept)
    fit = fit_gaussian(stylegan.load(path), 1000)
    assert torch.equal(fit["mean"], expected["mean"])
    assert torch.equal(fit["std"], expected["std"])
    assert counted == [1000, 1000]


def test_a_fit_beside_the_file_is_not_looked_at(path: Path, cache: Path) -> None:
    write_tensors(
        path.with_name(f"{path.name}.gaussian_fit.safetensors"), {"mean": torch.ones(8), "std": torch.ones(8)}, {}
    )
    assert stylegan.load(path).gaussian_fit is None


def test_a_cache_that_cannot_be_written_is_no_error(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PULSE_CACHE", str(tmp_path / "file"))
    fit = fit_gaussian(stylegan.load(path), 1000)
    assert fit["mean"].shape == (8,)
