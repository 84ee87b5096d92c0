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
from torch import Tensor

from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats.assemble import DERIVED, Entry, Network, assemble
from stylegan.checkpoints.formats.source import printable
from stylegan.common.files import write_tensors
from stylegan.networks import stylegan1, stylegan2
from stylegan.networks.discriminator import Discriminator

_FORMAT = "pulse-stylegan"
_CLASSES: dict[str, type[Any]] = {
    cls.architecture: cls for cls in (stylegan1.Generator, stylegan2.Generator, Discriminator)
}
# A header of a thousand tensors takes a hundred kilobytes.
_MAX_HEADER = 4_000_000
_MAX_CONFIG = 20_000


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
    tensors = {name: tensor.to(dtype) for name, tensor in network.state_dict().items() if not name.endswith(DERIVED)}
    fit = getattr(network, "gaussian_fit", None)
    if fit is not None:
        tensors |= {f"gaussian_fit.{k}": v.float() for k, v in fit.items()}
    metadata = {
        "format": _FORMAT,
        "version": "1",
        "architecture": network.architecture,
        "config": json.dumps(network.config),
        "name": network.name or path.stem,
    }
    write_tensors(path, tensors, metadata)


class _Record:
    """A tensor of an open safetensors file."""

    def __init__(self, file: Any, name: str) -> None:
        self._file, self._name = file, name
        self.shape: tuple[int, ...] = tuple(file.get_slice(name).get_shape())

    def read(self) -> Tensor:
        # A copy: the network must not change when the file does.
        return self._file.get_tensor(self._name).to(torch.float32, copy=True)


def load(path: Path) -> Network:
    """Read a network that `save` wrote, in float32 on the CPU and in evaluation mode.

    Raises:
        CheckpointError: if the file is damaged, of another format, or does not fit its own description.
    """
    with path.open("rb") as head:
        length = int.from_bytes(head.read(8), "little")
    if length > min(_MAX_HEADER, path.stat().st_size):
        raise CheckpointError(f"{path} cannot be read as a safetensors file (its header is too long); fetch it again.")
    try:
        with safe_open(path, framework="pt") as file:
            return _load(path, file)
    except CheckpointError:
        raise
    except (SafetensorError, OSError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = printable(" ".join(str(error).split()))
        raise CheckpointError(f"{path} cannot be read as a safetensors file ({reason}); fetch it again.") from error


def _load(path: Path, file: Any) -> Network:
    metadata = file.metadata() or {}
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(f"{path} is a safetensors file of something else; give one that `stylegan.save` wrote.")
    if metadata.get("version") != "1":
        version = printable(str(metadata.get("version")))
        raise CheckpointError(f"{path} is of version {version} of this format; a newer pulse may read it.")
    architecture = metadata.get("architecture", "")
    if architecture not in _CLASSES:
        raise CheckpointError(
            f"{path} holds a network of architecture {printable(architecture)!r}, which this version lacks."
        )
    records = {name: _Record(file, name) for name in file.keys()}  # noqa: SIM118
    fit = {part: records.pop(f"gaussian_fit.{part}", None) for part in ("mean", "std")}
    entries = {name: Entry(record) for name, record in records.items()}
    network: Network = assemble(path, _CLASSES[architecture], _config(path, metadata), entries)
    if not isinstance(network, Discriminator) and fit["mean"] is not None and fit["std"] is not None:
        kept = {part: record.read() for part, record in fit.items() if record is not None}
        if any(values.shape != (network.w_dim,) for values in kept.values()):
            raise CheckpointError(f"{path} holds a gaussian fit of another length than {network.w_dim}; it is damaged.")
        network.gaussian_fit = kept
    network.name = printable(metadata.get("name", path.stem))
    return network


def _config(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    text = metadata.get("config", "")
    try:
        config = json.loads(text) if len(text) <= _MAX_CONFIG else None
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} describes its network in a way that cannot be built (no JSON); it is damaged.")
    return config
