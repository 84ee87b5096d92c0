"""Files of the upscaler: the one in the box, those that training writes, and the authors' checkpoints, read as data.

A checkpoint of the authors is a `torch.save` of `step`, `alpha` and `model_state_dict`; ours is a safetensors file with
the same names and `step` and `alpha` in its metadata.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pulse.feedforward.network import Upscaler, check_step
from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats import native, torch_archive
from stylegan.checkpoints.formats.assemble import Shape, compare
from stylegan.checkpoints.formats.source import Source, StoredTensor, describe, open_file, shown
from stylegan.common.files import write_tensors
from stylegan.common.tensors import Shapes, read_tensors

NAME = "upscaler"
_FORMAT = "pulse-upscaler-1"
_IN_THE_BOX = Path(str(resources.files("stylegan") / "weights" / "upscaler128.safetensors"))
# How many batches a normalisation has seen, which nothing uses. Not every version of PyTorch saves it.
_UNUSED = "num_batches_tracked"
_MAX_NAME = 100


def load_upscaler(source: str | os.PathLike[str] = "default") -> Upscaler:
    """An upscaler in evaluation mode, in float32 on the CPU.

    Args:
        source: "default" for the one in the box; a safetensors file of `pulse train-sr`, or its folder; or a `.ckpt` of
            the authors of Progressive Face Super-Resolution.

    Raises:
        ValueError: if there is no such file, or it holds something else; nothing in a file is executed.
    """
    path = _IN_THE_BOX if source == "default" else Path(source)
    if path.is_dir():
        path = path / f"{NAME}.safetensors"
    try:
        with open_file(path) as file:
            if native.recognises(file.read(16)):
                return _of_ours(path)
            return _of_authors(Source(path, file))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"There is no upscaler {shown(path)}; give default, a file of `pulse train-sr`, or a checkpoint of"
            " Progressive Face Super-Resolution."
        ) from error
    except OSError as error:
        raise CheckpointError(f"{shown(path)} cannot be read ({error.strerror}); check the path.") from error


def write_upscaler(network: Upscaler, path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Writes an upscaler as a safetensors file, whole or not at all; float16 takes 18 MB, float32 36 MB."""
    tensors = {name: value.to(dtype) for name, value in network.state_dict().items() if not name.endswith(_UNUSED)}
    write_tensors(path, tensors, {"format": _FORMAT, "step": str(network.step), "alpha": repr(float(network.alpha))})


def _of_ours(path: Path) -> Upscaler:
    network = Upscaler()
    found: list[tuple[int, float]] = []

    def check(shapes: Shapes, metadata: dict[str, str]) -> None:
        if metadata.get("format") != _FORMAT:
            raise CheckpointError(f"{shown(path)} is a safetensors file of something else; give one of an upscaler.")
        compare(path, _shapes(network), {name: _Known(shape) for name, shape in shapes.items()})
        try:
            found.append((int(metadata["step"]), float(metadata["alpha"])))
            check_step(*found[0])
        except (KeyError, ValueError) as error:
            raise CheckpointError(f"{shown(path)} does not say at which step it is; it is damaged.") from error

    tensors, _ = read_tensors(path, check)
    return _filled(path, network, tensors, *found[0])


def _of_authors(source: Source) -> Upscaler:
    value = torch_archive.read(source)
    with source.making_sense("is no checkpoint of Progressive Face Super-Resolution"):
        state = value["model_state_dict"]
        step, alpha = value["step"], value.get("alpha", 1.0)
        if type(step) is not int or type(alpha) not in (int, float):
            raise ValueError(f"step {describe(step)} and alpha {describe(alpha)}")
        # An alpha below 0 stands in checkpoints of the first step, which has nothing to fade in.
        alpha = 1.0 if step == 1 else float(alpha)
        check_step(step, alpha)
        source.budget.spend(len(state))
        entries: dict[str, StoredTensor] = {}
        for name, tensor in state.items():
            if not isinstance(name, str) or len(name) > _MAX_NAME or not isinstance(tensor, StoredTensor):
                raise ValueError("something other than tensors by name")
            # Files of several GPUs have this before each name.
            name = name.removeprefix("module.")
            if not name.endswith(_UNUSED):
                entries[name] = tensor
    network = Upscaler()
    compare(source.path, _shapes(network), entries)
    return _filled(source.path, network, {name: tensor.read() for name, tensor in entries.items()}, step, alpha)


class _Known:
    """What the header of a file says of a tensor."""

    floating = True

    def __init__(self, shape: Shape) -> None:
        self.shape = shape


def _shapes(network: Upscaler) -> dict[str, Shape]:
    return {name: tuple(t.shape) for name, t in network.state_dict().items() if not name.endswith(_UNUSED)}


def _filled(path: Path, network: Upscaler, tensors: Mapping[str, Tensor], step: int, alpha: float) -> Upscaler:
    if not all(tensor.is_floating_point() and bool(tensor.isfinite().all()) for tensor in tensors.values()):
        raise CheckpointError(f"{shown(path)} holds weights that are no finite numbers; fetch or train it again.")
    network.step, network.alpha = step, alpha
    state: dict[str, Any] = {name: tensor.float().contiguous() for name, tensor in tensors.items()}
    network.load_state_dict(state, strict=False)
    return network.eval().requires_grad_(False)
