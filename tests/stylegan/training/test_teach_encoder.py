"""Teaching the network that reads portraits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import stylegan
from stylegan.cli import main
from stylegan.common.pixels import to_bytes
from stylegan.common.tensors import read_tensors
from stylegan.portraits import encoder
from stylegan.training import pairs
from stylegan.training.options import EncoderOptions
from stylegan.training.teach_encoder import Reading, made_small

SMALL = EncoderOptions(steps=60, batch_size=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs whose picture is one colour, taken from the first three coordinates of z."""
    folder = tmp_path_factory.mktemp("pairs")
    z = torch.randn(512, 128, generator=torch.Generator().manual_seed(0))
    colours = pairs.coordinates_of(z)[:, :3, None, None].expand(-1, -1, 32, 32)
    np.savez(folder / "pairs_0_00000.npz", z=z.numpy(), pictures=to_bytes(colours).numpy())
    return folder


def test_it_learns_what_pictures_tell_and_how_sure_it_may_be(folder: Path) -> None:
    task = Reading(*pairs.read_shards(folder), SMALL)
    before = task.measure(1024)
    for step in range(SMALL.steps):
        task.step(step, torch.Generator().manual_seed(step))
    after = task.measure(1024)
    # Three of 64 coordinates can be read; of the others nothing is known.
    assert after["error_people"] < before["error_people"] - 0.01
    with torch.no_grad():
        mean, log_deviation = task.encoder(made_small(task.seen[:64].float() / 255, torch.Generator().manual_seed(0)))
    assert (task.v[:64] - mean)[:, :3].square().mean() < 0.4
    assert log_deviation[:, :3].mean() < log_deviation[:, 3:].mean() - 0.08
    # The learning rate ends at 0.
    assert task.optimizers["encoder"].param_groups[0]["lr"] < 0.04 * SMALL.learning_rate


def test_held_out_pictures_teach_nothing(folder: Path) -> None:
    z, pictures = pairs.read_shards(folder)
    other = pictures.clone()
    tasks = [Reading(z, some, SMALL) for some in (pictures, other)]
    assert tasks[0].held_out == 32
    other[:32] = 255 - other[:32]
    for task in tasks:
        task.step(5, torch.Generator().manual_seed(5))
    one, two = (task.encoder.state_dict() for task in tasks)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert tasks[0].measure(32) != tasks[1].measure(32)


def test_targets_are_made_small_in_several_ways() -> None:
    pictures = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    small = made_small(pictures, torch.Generator().manual_seed(1))
    assert small.shape == (64, 3, 16, 16)
    assert 0 <= small.min() <= small.max() <= 1
    # Reduced noise has less contrast, taken as it is as much.
    contrast = small.std((1, 2, 3)).unflatten(0, (4, 16)).mean(1)
    assert contrast.max() > 1.3 * contrast.min()
    assert not torch.equal(made_small(pictures, torch.Generator().manual_seed(2)), small)


def test_the_command_writes_weights_as_they_lie_in_the_box_and_goes_on(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    command = ["teach-encoder", str(folder), "-o", str(run), "--batch-size", "8", "--steps"]
    assert main([*command, "2"]) == 0
    told = capsys.readouterr().out
    assert "Ended after 2 of 2 steps" in told
    assert "error_people" in told
    tensors, metadata = read_tensors(run / "encoder.safetensors")
    assert metadata == {"format": encoder.FORMAT}
    written = encoder.load(run / "encoder.safetensors").state_dict()
    assert written.keys() == tensors.keys()
    assert {value.dtype for value in tensors.values()} == {torch.float16}
    assert main([*command, "3"]) == 2
    assert "steps=2, not 3" in capsys.readouterr().err
    # Without a learning rate worth the name, it stays what it begins with.
    again = ["teach-encoder", str(folder), "-o", str(tmp_path / "again"), "--steps=1", "--learning-rate=1e-9"]
    assert main([*again, "--batch-size=8", "--start", str(run / "encoder.safetensors")]) == 0
    begun = encoder.load(tmp_path / "again" / "encoder.safetensors").state_dict()
    assert all(torch.equal(begun[name], written[name]) for name in written)
    (tmp_path / "other.safetensors").write_bytes(b"no tensors")
    assert main([*again, "--start", str(tmp_path / "other.safetensors")]) == 2
    stylegan.save(stylegan.load(), tmp_path / "generator.safetensors")
    with pytest.raises(ValueError, match="holds no encoder"):
        encoder.load(tmp_path / "generator.safetensors")


def test_what_cannot_be_read_is_told() -> None:
    z, pictures = torch.zeros(16, 128), torch.zeros(16, 3, 32, 32, dtype=torch.uint8)
    with pytest.raises(ValueError, match="--kind characters"):
        Reading(z[:, :64], pictures, SMALL)
    with pytest.raises(ValueError, match="render some of 32 px"):
        Reading(z, pictures[..., :16, :16], SMALL)
    with pytest.raises(ValueError, match="give more"):
        replace(SMALL, batch_size=2)
