"""Training an upscaler: its losses, its steps, and a run that is ended and goes on."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import pulse
from pulse.app.cli import main
from pulse.feedforward import losses
from pulse.feedforward.critic import Critic
from pulse.feedforward.landmarks import LandmarkNet, write_landmark_net
from pulse.feedforward.network import Upscaler, reduced
from pulse.feedforward.options import UpscalerOptions
from pulse.feedforward.training import SuperResolution, at_step, made_small, psnr
from pulse.feedforward.weights import load_upscaler
from stylegan.training.dataset import Dataset
from stylegan.training.networks import weights_from
from stylegan.training.options import Schedule
from stylegan.training.run import train
from tests.stylegan.training.two_processes import run_in_two

_QUICK: dict[str, Any] = {"batch_size": 2, "step_kimg": 0.004, "fade_kimg": 0.004}


@pytest.fixture(scope="module")
def landmarks() -> LandmarkNet:
    """A landmark network with fresh weights."""
    with weights_from(0):
        return LandmarkNet().eval().requires_grad_(False)


def _faces(count: int = 4) -> Dataset:
    colours = np.random.default_rng(0).integers(0, 255, (count, 3, 4, 4), np.uint8)
    return Dataset(colours.repeat(32, 2).repeat(32, 3))


def test_a_new_step_begins_as_the_step_before(network: Upscaler) -> None:
    small = torch.rand(1, 3, 4, 4)
    for step in (2, 3):
        before = torch.nn.functional.interpolate(network(small, step - 1), scale_factor=2.0, mode="nearest")
        torch.testing.assert_close(network(small, step, 0.0), before)
        assert not torch.allclose(network(small, step, 0.5), before, atol=1e-2)


@pytest.mark.parametrize("step", [2, 3])
def test_the_critic_of_a_new_step_begins_as_that_of_the_step_before(step: int) -> None:
    critic, side = Critic(), 16 << step
    pictures = torch.rand(2, 3, side, side)
    before = critic(torch.nn.functional.avg_pool2d(pictures, 2), step - 1)
    torch.testing.assert_close(critic(pictures, step, 0.0), before)
    assert not torch.allclose(critic(pictures, step, 1.0), before, atol=1e-6)


def test_the_penalty_is_that_of_the_gradients_length() -> None:
    direction = torch.zeros(1, 3, 8, 8)
    direction[0, 0, 0, :2] = torch.tensor([3.0, 4.0])

    def critic(pictures: torch.Tensor) -> torch.Tensor:
        return (pictures * direction).sum((1, 2, 3))

    x, y = torch.rand(2, 4, 3, 8, 8)
    assert float(losses.gradient_penalty(critic, x, y, torch.Generator().manual_seed(0))) == pytest.approx(16)


def test_losses_are_zero_for_the_truth_and_reach_the_upscaler(landmarks: LandmarkNet) -> None:
    y = torch.rand(2, 3, 128, 128) * 2 - 1
    named = {
        "pixel": losses.pixel_loss,
        "perceptual": partial(losses.perceptual_loss, features=losses.landmark_features(landmarks)),
        "heatmap": partial(losses.heatmap_loss, network=landmarks),
        "attention": partial(losses.attention_loss, network=landmarks),
    }
    for name, loss in named.items():
        assert float(loss(y, y)) == 0, name
        x = (y + 0.1 * torch.randn_like(y)).requires_grad_()
        (gradient,) = torch.autograd.grad(loss(x, y), x)
        assert float(gradient.abs().max()) > 0, name


def test_attention_counts_what_is_near_landmarks_only() -> None:
    class Corner(LandmarkNet):
        """All landmarks are near the top left corner."""

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            maps = torch.full((len(pictures), 68, 32, 32), 1e-30)
            maps[:, :, 3, 3] = 1
            return maps.log()

    y = torch.zeros(1, 3, 64, 64)
    near, far = y.clone(), y.clone()
    near[..., 6:8, 6:8] = 1
    far[..., 40:42, 40:42] = 1
    assert float(losses.attention_loss(far, y, Corner())) < 1e-6
    assert float(losses.attention_loss(near, y, Corner())) > 1e-4


def test_pictures_are_made_small_in_three_ways() -> None:
    faces = torch.rand(64, 3, 128, 128) * 2 - 1
    small = made_small(faces, 0.5, torch.Generator().manual_seed(0))
    chained = ((small - reduced(faces)).abs().amax((1, 2, 3)) < 1e-6).float().mean()
    by_area = ((small - torch.nn.functional.adaptive_avg_pool2d(faces, 16)).abs().amax((1, 2, 3)) < 1e-6).float().mean()
    assert 0.35 < float(chained) < 0.65
    assert 0.1 < float(by_area) < 0.4
    torch.testing.assert_close(made_small(faces, 1.0, torch.Generator()), reduced(faces))
    assert [at_step(faces, step).shape[-1] for step in (1, 2, 3)] == [32, 64, 128]
    torch.testing.assert_close(reduced(at_step(faces, 1)), reduced(faces))


def test_a_run_goes_through_the_steps_and_goes_on_where_it_was_ended(tmp_path: Path, landmarks: LandmarkNet) -> None:
    every = {"perceptual": 0.1, "adversarial": 0.1, "heatmap": 0.1, "attention": 0.1}
    options = UpscalerOptions(**_QUICK, **every, kimg=0.006)

    def task() -> SuperResolution:
        return SuperResolution(_faces(), options, landmarks=landmarks)

    whole = task()
    quiet: dict[str, Any] = {"snapshot_kimg": 0, "grid_kimg": 0, "metric_kimg": 0}
    train(whole, tmp_path / "whole", Schedule(kimg=0.006, **quiet))
    train(task(), tmp_path / "parts", Schedule(kimg=0.004, **quiet))
    assert load_upscaler(tmp_path / "parts").step == 1
    again = task()
    train(again, tmp_path / "parts", Schedule(kimg=0.006, **quiet))
    assert again.stage.get() == whole.stage.get() == (2, 0.0)
    for name in ("G", "G_ema", "D"):
        ours = again.modules[name].state_dict()
        for key, value in whole.modules[name].state_dict().items():
            assert torch.equal(ours[key], value), f"{name}.{key}"
    assert load_upscaler(tmp_path / "parts").step == 2


def test_it_learns() -> None:
    task = SuperResolution(_faces(), UpscalerOptions(batch_size=2, mirror=False))
    pixel = [float(task.step(i, torch.Generator().manual_seed(i))["pixel"]) for i in range(8)]
    assert sum(pixel[-2:]) < 0.7 * sum(pixel[:2])
    shown = task.pictures()["upscaled"]
    assert (shown.shape, shown.dtype) == ((16, 3, 128, 128), torch.uint8)


def test_held_out_faces_are_measured() -> None:
    task = SuperResolution(_faces(32), UpscalerOptions(batch_size=4))
    assert task.held_out == 2
    found = task.measure(8)
    # With fresh weights it draws nothing.
    assert found["psnr"] < found["psnr_bicubic"]
    assert float(psnr(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.1))) == pytest.approx(20, abs=1e-3)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kimg": 0.0}, "must be above 0"),
        ({"pixel": -1.0}, "cannot be negative"),
        ({"first_step": 4}, "no step 4"),
        ({"chain": 2.0}, "shares"),
        ({"batch_size": 1}, "at least 2"),
    ],
)
def test_options_that_make_no_sense_are_one_sentence(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        UpscalerOptions(**given)


def test_losses_need_their_network() -> None:
    with pytest.raises(ValueError, match="need a landmark network"):
        SuperResolution(_faces(), UpscalerOptions(attention=1.0, batch_size=2))


def test_the_command_trains_on_a_folder_and_its_run_upscales(
    tmp_path: Path, landmarks: LandmarkNet, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "faces").mkdir()
    for number in range(4):
        Image.new("RGB", (40, 40), (60 * number, 90, 30)).save(tmp_path / "faces" / f"{number}.png")
    write_landmark_net(landmarks, tmp_path / "lm.safetensors")
    command = ["train-sr", str(tmp_path / "faces"), "-o", str(tmp_path / "run"), "--device", "cpu"]
    command += ["--batch-size", "2", "--attention", "1", "--landmarks", str(tmp_path / "lm.safetensors")]
    assert main([*command, "--kimg", "0.004"]) == 0
    assert "Ended at 0.004 of 0.004 kimg" in capsys.readouterr().out
    assert (tmp_path / "run" / "upscaled.png").exists()
    made = pulse.upscale(torch.rand(3, 16, 16), network=tmp_path / "run", grid="off")
    assert made.images.shape == (1, 3, 32, 32)
    # The same command finds the run finished; another one is refused.
    assert main([*command, "--kimg", "0.004"]) == 0
    capsys.readouterr()
    assert main([*command, "--kimg", "0.004", "--pixel", "2"]) == 2
    assert "pixel=1.0, not 2" in capsys.readouterr().err
    for features, says in (("torch:argmax", "no tensors with a gradient"), ("torch:matmul", "fails on a picture")):
        assert main(["train-sr", "faces", "-o", str(tmp_path / "other"), "--features", features]) == 2
        err = capsys.readouterr().err
        assert (says in err, err.count("\n")) == (True, 1)


_PART = """
import sys; from pathlib import Path; import torch; torch.set_num_threads(1)
from tests.pulse.feedforward.test_training import _QUICK, _faces
from pulse.feedforward.options import UpscalerOptions
from pulse.feedforward.training import SuperResolution
from stylegan.training import distributed
from stylegan.training.options import Schedule
from stylegan.training.run import train
with distributed.processes("cpu") as device:
    folder, rank = Path(sys.argv[1]), distributed.rank()
    learning = SuperResolution(_faces(8), UpscalerOptions(**{**_QUICK, "batch_size": 4, "adversarial": 0.1}), device)
    train(learning, folder / "run", Schedule(kimg=0.008))
    torch.save([learning.G.state_dict(), learning.G_ema.state_dict()], folder / f"weights{rank}.pt")
"""


def test_two_processes_train_one_upscaler(tmp_path: Path) -> None:
    run_in_two(_PART, str(tmp_path))
    (first, first_ema), (second, second_ema) = (torch.load(tmp_path / f"weights{i}.pt") for i in range(2))
    assert all(torch.equal(first_ema[name], second_ema[name]) for name in first_ema)
    # Statistics of a batch are each process's own until they are averaged.
    weights = [name for name in first if "running" not in name]
    assert len(weights) > 20
    assert all(torch.equal(first[name], second[name]) for name in weights)
    assert load_upscaler(tmp_path / "run" / "upscaler.safetensors") is not None
