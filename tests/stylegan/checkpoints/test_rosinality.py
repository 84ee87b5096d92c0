"""Checkpoints of rosinality's stylegan2-pytorch."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import stylegan
from stylegan import CheckpointError

DATA = Path(__file__).parents[2] / "data"
CHECKPOINT = DATA / "rosinality_64.pt"


def error(ours: torch.Tensor, golden: np.ndarray) -> float:
    return float((ours.detach() - torch.from_numpy(golden)).abs().max() / np.abs(golden).max())


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    return dict(np.load(DATA / "rosinality_stylegan2.npz"))


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    return torch.load(CHECKPOINT, weights_only=True)


def test_generator(golden: dict[str, np.ndarray]) -> None:
    generator = stylegan.load(CHECKPOINT)
    assert error(generator.mapping(torch.from_numpy(golden["z"]))[:, 0], golden["w"]) < 1e-4
    ws = torch.from_numpy(golden["ws"]).requires_grad_()
    image = generator.synthesis(ws, noise_mode="const")
    assert error(image, golden["image"]) < 1e-4
    (gradient,) = torch.autograd.grad(image.square().mean(), ws)
    assert error(gradient, golden["ws_grad_of_mean_square"]) < 1e-4
    truncated = generator(torch.from_numpy(golden["z"]), truncation_psi=0.5)
    assert error(truncated, golden["image_of_z_truncated_half"]) < 1e-4


def test_discriminator(golden: dict[str, np.ndarray]) -> None:
    discriminator = stylegan.load(CHECKPOINT, which="D")
    assert error(discriminator(torch.from_numpy(golden["image"])), golden["discriminator_of_image"]) < 1e-4


def test_g_and_g_ema_are_told_apart(parts: dict[str, Any], tmp_path: Path) -> None:
    changed = parts | {"g": parts["g"] | {"conv1.activate.bias": torch.full((16,), 7.0)}}
    torch.save(changed, tmp_path / "c.pt")
    assert stylegan.load(tmp_path / "c.pt", which="G").synthesis.b4.conv1.bias.unique().tolist() == [7]
    assert 7 not in stylegan.load(tmp_path / "c.pt").synthesis.b4.conv1.bias


@pytest.mark.parametrize("zipped", [True, False], ids=["today's torch.save", "torch.save before 2020"])
def test_what_a_training_run_leaves(parts: dict[str, Any], zipped: bool, tmp_path: Path) -> None:
    """Arguments, optimiser states, and the prefix of several GPUs: none of it stands in the way."""
    generator = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(generator.parameters())
    generator(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    kept = {
        "g_ema": {f"module.{k}": v for k, v in parts["g_ema"].items()},
        "g_optim": optimizer.state_dict(),
        "args": argparse.Namespace(size=64, path="faces"),
    }
    torch.save(kept, tmp_path / "c.pt", _use_new_zipfile_serialization=zipped)
    generator, reference = stylegan.load(tmp_path / "c.pt"), stylegan.load(CHECKPOINT)
    ws = torch.randn(1, 10, 64)
    assert torch.equal(generator.synthesis(ws), reference.synthesis(ws))
    # The average style, which this file lacks, is estimated.
    deviation = (generator.mapping.w_avg - generator.mapping(torch.randn(2000, 64))[:, 0].mean(dim=0)).abs()
    assert 0 < deviation.max() < 0.2
    with pytest.raises(CheckpointError, match="holds no network d, for D; it has g_ema"):
        stylegan.load(tmp_path / "c.pt", which="D")


def _generator_state(size: int, channels: dict[int, int], w_dim: int, depth: int, colours: int, taps: Any) -> Any:
    kernel = torch.tensor(taps).float()
    kernel = kernel.outer(kernel) / kernel.sum() ** 2 * 4
    state = {f"style.{i + 1}.weight": torch.randn(w_dim, w_dim) * 100 for i in range(depth)}
    state |= {f"style.{i + 1}.bias": torch.randn(w_dim) for i in range(depth)}
    state["input.input"] = torch.randn(1, channels[4], 4, 4)

    def layer(name: str, inner: int, outer: int, kernel_size: int) -> None:
        state[f"{name}.conv.weight"] = torch.randn(1, outer, inner, kernel_size, kernel_size)
        state[f"{name}.conv.modulation.weight"] = torch.randn(inner, w_dim)
        state[f"{name}.conv.modulation.bias"] = torch.ones(inner)
        if kernel_size == 3:
            state[f"{name}.noise.weight"] = torch.randn(1)
            state[f"{name}.activate.bias"] = torch.randn(outer)
        else:
            state[f"{name}.bias"] = torch.randn(1, colours, 1, 1)

    layer("conv1", channels[4], channels[4], 3)
    layer("to_rgb1", channels[4], colours, 1)
    state["noises.noise_0"] = torch.randn(1, 1, 4, 4)
    for j, r in enumerate(r for r in sorted(channels) if r > 4):
        layer(f"convs.{2 * j}", channels[r // 2], channels[r], 3)
        state[f"convs.{2 * j}.conv.blur.kernel"] = kernel
        layer(f"convs.{2 * j + 1}", channels[r], channels[r], 3)
        layer(f"to_rgbs.{j}", channels[r], colours, 1)
        state[f"to_rgbs.{j}.upsample.kernel"] = kernel
        for i in (2 * j + 1, 2 * j + 2):
            state[f"noises.noise_{i}"] = torch.randn(1, 1, r, r)
    return state


@pytest.mark.parametrize(
    ("channels", "w_dim", "depth", "colours", "taps"),
    [
        ({4: 12, 8: 12, 16: 6}, 24, 4, 3, (1, 3, 3, 1)),
        ({4: 5, 8: 9, 16: 7, 32: 3}, 16, 2, 1, (1, 2, 1)),
        ({4: 8, 8: 4}, 8, 1, 4, (1, 4, 6, 4, 1)),
    ],
)
def test_other_sizes_are_read_off_the_shapes(
    channels: dict[int, int], w_dim: int, depth: int, colours: int, taps: tuple[int, ...], tmp_path: Path
) -> None:
    size = max(channels)
    torch.save({"g_ema": _generator_state(size, channels, w_dim, depth, colours, taps)}, tmp_path / "c.pt")
    generator = stylegan.load(tmp_path / "c.pt")
    assert (generator.img_resolution, generator.w_dim, generator.img_channels) == (size, w_dim, colours)
    assert generator.mapping.num_layers == depth
    assert generator(torch.randn(2, w_dim)).shape == (2, colours, size, size)
    expected = torch.tensor(taps).float()
    kernel = expected.outer(expected) / expected.sum() ** 2
    assert torch.allclose(generator.synthesis.b8.conv0.resample_filter, kernel)
    stylegan.save(generator, tmp_path / "again.safetensors")
    again = stylegan.load(tmp_path / "again.safetensors")
    z = torch.randn(1, w_dim)
    assert torch.equal(again(z), generator(z))


def test_a_file_that_lacks_something_names_it(parts: dict[str, Any], tmp_path: Path) -> None:
    damaged = {name: tensor for name, tensor in parts["g_ema"].items() if name != "conv1.conv.weight"}
    torch.save({"g_ema": damaged}, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match=r"c\.pt"):
        stylegan.load(tmp_path / "c.pt")
