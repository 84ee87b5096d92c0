"""`stylegan train` as a user meets it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import stylegan
from stylegan.cli import main
from stylegan.training import command

SMALL = ["--device", "cpu", "--channels", "16", "--batch", "4", "--log-steps", "1", "--no-tensorboard"]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twelve pictures of noise in two sub-folders, and a file that is none."""
    rng = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(6):
            pixels = rng.integers(0, 255, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    (tmp_path / "data" / "cats" / "broken.png").write_text("no picture")
    return tmp_path / "data"


def test_train_continue_and_sample(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    arguments = ["train", str(pictures), "-o", str(run), "--cond", "--mirror", "--grid-every", "0.004", *SMALL]
    assert main([*arguments, "--kimg", "0.008", "--metrics-every", "0.004", "--features", "torch:flatten"]) == 2
    assert "must be (N, D)" in capsys.readouterr().err
    assert main([*arguments, "--kimg", "0.008", "--metrics-every", "0.004"]) == 0
    told = capsys.readouterr()
    assert "12 pictures of 16 px, labels cats, dogs" in told.out
    assert "cats/broken.png" in told.err
    here = {path.name for path in run.iterdir()}
    assert {"generator.safetensors", "fakes.png", "fakes_000002.png", "reals.png", "log.jsonl", "state.pt"} <= here
    assert [path for path in here if path.endswith(".part")] == []
    assert main([*arguments, "--kimg", "0.012"]) == 0
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "G" in line] == [1, 2, 3]
    assert any("swd" in line for line in lines)
    assert main(["sample", str(run / "generator.safetensors"), "-o", str(tmp_path / "s.png"), "--label", "1"]) == 0
    capsys.readouterr()
    assert main([*arguments, "--batch", "8"]) == 2
    assert "batch_size=4, not 8" in capsys.readouterr().err
    assert main(["train", str(tmp_path), "-o", str(run)]) == 2
    assert "holds a run on" in capsys.readouterr().err


def test_fine_tuning_begins_with_the_checkpoint(pictures: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["train", str(pictures), "-o", str(first), "--kimg", "0.004", *SMALL]) == 0
    start = str(first / "generator.safetensors")
    assert main(["train", str(pictures), "-o", str(second), "--kimg", "0", "--start", start, *SMALL[:2]]) == 0
    z = torch.randn(2, 64)
    assert torch.equal(stylegan.load(second / "generator.safetensors")(z), stylegan.load(start)(z))


def test_portraits_are_rendered_and_taught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def render(u: torch.Tensor, resolution: int) -> torch.Tensor:
        return u[:, :3, None, None].expand(-1, -1, resolution, resolution)

    monkeypatch.setattr(command.pairs.portraits, "render", render)
    arguments = ["train", "portraits", "-o", str(tmp_path / "run"), "--resolution", "16", "--count", "8", *SMALL]
    assert main([*arguments, "--warm-start", "0.008", "--kimg", "0.004"]) == 0
    assert (tmp_path / "run" / "warm_start" / "generator.safetensors").exists()
    assert (tmp_path / "run" / "generator.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "There is no folder or file"),
        (["data", "--resolution", "20"], "power of two"),
        (["data", "--aug", "all"], "no augmentation 'all'"),
        (["data", "--aug", "fixed"], "needs a probability"),
        (["data", "--batch", "6"], "multiple of 4"),
        (["data", "--warm-start", "1"], "latents are known"),
        (["data", "--features", "nosuch:f"], "no function 'nosuch:f'"),
        (["data", "--start", "nosuch"], "no generator 'nosuch'"),
    ],
)
def test_errors_are_one_sentence(
    arguments: list[str],
    sentence: str,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments, "-o", "run", "--device", "cpu"]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
