"""Our own format: safetensors, with the architecture as JSON in its metadata.

Metadata: `format` ("pulse-stylegan"), `version` ("1"), `architecture` ("stylegan1", "stylegan2" or
"stylegan2-discriminator"), `config` (JSON of the constructor's arguments), `name`. Tensors: the network's parameters
and buffers under their names, and `gaussian_fit.mean`, `gaussian_fit.std` where PULSE's fit has been computed.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from stylegan import stylegan1, stylegan2
from stylegan.discriminator import Discriminator
from stylegan.errors import CheckpointError

Network = stylegan1.Generator | stylegan2.Generator | Discriminator

_FORMAT = "pulse-stylegan"
_CLASSES: dict[str, type[Any]] = {
    cls.architecture: cls for cls in (stylegan1.Generator, stylegan2.Generator, Discriminator)
}
# Buffers that follow from the architecture are not stored.
_DERIVED = ("resample_filter",)


def recognises(path: Path) -> bool:
    """Whether the file is safetensors: eight bytes of header length, then a JSON object."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(9)
    return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000


def save(network: Network, path: str | os.PathLike[str], dtype: torch.dtype = torch.float32) -> None:
    """Write a network to a safetensors file, whole or not at all.

    Args:
        network: a generator or a discriminator of this package.
        path: the file; its folder must exist.
        dtype: the type that floating-point tensors are stored in; float16 halves the file.
    """
    path = Path(path)
    tensors = {
        name: tensor.detach().to("cpu", dtype).contiguous()
        for name, tensor in network.state_dict().items()
        if not name.endswith(_DERIVED)
    }
    fit = getattr(network, "gaussian_fit", None)
    if fit is not None:
        tensors |= {f"gaussian_fit.{k}": v.detach().to("cpu", torch.float32).contiguous() for k, v in fit.items()}
    metadata = {
        "format": _FORMAT,
        "version": "1",
        "architecture": network.architecture,
        "config": json.dumps(network.config),
        "name": network.name or path.stem,
    }
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        save_file(tensors, beside, metadata=metadata)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def load(path: Path) -> Network:
    """Read a network that `save` wrote, in float32 on the CPU and in evaluation mode.

    Raises:
        CheckpointError: if the file is damaged, of another format, or does not fit its own description.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _FORMAT:
                raise CheckpointError(
                    f"{path} is a safetensors file of something else; give one that `stylegan.save` wrote."
                )
            if metadata.get("version") != "1":
                raise CheckpointError(
                    f"{path} is of version {metadata.get('version')} of this format; a newer pulse may read it."
                )
            network = _build(path, metadata)
            expected = {k: v for k, v in network.state_dict().items() if not k.endswith(_DERIVED)}
            names = set(file.keys())
            fit_names = {"gaussian_fit.mean", "gaussian_fit.std"} & names
            _check_names(path, set(expected), names - fit_names)
            state = {}
            for name, target in expected.items():
                shape = tuple(file.get_slice(name).get_shape())
                if shape != tuple(target.shape):
                    raise CheckpointError(
                        f"{path} holds {name} of shape {shape}, but its own description asks for"
                        f" {tuple(target.shape)}; the file is damaged."
                    )
                state[name] = file.get_tensor(name).float()
            fit = {name.split(".")[1]: file.get_tensor(name).float() for name in fit_names}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read as a safetensors file ({error}); fetch it again.") from error
    network.load_state_dict(state, strict=False)
    if len(fit) == 2 and not isinstance(network, Discriminator):
        network.gaussian_fit = fit
    network.name = metadata.get("name", path.stem)
    return network.eval().requires_grad_(False)


def _build(path: Path, metadata: dict[str, str]) -> Network:
    architecture = metadata.get("architecture", "")
    if architecture not in _CLASSES:
        raise CheckpointError(f"{path} holds a network of architecture {architecture!r}, which this version lacks.")
    try:
        config = json.loads(metadata["config"])
        network: Network = _CLASSES[architecture](**config)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} describes its network in a way that cannot be built ({error}).") from error
    return network


def _check_names(path: Path, expected: set[str], present: set[str]) -> None:
    missing, unknown = sorted(expected - present), sorted(present - expected)
    if missing or unknown:
        what = f"lacks {missing[0]}" if missing else f"holds {unknown[0]}, which its network does not have"
        raise CheckpointError(f"{path} {what}; the file is damaged or was written by another version.")
