"""The generator of Progressive Face SR: the names and numbers of its checkpoints, and nothing else loads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pulse.feedforward.network import Upscaler, folded, reduced
from pulse.feedforward.weights import load_upscaler, write_upscaler

DATA = Path(__file__).parents[2] / "data"


def test_it_draws_what_the_authors_network_draws(network: Upscaler) -> None:
    golden = np.load(DATA / "progressive_fsr.npz")
    small = torch.from_numpy(golden["input"])
    names = [name for name in golden if name != "input"]
    assert len(names) == 5
    plain = folded(network)
    for name in names:
        wanted = torch.from_numpy(golden[name])
        step, alpha = int(name[4]), float(name.split("alpha")[1])
        # The first step has no alpha; the authors write -1.
        made = network(small, step, alpha)
        assert float((made - wanted).abs().max() / wanted.abs().max()) < 1e-5
        corner = small[..., :4, :4]
        torch.testing.assert_close(plain(corner, step, alpha), network(corner, step, alpha), atol=1e-4, rtol=1e-4)


def test_its_names_and_shapes_are_those_of_the_checkpoints(state: dict[str, torch.Tensor]) -> None:
    ours = {name: tuple(tensor.shape) for name, tensor in Upscaler().state_dict().items()}
    assert ours == {name: tuple(tensor.shape) for name, tensor in state.items()}


def test_a_step_or_alpha_that_is_not_there_is_refused(network: Upscaler) -> None:
    small = torch.zeros(1, 3, 2, 2)
    with pytest.raises(ValueError, match="no step 4"):
        network(small, 4)
    with pytest.raises(ValueError, match=r"alpha of 1\.5"):
        network(small, 2, 1.5)


def test_a_face_becomes_small_by_way_of_64_and_32() -> None:
    face = torch.rand(1, 3, 128, 128)
    wanted = face
    for side in (64, 32, 16):
        wanted = torch.nn.functional.interpolate(wanted, size=(side, side), mode="bilinear", antialias=True)
    torch.testing.assert_close(reduced(face), wanted)
    assert reduced(face[..., :20, :20]).shape[-1] == 16
    assert reduced(face[..., :9, :9]).shape[-1] == 9


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("legacy", [False, True])
def test_an_official_checkpoint_loads(
    tmp_path: Path, state: dict[str, torch.Tensor], network: Upscaler, prefix: str, legacy: bool
) -> None:
    path = tmp_path / "step2.ckpt"
    told = {"step": 2, "alpha": 0.25, "iteration": 7, "g_optimizer_state_dict": {"state": {}, "param_groups": []}}
    named = {f"{prefix}{name}": tensor for name, tensor in state.items()}
    torch.save({**told, "model_state_dict": named}, path, _use_new_zipfile_serialization=not legacy)
    loaded = load_upscaler(path)
    assert (loaded.step, loaded.alpha) == (2, 0.25)
    small = torch.rand(1, 3, 4, 4)
    torch.testing.assert_close(loaded(small), network(small, 2, 0.25))


def _without(state: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor for name, tensor in state.items() if name != "step2.1.bias"}


def _state_with(**tensors: torch.Tensor) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A change of a checkpoint: other tensors of step 2, and without what is empty."""

    def change(value: dict[str, Any]) -> dict[str, Any]:
        changed = value["model_state_dict"] | {f"step2.1.{name}": tensor for name, tensor in tensors.items()}
        return {**value, "model_state_dict": {name: tensor for name, tensor in changed.items() if tensor.numel()}}

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_state_with(bias=torch.zeros(0)), "lacks step2.1.bias"),
        (_state_with(more=torch.zeros(1)), "holds step2.1.more"),
        (_state_with(bias=torch.zeros(3)), r"step2.1.bias of shape \(3,\)"),
        (_state_with(bias=torch.full((128,), torch.nan)), "no finite numbers"),
        (lambda value: {**value, "step": 4}, "no step 4"),
        (lambda value: {**value, "step": "3"}, "step 3"),
        (lambda value: {"weights": value}, "it lacks model_state_dict"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_one_sentence(
    tmp_path: Path, state: dict[str, torch.Tensor], change: Callable[[Any], Any], says: str
) -> None:
    path = tmp_path / "bad.ckpt"
    torch.save(change({"step": 3, "alpha": 1.0, "model_state_dict": state}), path)
    with pytest.raises(ValueError, match=says) as caught:
        load_upscaler(path)
    assert "bad.ckpt" in str(caught.value)
    assert ". " not in str(caught.value)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (eval, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    torch.save({"step": 3, "alpha": 1.0, "model_state_dict": {}, "more": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(ValueError, match="eval"):
        load_upscaler(tmp_path / "evil.ckpt")
    assert not (tmp_path / "ran").exists()


def test_our_file_holds_the_step_and_the_weights(tmp_path: Path, network: Upscaler) -> None:
    path = tmp_path / "upscaler.safetensors"
    network.step, network.alpha = 1, 1.0
    try:
        write_upscaler(network, path, torch.float16)
    finally:
        network.step = 3
    # The folder of a run stands for its newest upscaler.
    loaded = load_upscaler(tmp_path)
    assert loaded.step == 1
    assert path.stat().st_size < 18.1e6
    torch.testing.assert_close(loaded.step1[0].weight, network.step1[0].weight, rtol=1e-3, atol=1e-4)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"upscaler\.safetensors"):
        load_upscaler(path)
    with pytest.raises(ValueError, match="There is no upscaler"):
        load_upscaler(tmp_path / "gone.ckpt")
