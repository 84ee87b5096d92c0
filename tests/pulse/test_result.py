from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pulse import Result, search


@pytest.fixture
def result(stand_in) -> Result:
    target = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return search(stand_in(), target, seed=7, steps=3, starts=2, return_all=True)


def same(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a.nan_to_num(-1), b.nan_to_num(-1))
    if isinstance(a, Result):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(Result))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b and type(a) is type(b)


@pytest.mark.parametrize("keep", [True, False])
def test_a_result_comes_back_as_it_was(result, tmp_path, keep):
    result.history["loss"][0, 2] = math.nan
    result.interrupted = True
    if not keep:
        result.all_starts = None
    result.save(tmp_path / "found.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["found.safetensors"]
    assert same(result, Result.load(tmp_path / "found.safetensors"))


def test_a_failed_save_leaves_the_old_file_and_nothing_else(result, tmp_path, monkeypatch):
    path = tmp_path / "found.safetensors"
    path.write_bytes(b"old")

    def fail(name, data):
        with name.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        result.save(path)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_files_that_are_no_results_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    with pytest.raises(FileNotFoundError, match="There is no result file"):
        Result.load(path)
    path.write_bytes(b"not a tensor file")
    with pytest.raises(ValueError, match="is not a search result"):
        Result.load(path)
    save_file({"images": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="is not a search result"):
        Result.load(path)
    save_file({"images": torch.zeros(1)}, path, {"format": "pulse-result-1", "result": "{}"})
    with pytest.raises(ValueError, match="is not a search result"):
        Result.load(path)


def test_the_picture_is_the_image_in_8_bits(result):
    picture = result.to_pil(1)
    assert picture.mode == "RGB"
    assert picture.size == (32, 32)
    expected = result.images[1].permute(1, 2, 0).numpy() * 255
    assert np.abs(np.asarray(picture) - expected).max() <= 0.5 + 1e-4


def test_importing_pulse_loads_nothing_heavy():
    code = (
        "import torch, time, sys; before = set(sys.modules); t = time.process_time(); import pulse; "
        "print(time.process_time() - t); "
        "print(*(m for m in ('typer', 'rich', 'dlib', 'scipy', 'PIL', 'stylegan') if m in set(sys.modules) - before))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert float(out[0]) < 0.2
    assert out[1] == ""
