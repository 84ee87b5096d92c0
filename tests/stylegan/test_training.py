"""The training loops at 16 px: they learn, they resume exactly, and they say what is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import stylegan
from stylegan.training import adversarial, losses, pairs
from stylegan.training.__main__ import _options
from stylegan.training.state import TrainingOptions, grow_into, new_discriminator, new_generator
from stylegan.training.warm_start import warm_start

TINY = TrainingOptions(
    resolution=16, w_dim=16, channel_base=128, channel_max=16, batch_size=8, r1_interval=2, pl_interval=2, seed=3
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs whose picture is one colour, taken from the first three coordinates of z."""
    folder = tmp_path_factory.mktemp("pairs")
    z = torch.randn(64, pairs.Z_DIM, generator=torch.Generator().manual_seed(0))
    colours = pairs.coordinates_of(z)[:, :3, None, None].expand(-1, -1, 16, 16)
    np.savez(folder / "pairs_0_00000.npz", z=z.numpy(), pictures=pairs.to_bytes(colours).numpy())
    return folder


def _log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_warm_start_learns_the_pictures_of_the_latents(data: Path, tmp_path: Path) -> None:
    warm_start(data, tmp_path, TINY, kimg=0.8, log_steps=20)
    log = _log(tmp_path)
    assert log[-1]["loss"] < 0.6 * log[0]["loss"]
    assert stylegan.load(tmp_path / "generator.safetensors").img_resolution == 16


@pytest.mark.parametrize("pair_weight", [0.0, 1.0])
def test_adversarial_training_resumes_bit_for_bit(data: Path, tmp_path: Path, pair_weight: float) -> None:
    options = TrainingOptions(**{**TINY.__dict__, "pair_weight": pair_weight})
    adversarial.train(data, tmp_path / "whole", options, kimg=0.048, log_steps=2)
    adversarial.train(data, tmp_path / "parts", options, kimg=0.024, log_steps=2)
    adversarial.train(data, tmp_path / "parts", options, kimg=0.048, log_steps=2)
    whole, parts = (torch.load(tmp_path / n / "state.pt", weights_only=True) for n in ("whole", "parts"))
    assert whole["step"] == parts["step"] == 6
    for network in ("G", "D", "G_ema"):
        for name, tensor in whole["modules"][network].items():
            assert torch.equal(tensor, parts["modules"][network][name]), (network, name)
    drop = ("seconds",)
    assert [{k: v for k, v in line.items() if k not in drop} for line in _log(tmp_path / "whole")] == [
        {k: v for k, v in line.items() if k not in drop} for line in _log(tmp_path / "parts")
    ]


def test_adversarial_training_moves_both_networks(data: Path, tmp_path: Path) -> None:
    torch.manual_seed(TINY.seed)
    generator, discriminator = new_generator(TINY, pairs.Z_DIM), new_discriminator(TINY)
    adversarial.train(data, tmp_path, TINY, kimg=0.016, log_steps=1)
    state = torch.load(tmp_path / "state.pt", weights_only=True)["modules"]
    for name, parameter in [*generator.named_parameters()]:
        assert not torch.equal(parameter, state["G"][name]), name
    for name, parameter in [*discriminator.named_parameters()]:
        if name not in ("b4.out.bias",):
            assert not torch.equal(parameter, state["D"][name]), name
    assert _log(tmp_path)[0]["r1"] > 0
    assert _log(tmp_path)[0]["path_length"] > 0


def test_a_run_is_not_continued_with_other_options(data: Path, tmp_path: Path) -> None:
    warm_start(data, tmp_path, TINY, kimg=0.008)
    with pytest.raises(ValueError, match="learning_rate"):
        warm_start(data, tmp_path, TrainingOptions(**{**TINY.__dict__, "learning_rate": 1e-4}), kimg=0.016)


def test_growing_keeps_the_picture(tmp_path: Path) -> None:
    small = new_generator(TINY, pairs.Z_DIM).eval()
    large = new_generator(TrainingOptions(**{**TINY.__dict__, "resolution": 32}), pairs.Z_DIM).eval()
    grow_into(small, large)
    z = torch.randn(2, pairs.Z_DIM)
    ours = torch.nn.functional.avg_pool2d(large(z), 2)
    assert (ours - small(z)).abs().mean() < 0.2 * small(z).std()


def test_r1_is_the_squared_gradient() -> None:
    pictures = torch.randn(3, 3, 4, 4, requires_grad=True)
    logits = (pictures.square() / 2).sum(dim=(1, 2, 3))
    assert torch.allclose(losses.r1_penalty(logits, pictures), pictures.square().sum(dim=(1, 2, 3)).mean())


def test_pyramid_distance_sees_every_scale() -> None:
    x = torch.zeros(1, 3, 16, 16)
    checks = ((torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2 - 1).float().expand(1, 3, 16, 16)
    assert losses.pyramid_distance(x, x) == 0
    assert torch.isclose(losses.pyramid_distance(x + checks, x), torch.tensor(1.0))
    assert torch.isclose(losses.pyramid_distance(x + 1, x), torch.tensor(1.0))


def test_coordinates_are_even_in_the_unit_cube() -> None:
    u = pairs.coordinates_of(torch.randn(4096, pairs.Z_DIM, generator=torch.Generator().manual_seed(1)))
    counts = torch.stack([torch.histc(column, bins=10, min=0, max=1) for column in u.T])
    assert u.min() >= 0
    assert u.max() <= 1
    assert (counts / 4096 - 0.1).abs().max() < 0.03


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


def test_bad_settings_are_named() -> None:
    assert _options(["resolution=64", "compile=true", "r1_gamma=2"]).r1_weight == 2
    with pytest.raises(ValueError, match="no training option 'speed'"):
        _options(["speed=11"])
    with pytest.raises(ValueError, match="batch_size cannot be 'many'"):
        _options(["batch_size=many"])
