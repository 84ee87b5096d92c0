"""DCGAN: what a step sees, that it learns, that a run goes on exactly, and what its film is made of."""

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import stylegan
from stylegan.training import dcgan_run, state
from stylegan.training.dataset import Dataset
from stylegan.training.dcgan import FIXED, FIXED_STEPS, Dcgan, fixed_reel, fresh_reel
from stylegan.training.dcgan_options import DcganOptions
from stylegan.training.dcgan_run import DcganRequest, kimg_of_epochs, launch, snapshot_of
from stylegan.training.options import Schedule
from stylegan.training.reel import Reel
from stylegan.training.run import train

ROOT = Path(__file__).parents[3]
OPTIONS = DcganOptions(resolution=8, z_dim=6, width=2, batch_size=8)
SCHEDULE = Schedule(0.32, log_steps=10, grid_kimg=0.16, metric_kimg=0, snapshot_kimg=0.08)


def pictures(count: int = 20, resolution: int = 8, colour: tuple[int, int, int] | None = None) -> Dataset:
    rng = np.random.default_rng(0)
    table = rng.integers(0, 256, (count, 3, resolution, resolution), dtype=np.uint8)
    if colour is not None:
        table[:] = np.array(colour, np.uint8)[:, None, None]
    return Dataset(table)


def test_every_picture_is_shown_once_in_an_epoch_and_the_order_changes() -> None:
    task = Dcgan(pictures(20), OPTIONS)
    # Five steps of 8 are two epochs of 20.
    shown = torch.cat([task._index(step) for step in range(5)])
    first, second = shown[:20], shown[20:]
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(20))
    assert not torch.equal(first, second)
    assert torch.equal(task._index(3), Dcgan(pictures(20), OPTIONS)._index(3))
    assert not torch.equal(task._index(3), Dcgan(pictures(20), replace(OPTIONS, seed=1))._index(3))


def test_it_learns_a_colour() -> None:
    options = replace(OPTIONS, learning_rate=2e-3, width=8)
    task = Dcgan(pictures(20, colour=(230, 60, 20)), options)
    before = task.pictures()["fakes"].float().mean((0, 2, 3))
    for step in range(60):
        numbers = task.step(step, torch.Generator().manual_seed(step))
        assert set(numbers) == {"D", "G", "right"}
    after = task.pictures()["fakes"].float().mean((0, 2, 3))
    wanted = torch.tensor([230.0, 60, 20])
    assert float((before - wanted).abs().mean()) > 60
    assert float((after - wanted).abs().mean()) < 40


def test_the_constants_are_those_of_the_paper() -> None:
    options = DcganOptions()
    task = Dcgan(pictures(130, 64), options)
    for name in ("G", "D"):
        group = task.optimizers[name].param_groups[0]
        assert (group["lr"], group["betas"]) == (2e-4, (0.5, 0.999))
        for parameter in task.modules[name].parameters():
            if parameter.ndim > 1:
                assert float(parameter.detach().std()) == pytest.approx(0.02, rel=0.05)
    assert (options.batch_size, options.z_dim) == (128, 100)


@pytest.mark.parametrize("bfloat16", [False, True])
def test_a_run_in_parts_is_the_whole_run(bfloat16: bool, tmp_path: Path) -> None:
    options = replace(OPTIONS, bfloat16=bfloat16)

    def task(folder: str) -> Dcgan:
        return Dcgan(pictures(), options, reels=tmp_path / folder / "film")

    train(task("whole"), tmp_path / "whole", SCHEDULE)
    for kimg in (0.08, 0.2, 0.32):
        train(task("parts"), tmp_path / "parts", replace(SCHEDULE, kimg=kimg))
    assert _left(tmp_path / "parts") == _left(tmp_path / "whole")
    # From an earlier snapshot, in a new folder, the same.
    begin_with = state.state_beside(tmp_path / "whole" / "snapshots" / "generator-000000.160kimg.safetensors")
    train(task("again"), tmp_path / "again", SCHEDULE, begin_with=begin_with)
    assert _weights(tmp_path / "again") == _weights(tmp_path / "whole")


def _weights(folder: Path) -> dict[str, list[float]]:
    kept = torch.load(folder / "state.pt", weights_only=True)
    return {f"{m}.{k}": v.flatten().tolist() for m, part in kept["modules"].items() for k, v in part.items()}


def _left(folder: Path) -> tuple[dict[str, list[float]], bytes, bytes, set[str]]:
    reels = folder / "film"
    names = {path.name for path in folder.glob("snapshots/*") if "0.2" not in path.name}
    return _weights(folder), (reels / "fixed.u8").read_bytes(), (reels / "fresh.u8").read_bytes(), names


_KILLED = """
import os, random, signal, sys, time
from dataclasses import replace
from pathlib import Path
import torch
torch.set_num_threads(1)
from stylegan.training.run import train
from tests.stylegan.training.test_dcgan import OPTIONS, SCHEDULE, Dcgan, pictures
root, chance = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
schedule = replace(SCHEDULE, kimg=2.4, save_minutes=0.001)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
folder = root / "whole"
task = lambda: Dcgan(pictures(), OPTIONS, reels=folder / "film")
# First, so that the runs to be killed find everything imported.
train(task(), folder, schedule)
folder = root / "killed"
reel = folder / "film" / "fresh.u8"
taken = lambda: reel.stat().st_size // (8 * 3 * 8 * 8) if reel.exists() else 0
for turn in range(10):
    wanted = taken() + chance.randint(10, 30)
    child = os.fork()
    if child == 0:
        train(task(), folder, schedule)
        os._exit(0)
    # Half of them after some more steps, the others at any moment, also while they read what was saved.
    while turn % 2 == 0 and taken() < wanted:
        time.sleep(0.001)
    time.sleep(chance.uniform(0.0, 0.1))
    os.kill(child, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "the run had ended before it was killed"
    print(taken(), file=sys.stderr)
train(task(), folder, schedule)
"""


def test_a_run_killed_at_ten_random_moments_is_the_whole_run(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _KILLED, str(tmp_path), str(random.randrange(1 << 30))]
    told = subprocess.run(command, cwd=ROOT, check=True, timeout=300, stderr=subprocess.PIPE, text=True).stderr
    steps = [int(line) for line in told.split()]
    assert len(steps) == 10
    # Kills before the first step, or after the last, would prove nothing.
    assert 0 < min(steps) < max(steps) < 300
    assert len(set(steps)) >= 5
    assert _left(tmp_path / "killed") == _left(tmp_path / "whole")


def test_the_film_has_every_step(tmp_path: Path) -> None:
    task = Dcgan(pictures(), OPTIONS, reels=tmp_path / "film")
    for step in range(FIXED_STEPS + 1):
        task.step(step, torch.Generator().manual_seed(step))
    fresh, fixed = fresh_reel(tmp_path / "film", OPTIONS), fixed_reel(tmp_path / "film", 8)
    assert (len(fresh), len(fixed)) == (FIXED_STEPS + 1, 2)
    assert torch.equal(list(fixed.rows())[1], task.pictures()["fakes"][:FIXED])


def test_a_reel_begins_with_the_first_row_that_was_written(tmp_path: Path) -> None:
    reel = Reel(tmp_path / "new" / "reel.u8", (1, 3, 2, 2))
    assert (len(reel), list(reel.rows())) == (0, [])
    row = torch.arange(12, dtype=torch.uint8).view(1, 3, 2, 2)
    reel.put(2, row)
    reel.put(3, torch.zeros_like(row))
    # A row that a killed process left half written does not count.
    with reel.path.open("ab") as file:
        file.write(b"123")
    assert len(reel) == 4
    rows = list(reel.rows())
    assert len(rows) == 2
    assert torch.equal(rows[0], row)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for number in range(17):
        picture = Image.new("RGBA", (9, 9), (number * 15, 255 - number * 15, 40, 0 if number == 3 else 255))
        picture.putpixel((4, 4), (0, 0, 0, 255))
        picture.save(tmp_path / "data" / f"{number:02}.png")
    return tmp_path


GIVEN = {"resolution": 8, "z_dim": 6, "width": 2, "batch_size": 8, "bfloat16": False}


def test_a_run_of_epochs_and_going_on_from_an_earlier_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = DcganRequest(folder / "data", folder / "run", "cpu", 3, GIVEN)
    assert launch(request) == 0
    assert "17 pictures of 8 px" in capsys.readouterr().out
    # An epoch of 17 pictures is two steps of 8.
    assert list(state.snapshots(folder / "run")) == [0.016, 0.032, 0.048]
    # What is transparent shows white.
    assert (np.load(folder / "run" / "pictures.npy")[3] == 255).mean() > 0.8
    G = stylegan.load(folder / "run")
    assert G.gaussian_fit is not None
    # The same command does nothing more; a longer run goes on.
    assert launch(request) == 0
    assert launch(replace(request, epochs=4)) == 0
    assert list(state.snapshots(folder / "run"))[-1] == 0.064
    again = replace(request, folder=folder / "again", snapshot=folder / "run" / "epoch-2", epochs=4)
    assert launch(again) == 0
    assert _weights(folder / "again") == _weights(folder / "run")
    assert (folder / "again" / "pictures.npy").samefile(folder / "run" / "pictures.npy")
    assert len(fresh_reel(folder / "again" / "film", OPTIONS)) == 8
    assert len(list(fresh_reel(folder / "again" / "film", OPTIONS).rows())) == 4
    # Another seed takes another way from there.
    other = replace(again, folder=folder / "other", given={"seed": 5})
    assert launch(other) == 0
    assert _weights(folder / "other") != _weights(folder / "run")


def test_what_cannot_be_trained_is_one_sentence(folder: Path) -> None:
    request = DcganRequest(folder / "data", folder / "run", "cpu", 1, GIVEN)
    assert launch(request) == 0
    for changed, words in (
        (replace(request, given={"width": 3}), "holds a run with width=2, not 3; continue it as it is"),
        (replace(request, reading={"background": "black"}), "holds a run with background=white, not black"),
        (replace(request, data=folder), "holds a run with data="),
        (replace(request, folder=folder / "new", given={**GIVEN, "batch_size": 18}), "has 17 pictures, fewer than"),
        (
            replace(request, folder=folder / "a", snapshot=folder / "run" / "epoch-7"),
            "has no snapshot of epoch 7; .* 1",
        ),
        (replace(request, folder=folder / "b", snapshot=folder / "data" / "epoch-1"), "holds no run that can be read"),
        (
            replace(request, folder=folder / "c", snapshot=folder / "run" / "epoch-1", given={"batch_size": 4}),
            "continued with its batch_size of 8",
        ),
        (
            replace(request, folder=folder / "d", snapshot=folder / "run" / "epoch-1", given={"width": 3}),
            "state of other networks",
        ),
        (replace(request, device="tpu"), "no device 'tpu'"),
        (replace(request, epochs=0), "A run cannot take 0 epochs"),
        (replace(request, data=folder / "gone", folder=folder / "e"), "There is no folder or file"),
        (replace(request, folder=folder / "f", given={"resolution": 12}), "A DCGAN of 12 px cannot be trained"),
    ):
        with pytest.raises(ValueError, match=words):
            launch(changed)
    with pytest.raises(ValueError, match="make them agree"):
        Dcgan(pictures(20, 16), OPTIONS)


def test_epochs_are_whole_steps() -> None:
    assert kimg_of_epochs(1, 3145, 128) == 25 * 128 / 1000
    assert kimg_of_epochs(0.5, 3145, 128) == 12 * 128 / 1000
    assert kimg_of_epochs(2, 3, 8) == 0.016
    assert snapshot_of(Path("somewhere.pt")) == Path("somewhere.pt")


def test_bfloat16_is_taken_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert dcgan_run.has_bfloat16("cpu")
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert not dcgan_run.has_bfloat16("cpu")
