"""The adversarial loop at 16 px: it moves what it should, and an ended run goes on as if it had not been."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import stylegan
from stylegan.training import distributed
from stylegan.training.dataset import Dataset
from stylegan.training.gan import Gan
from stylegan.training.networks import new_discriminator, new_generator, weights_from
from stylegan.training.options import Schedule, TrainingOptions
from stylegan.training.run import train
from tests.stylegan.training.two_processes import run_in_two

TINY = TrainingOptions(
    resolution=16,
    w_dim=16,
    channel_base=128,
    channel_max=16,
    batch_size=8,
    r1_interval=2,
    pl_interval=2,
    augment="ada",
    augment_p=0.3,
    ada_kimg=1.0,
    mirror=True,
    seed=3,
)


def _data(labels: bool = False, latents: bool = False) -> Dataset:
    pictures = np.random.default_rng(0).integers(0, 255, (32, 3, 16, 16), dtype=np.uint8)
    z = torch.randn(32, 64, generator=torch.Generator().manual_seed(0)) if latents else None
    if labels:
        return Dataset(pictures, ("a", "b"), torch.arange(32) % 2, latents=z)
    return Dataset(pictures, latents=z)


def _with(**changes: Any) -> TrainingOptions:
    return TrainingOptions(**{**vars(TINY), **changes})


def _log(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def _assert_same_run(one: Path, other: Path) -> None:
    a, b = (torch.load(folder / "state.pt", weights_only=True) for folder in (one, other))
    assert a["step"] == b["step"]
    for module in a["modules"]:
        for name, tensor in a["modules"][module].items():
            assert torch.equal(tensor, b["modules"][module][name]), (module, name)
    assert _log(one) == _log(other)
    grids = [{path.name: path.read_bytes() for path in folder.glob("*.png")} for folder in (one, other)]
    assert grids[0] == grids[1]


@pytest.mark.parametrize(
    "changes", [{}, {"pair_weight": 1.0, "augment": "none", "augment_p": 0.0}], ids=["pictures", "pairs"]
)
def test_a_run_in_parts_is_the_whole_run(changes: dict[str, Any], tmp_path: Path) -> None:
    data, options = _data(latents="pair_weight" in changes), _with(**changes)
    for folder, ends in (("whole", [6]), ("parts", [3, 6])):
        for steps in ends:
            schedule = Schedule(steps * 0.008, log_steps=2, grid_kimg=0.016, metric_kimg=0.024, metric_pictures=8)
            train(Gan(data, options), tmp_path / folder, schedule)
    _assert_same_run(tmp_path / "whole", tmp_path / "parts")
    assert [line["step"] for line in _log(tmp_path / "whole")] == [2, 3, 4, 6, 6]


def test_a_killed_run_is_the_whole_run(tmp_path: Path) -> None:
    """SIGKILL strikes a process that has saved, and has logged and drawn more since."""
    program = (
        "import sys; from pathlib import Path; import torch; torch.set_num_threads(1)\n"
        "from tests.stylegan.training.test_gan import TINY, _data\n"
        "from stylegan.training.gan import Gan\n"
        "from stylegan.training.options import Schedule\n"
        "from stylegan.training.run import train\n"
        "schedule = Schedule(kimg=float(sys.argv[2]), log_steps=1, grid_kimg=0.024, save_minutes=float(sys.argv[3]))\n"
        "train(Gan(_data(), TINY), Path(sys.argv[1]), schedule)\n"
    )
    root = Path(__file__).parents[3]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        # The long run saves every 0.003 minutes, so that it is struck somewhere between two saves.
        command = [sys.executable, "-c", program, str(tmp_path / "killed"), "1000", "0.003"]
        with subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL) as process:
            state, log = tmp_path / "killed" / "state.pt", tmp_path / "killed" / "log.jsonl"
            end = time.monotonic() + 60
            while time.monotonic() < end and process.poll() is None:
                if state.exists() and len(log.read_text().splitlines()) > 8:
                    break
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        reached = torch.load(state, weights_only=True)["step"]
        schedule = Schedule(kimg=(reached + 4) * 0.008, log_steps=1, grid_kimg=0.024)
        train(Gan(_data(), TINY), tmp_path / "killed", schedule)
        train(Gan(_data(), TINY), tmp_path / "whole", schedule)
    finally:
        torch.set_num_threads(threads)
    _assert_same_run(tmp_path / "killed", tmp_path / "whole")


def test_what_was_told_after_the_last_save_is_forgotten(tmp_path: Path) -> None:
    short = Schedule(kimg=0.016, log_steps=1, grid_kimg=0.008)
    train(Gan(_data(), TINY), tmp_path, short)
    saved = (tmp_path / "state.pt").read_bytes()
    before = _log(tmp_path)
    train(Gan(_data(), TINY), tmp_path, Schedule(kimg=0.04, log_steps=1, grid_kimg=0.008))
    assert (tmp_path / "fakes_000005.png").exists()
    (tmp_path / "state.pt").write_bytes(saved)
    train(Gan(_data(), TINY), tmp_path, short)
    assert _log(tmp_path) == before
    assert not (tmp_path / "fakes_000003.png").exists()


def test_both_networks_learn_and_the_generator_is_saved(tmp_path: Path) -> None:
    with weights_from(TINY.seed):
        generator, discriminator = new_generator(TINY), new_discriminator(TINY)
    train(Gan(_data(), TINY), tmp_path, Schedule(kimg=0.016, log_steps=1))
    state = torch.load(tmp_path / "state.pt", weights_only=True)["modules"]
    for name, parameter in generator.named_parameters():
        assert not torch.equal(parameter, state["G"][name]), name
    for name, parameter in discriminator.named_parameters():
        if name != "b4.out.bias":
            assert not torch.equal(parameter, state["D"][name]), name
    first = _log(tmp_path)[0]
    assert first["r1"] > 0
    assert first["path_length"] > 0
    assert 0 < first["augment_p"] < 1
    assert stylegan.load(tmp_path / "generator.safetensors").gaussian_fit is not None


def test_nothing_depends_on_the_global_generator(tmp_path: Path) -> None:
    for folder, seed in (("one", 1), ("other", 2)):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        train(Gan(_data(), TINY), tmp_path / folder, Schedule(kimg=0.016, log_steps=1))
        assert torch.equal(torch.get_rng_state(), before)
    _assert_same_run(tmp_path / "one", tmp_path / "other")


def test_labels_reach_both_networks(tmp_path: Path) -> None:
    gan = Gan(_data(labels=True), TINY)
    train(gan, tmp_path, Schedule(kimg=0.016))
    generator = gan.G_ema
    assert generator.c_dim == 2
    z, c = torch.randn(1, 64), torch.eye(2)
    assert not torch.equal(generator(z, c[:1]), generator(z, c[1:]))
    state = torch.load(tmp_path / "state.pt", weights_only=True)["modules"]
    with weights_from(TINY.seed):
        fresh = (new_generator(TINY, 2), new_discriminator(TINY, 2))
    assert not torch.equal(state["G"]["mapping.embed.weight"], fresh[0].mapping.embed.weight)
    assert not torch.equal(state["D"]["mapping.embed.weight"], fresh[1].mapping.embed.weight)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(ValueError, match="pair_weight"):
        Gan(_data(), _with(pair_weight=1.0))
    with pytest.raises(ValueError, match="16 px and the run 32"):
        Gan(_data(), _with(resolution=32))
    with pytest.raises(ValueError, match="multiple of 4"):
        _with(batch_size=6)
    with pytest.raises(ValueError, match="no augmentation 'all'"):
        _with(augment="all")


_PART = """
import sys; from pathlib import Path; import torch; torch.set_num_threads(1)
from tests.stylegan.training.test_gan import TINY, _data, _with, gradients
from stylegan.training import distributed
from stylegan.training.gan import Gan
from stylegan.training.options import Schedule
from stylegan.training.run import train
with distributed.processes("cpu") as device:
    folder, rank = Path(sys.argv[1]), distributed.rank()
    torch.save(gradients(slice(4 * rank, 4 * rank + 4)), folder / f"gradients{rank}.pt")
    gan = Gan(_data(), TINY)
    train(gan, folder / "run", Schedule(kimg=0.032, log_steps=2, grid_kimg=0.016))
    torch.save(gan.G_ema.state_dict(), folder / f"weights{rank}.pt")
"""


def gradients(part: slice) -> list[torch.Tensor]:
    """Gradients of a generator on a part of fixed latents, averaged over the processes."""
    with weights_from(0):
        generator = new_generator(TINY)
    z = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))[part]
    generator(z, noise_mode="none").square().mean().backward()
    parameters = list(generator.parameters())
    distributed.average_gradients(parameters)
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    run_in_two(_PART, str(tmp_path))
    first, second = (torch.load(tmp_path / f"weights{i}.pt", weights_only=True) for i in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    whole = gradients(slice(0, 8))
    for i in range(2):
        for mean, gradient in zip(torch.load(tmp_path / f"gradients{i}.pt"), whole, strict=True):
            assert torch.allclose(mean, gradient, atol=1e-5 * float(gradient.abs().max()))
    assert [line["step"] for line in _log(tmp_path / "run")] == [2, 4]
