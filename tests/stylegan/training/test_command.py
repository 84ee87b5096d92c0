"""`stylegan train` as a user meets it."""

import json
import os
import runpy
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import stylegan
from stylegan.cli import main
from stylegan.training import launch

SMALL = ["--device", "cpu", "--channel-max", "16", "--batch-size", "4", "--log-steps", "1", "--no-tensorboard"]


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
    arguments = ["train", str(pictures), "-o", str(run), "--labelled", "--mirror", "--grid-kimg", "0.004", *SMALL]
    assert main([*arguments, "--kimg", "0.008", "--metric-kimg", "0.004", "--features", "torch:flatten"]) == 2
    assert "must be (N, D)" in capsys.readouterr().err
    assert main([*arguments, "--kimg", "0.008", "--metric-kimg", "0.004"]) == 0
    told = capsys.readouterr()
    first, *_, last, path = told.out.splitlines()
    assert first == "12 pictures of 16 px (9.2 kB), labels cats, dogs"
    assert "cats/broken.png" in told.err
    assert last == "Ended at 0.008 kimg; 1 file could not be read; the same command continues the run"
    assert path == str(run / "generator.safetensors")
    here = {path.name for path in run.iterdir()}
    assert {"generator.safetensors", "fakes.png", "fakes_000002.png", "reals.png", "log.jsonl", "state.pt"} <= here
    assert [path for path in here if path.endswith(".part")] == []
    assert main([*arguments, "--kimg", "0.012"]) == 0
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "G" in line] == [1, 2, 3]
    assert any("swd" in line for line in lines)
    assert main(["sample", str(run / "generator.safetensors"), "-o", str(tmp_path / "s.png"), "--label", "1"]) == 0
    capsys.readouterr()
    assert main([*arguments, "--batch-size", "8"]) == 2
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

    monkeypatch.setattr(launch.pairs.portraits, "render", render)
    monkeypatch.setattr(launch, "cores", lambda: 1)
    arguments = ["train", "portraits", "-o", str(tmp_path / "run"), "--resolution", "16", "--portraits", "8", *SMALL]
    assert main([*arguments, "--warm-start", "0.008", "--kimg", "0.004"]) == 0
    assert (tmp_path / "run" / "warm_start" / "generator.safetensors").exists()
    assert (tmp_path / "run" / "generator.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "There is no folder or file"),
        (["data", "--resolution", "20"], "power of two"),
        (["data", "--augment", "all"], "no augmentation 'all'"),
        (["data", "--augment", "fixed"], "needs a probability"),
        (["data", "--augment", "none", "--augment-p", "0.5"], "no augment_p"),
        (["data", "--augment", "none", "--ada-kimg", "5"], "ada_kimg has no effect"),
        (["data", "--batch-size", "6"], "multiple of 4"),
        (["data", "--warm-start", "1"], "latents are known"),
        (["data", "--method", "regression"], "latents are known"),
        (["data", "--method", "diffusion"], "no method 'diffusion'"),
        (["data", "--optimizer", "muon"], "optimizer has no effect on the method gan"),
        (["data", "--portraits", "9"], "number of portraits has no effect"),
        (["portraits", "--framing", "crop"], "framing has no effect"),
        (["portraits", "--method", "regression", "--mirror"], "mirror has no effect on the method regression"),
        (["data", "--features", "nosuch:f"], "no function 'nosuch:f'"),
        (["data", "--features", "torch:flatten", "--metric-kimg", "0"], "give metric_kimg"),
        (["data", "--start", "nosuch"], "no generator 'nosuch'"),
        (["data", "--from", "nosuch"], "no state nosuch to continue from"),
        (["data", "--kimg", "nan"], "cannot be negative"),
        (["data", "--minutes", "0"], "cannot end after 0"),
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


def test_a_folder_keeps_snapshots_that_go_on_elsewhere(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    arguments = ["train", str(pictures), "--snapshot-kimg", "0.008", "--kimg", "0.016", "--mirror", *SMALL]
    assert main([*arguments, "-o", str(run)]) == 0
    kept = sorted(path.name for path in (run / "snapshots").iterdir() if path.suffix == ".safetensors")
    assert kept == ["generator-000000.008kimg.safetensors", "generator-000000.016kimg.safetensors"]
    snapshot = run / "snapshots" / kept[0]
    again = ["train", str(pictures), "--kimg", "0.016", "-o", str(other), "--from", str(snapshot), *SMALL]
    assert main(again) == 0
    # The options come with the snapshot, so the rest of the run is the same.
    ours, theirs = (stylegan.load(folder / "generator.safetensors").state_dict() for folder in (other, run))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert main(again) == 0
    capsys.readouterr()
    assert main([*again[: -len(SMALL)], "--batch-size", "8"]) == 2
    assert "batch_size=4, not 8" in capsys.readouterr().err
    assert main(["train", str(pictures), "-o", str(tmp_path / "x"), "--from", str(snapshot), "--batch-size", "8"]) == 2
    assert "its batch_size of 4" in capsys.readouterr().err
    assert main([*arguments[:2], "-o", str(run), "--from", str(snapshot)]) == 2
    assert "holds a run with from=None" in capsys.readouterr().err


def test_the_drawn_emoji_can_be_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawer = Path(__file__).parents[3] / "examples" / "training" / "draw_emoji.py"
    monkeypatch.setattr("sys.argv", ["draw_emoji.py", "--count", "6", "--size", "16", "-o", str(tmp_path / "emoji")])
    runpy.run_path(str(drawer), run_name="__main__")
    assert main(["train", str(tmp_path / "emoji"), "-o", str(tmp_path / "run"), "--kimg", "0", *SMALL]) == 0
    assert "6 pictures of 16 px" in capsys.readouterr().out


def test_few_pictures_get_a_word(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one").mkdir()
    (pictures / "cats" / "0.png").rename(tmp_path / "one" / "0.png")
    assert main(["train", str(tmp_path / "one"), "-o", str(tmp_path / "run"), "--kimg", "0.004", *SMALL]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("1 picture of 16 px")
    assert "A generator memorises 1 picture" in told.err


@pytest.mark.parametrize("name", ["generator.safetensors", "reals.png", "log.jsonl"])
def test_a_folder_of_something_else_is_left_alone(
    name: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("mine")
    assert main(["train", str(pictures), "-o", str(tmp_path / "mine"), *SMALL]) == 2
    assert f"holds a {name} of something else" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in (tmp_path / "mine").iterdir()] == [(name, "mine")]
    assert main(["train", str(pictures), "-o", str(tmp_path / "mine" / name), *SMALL]) == 2
    assert f"{name} is a file" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_saved_and_says_so(
    number: signal.Signals, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"

    def strike() -> None:
        while not (run / "log.jsonl").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=strike)
    thread.start()
    assert main(["train", str(pictures), "-o", str(run), *SMALL]) == 128 + number
    thread.join()
    assert f"Stopped by {number.name} at 0.0" in capsys.readouterr().out
    assert stylegan.load(run / "generator.safetensors").img_resolution == 16
