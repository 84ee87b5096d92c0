"""Portraits with their latents, and the regression on them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import stylegan
from stylegan import portraits
from stylegan.cli import main
from stylegan.common.pixels import bytes_to_signed, to_bytes
from stylegan.portraits.skin_places import skin_places
from stylegan.training import launch, pairs
from stylegan.training.dataset import Dataset
from stylegan.training.losses import skin_distance
from stylegan.training.networks import new_generator, weights_from
from stylegan.training.options import Schedule, TrainingOptions
from stylegan.training.regress import Regression
from stylegan.training.run import train

TINY = TrainingOptions(resolution=16, w_dim=16, channel_base=128, channel_max=16, batch_size=8, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs whose picture is one colour, taken from the first three coordinates of z."""
    folder = tmp_path_factory.mktemp("pairs")
    z = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    colours = pairs.coordinates_of(z)[:, :3, None, None].expand(-1, -1, 16, 16)
    np.savez(folder / "pairs_0_00000.npz", z=z.numpy(), pictures=to_bytes(colours).numpy())
    return folder


def test_regression_learns_the_pictures_of_the_latents(folder: Path, tmp_path: Path) -> None:
    train(Regression(pairs.dataset_of(folder, 16), TINY), tmp_path, Schedule(kimg=0.8, log_steps=20))
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < 0.6 * log[0]["loss"]
    generator = stylegan.load(tmp_path / "generator.safetensors")
    assert generator.img_resolution == 16
    assert generator.gaussian_fit is not None


def test_muon_learns_them_too_and_is_resumed_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    options = replace(TINY, optimizer="muon", learning_rate=0.005)
    data = pairs.dataset_of(folder, 16)
    whole = Regression(data, options)
    train(whole, tmp_path / "whole", Schedule(kimg=0.8, log_steps=20))
    log = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < 0.6 * log[0]["loss"]
    train(Regression(data, options), tmp_path / "parts", Schedule(kimg=0.4))
    resumed = Regression(data, options)
    train(resumed, tmp_path / "parts", Schedule(kimg=0.8))
    for one, other in zip(whole.G_ema.parameters(), resumed.G_ema.parameters(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(ValueError, match="no optimizer 'sgd'"):
        replace(TINY, optimizer="sgd")


def test_the_learning_rate_falls_to_nothing(folder: Path) -> None:
    task = Regression(pairs.dataset_of(folder, 16), replace(TINY, learning_rate=0.01, decay_kimg=0.032))
    rates, moved = [], []
    for step in range(6):
        before = [parameter.detach().clone() for parameter in task.G.parameters()]
        task.step(step, torch.Generator().manual_seed(step))
        rates.append(task.optimizers["G"].param_groups[0]["lr"])
        moved.append(any(not torch.equal(a, b) for a, b in zip(before, task.G.parameters(), strict=True)))
    assert rates == pytest.approx([0.01, 0.0075, 0.005, 0.0025, 0, 0])
    assert moved == [True] * 4 + [False] * 2


def test_skin_is_learnt_where_it_is_asked_for(tmp_path: Path) -> None:
    z = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    u = pairs.coordinates_of(z)
    np.savez(tmp_path / "pairs_0_00000.npz", z=z.numpy(), pictures=to_bytes(portraits.render(u, 16)).numpy())
    data = pairs.dataset_of(tmp_path)
    landmarks = torch.stack([fact.landmarks for fact in portraits.truth(u, 16)])
    places = skin_places(landmarks, 16)

    def learnt(weight: float) -> float:
        task = Regression(data, replace(TINY, skin_weight=weight, learning_rate=0.005))
        numbers = [task.step(step, torch.Generator().manual_seed(step)) for step in range(40)]
        assert ("skin" in numbers[0]) == bool(weight)
        with torch.no_grad():
            return float(
                skin_distance(task.G(z, noise_mode="none"), bytes_to_signed(data.reals(torch.arange(64))), places)
            )

    assert learnt(50.0) < 0.8 * learnt(0.0)
    with pytest.raises(ValueError, match="cannot be negative"):
        replace(TINY, skin_weight=-1.0)


def test_a_run_is_not_continued_with_other_options(folder: Path, tmp_path: Path) -> None:
    data = pairs.dataset_of(folder, 16)
    train(Regression(data, TINY), tmp_path, Schedule(kimg=0.008))
    with pytest.raises(ValueError, match="learning_rate"):
        train(Regression(data, replace(TINY, learning_rate=1e-4)), tmp_path, Schedule(kimg=0.016))


def test_what_is_held_out_is_measured_and_never_trained_on(folder: Path) -> None:
    z, pictures = pairs.read_shards(folder)
    other = pictures.clone()
    regression = Regression(Dataset(other.numpy(), latents=z), TINY)
    assert regression.held_out == 4
    other[:4] = 255 - other[:4]
    for changed in (pictures, other):
        task = Regression(Dataset(changed.numpy(), latents=z), TINY)
        for step in range(3):
            task.step(step, torch.Generator().manual_seed(step))
        weights = [parameter.clone() for parameter in task.G.parameters()]
        measured = task.measure(64)
        if changed is pictures:
            first, known = weights, measured
    assert all(torch.equal(one, two) for one, two in zip(first, weights, strict=True))
    assert known["distance"] != measured["distance"]


def test_characters_are_measured_apart_and_z_follows_the_portraits(tmp_path: Path) -> None:
    z = torch.randn(256, 128, generator=torch.Generator().manual_seed(0))
    pictures = torch.full((256, 3, 16, 16), 128, dtype=torch.uint8)
    # Portraits of people are as bright as a generator's first pictures, those of others white.
    pictures[z[:, 64] > 0] = 255
    np.savez(tmp_path / "pairs_0_00000.npz", z=z.numpy(), pictures=pictures.numpy())
    data = pairs.dataset_of(tmp_path)
    with pytest.raises(ValueError, match="make them agree"):
        Regression(data, TINY)
    measured = Regression(data, replace(TINY, z_dim=128)).measure(64)
    assert measured["distance_others"] > measured["distance_people"] > 0
    command = ["train", str(tmp_path), "-o", str(tmp_path / "run"), "--method=regression", "--kimg=0", "--device=cpu"]
    assert main([*command, "--z-dim=64"]) == 2
    assert main(command) == 0
    assert stylegan.load(tmp_path / "run" / "generator.safetensors").z_dim == 128


def test_without_latents_there_is_no_regression() -> None:
    with pytest.raises(ValueError, match="latents are known"):
        Regression(Dataset(np.zeros((4, 3, 16, 16), np.uint8)), TINY)


def test_a_start_may_be_laid_over_another(folder: Path, tmp_path: Path) -> None:
    with weights_from(0):
        large, small = (new_generator(replace(TINY, resolution=resolution)) for resolution in (16, 8))
    stylegan.save(large, tmp_path / "large.safetensors")
    stylegan.save(small, tmp_path / "small.safetensors")
    starts = [f"--start={tmp_path / name}.safetensors" for name in ("large", "small")]
    command = ["train", str(folder), "-o", str(tmp_path / "run"), "--method=regression", "--kimg=0", "--device=cpu"]
    assert main([*command, *starts]) == 0
    state = stylegan.load(tmp_path / "run" / "generator.safetensors").state_dict()
    # What both have is the small one's, what only the large one has is its own.
    assert torch.equal(state["synthesis.b8.conv0.weight"], small.state_dict()["synthesis.b8.conv0.weight"])
    assert torch.equal(state["synthesis.b16.conv0.weight"], large.state_dict()["synthesis.b16.conv0.weight"])


@pytest.mark.parametrize("kind", ["people", "characters"])
def test_coordinates_are_even_in_the_unit_cube(kind: str) -> None:
    z_dim = pairs.z_dim_of(kind)
    u = pairs.coordinates_of(torch.randn(4096, z_dim, generator=torch.Generator().manual_seed(1)))
    assert u.shape[1] == portraits.sample(1, torch.Generator(), kind).shape[1]
    counts = torch.stack([torch.histc(column, bins=10, min=0, max=1) for column in u.T])
    assert u.min() >= 0
    assert u.max() <= 1
    assert (counts / 4096 - 0.1).abs().max() < 0.03
    with pytest.raises(ValueError, match="length 65 stand for no portraits"):
        pairs.coordinates_of(torch.zeros(1, 65))


def test_shards_resume_and_are_read_at_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def render(u: torch.Tensor, resolution: int) -> torch.Tensor:
        calls.append(len(u))
        return u[:, :3, None, None].expand(-1, -1, resolution, resolution)

    monkeypatch.setattr(pairs.portraits, "render", render)
    pairs.render_shards(tmp_path, 2 * pairs.SHARD, resolution=8)
    (tmp_path / "pairs_0_00001.npz").unlink()
    calls.clear()
    pairs.render_shards(tmp_path, 2 * pairs.SHARD, resolution=8)
    assert sum(calls) == pairs.SHARD
    z, pictures = pairs.read_shards(tmp_path, 4)
    assert pictures.shape == (2 * pairs.SHARD, 3, 4, 4)
    assert pictures.dtype == torch.uint8
    expected = pairs.coordinates_of(z)[:, :3] * 255
    assert (pictures[:, :, 0, 0] - expected).abs().max() < 1
    with pytest.raises(ValueError, match="asks for 16 px"):
        pairs.read_shards(tmp_path, 16)


def test_pairs_are_rendered_and_trained_on_by_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def render(u: torch.Tensor, resolution: int) -> torch.Tensor:
        return u[:, :3, None, None].expand(-1, -1, resolution, resolution)

    monkeypatch.setattr(pairs.portraits, "render", render)
    monkeypatch.setattr(launch, "cores", lambda: 1)
    folder, run = tmp_path / "pairs", tmp_path / "run"
    assert main(["render-pairs", str(folder), "--count", "8", "--resolution", "16", "--seed", "61"]) == 0
    assert [path.name for path in folder.iterdir()] == ["pairs_61_00000.npz"]
    options = ["--method", "regression", "--optimizer", "muon", "--channel-max", "8", "--batch-size", "4"]
    assert main(["train", str(folder), "-o", str(run), "--device", "cpu", "--kimg", "0.008", *options]) == 0
    told = json.loads((run / "run.json").read_text())
    assert (told["options"]["resolution"], told["options"]["optimizer"]) == (16, "muon")
    assert stylegan.load(run / "generator.safetensors").img_resolution == 16


def test_a_folder_holds_one_kind_of_one_resolution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def render(u: torch.Tensor, resolution: int) -> torch.Tensor:
        return u[:, -3:, None, None].expand(-1, -1, resolution, resolution)

    monkeypatch.setattr(pairs.portraits, "render", render)
    monkeypatch.setattr(launch, "cores", lambda: 1)
    command = ["render-pairs", str(tmp_path), "--count", "8", "--resolution", "8"]
    assert main([*command, "--kind", "characters"]) == 0
    assert pairs.read_shards(tmp_path)[0].shape == (pairs.SHARD, 128)
    with np.load(tmp_path / "pairs_0_00000.npz") as shard:
        assert str(shard["kind"]) == "characters"
    capsys.readouterr()
    told = f"{tmp_path / 'pairs_0_00000.npz'} holds characters of 8 px, and"
    assert main(command) == 2
    assert f"{told} people of 8 px are asked for" in capsys.readouterr().err
    assert main([*command[:-1], "16", "--kind", "characters", "--seed", "1"]) == 2
    assert f"{told} characters of 16 px are asked for" in capsys.readouterr().err
    assert main([*command, "--kind", "robots"]) == 2
    assert "kind of portraits is 'robots'" in capsys.readouterr().err
    pairs.render_shards(tmp_path / "people", 8, 8, seed=1)
    (tmp_path / "people" / "pairs_1_00000.npz").rename(tmp_path / "pairs_1_00000.npz")
    with pytest.raises(ValueError, match=r"holds people, and pairs_0_00000\.npz beside it characters"):
        pairs.read_shards(tmp_path)


def test_damaged_pairs_are_named(tmp_path: Path) -> None:
    (tmp_path / "pairs_0_00000.npz").write_bytes(b"PK\3\4 no more")
    for read in (pairs.dataset_of, lambda folder: pairs.render_shards(folder, 8, 8)):
        with pytest.raises(ValueError, match=r"pairs_0_00000\.npz cannot be read"):
            read(tmp_path)
