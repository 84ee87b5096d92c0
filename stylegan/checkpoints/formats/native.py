"""Our own format: safetensors, with the architecture as JSON in its metadata.

Metadata: `format` ("pulse-stylegan"), `version` ("1"), `architecture` ("stylegan1", "stylegan2", "dcgan"
or "stylegan2-discriminator"), `config` (JSON of the constructor's arguments), `name`. Tensors: the network's parameters
and buffers under their names, and `gaussian_fit.mean`, `gaussian_fit.std` where PULSE's fit has been computed.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats.assemble import DERIVED, Entry, Network, Shape, compare, fill, lay_out, shapes
from stylegan.checkpoints.formats.source import explain, printable, shown
from stylegan.common.files import write_tensors
from stylegan.common.tensors import Shapes, TensorFileError, read_tensors
from stylegan.networks import dcgan, stylegan1, stylegan2
from stylegan.networks.discriminator import Discriminator

_FORMAT = "pulse-stylegan"
_CLASSES: dict[str, type[Any]] = {
    cls.architecture: cls for cls in (stylegan1.Generator, stylegan2.Generator, dcgan.Generator, Discriminator)
}
_FIT = ("gaussian_fit.mean", "gaussian_fit.std")
_MAX_CONFIG = 20_000


def recognises(head: bytes) -> bool:
    """Whether a file that begins with these bytes is safetensors: eight of header length, then a JSON object."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000


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


@dataclass(frozen=True, slots=True)
class _Claim:
    """A tensor of which only the header has been read."""

    shape: Shape
    floating: bool = True


@dataclass(frozen=True, slots=True)
class _Read:
    """A tensor that has been read."""

    tensor: Tensor

    @property
    def shape(self) -> Shape:
        return tuple(self.tensor.shape)

    @property
    def floating(self) -> bool:
        return self.tensor.is_floating_point()

    def read(self) -> Tensor:
        return self.tensor


def load(path: Path) -> Network:
    """Read a network that `save` wrote, in float32 on the CPU and in evaluation mode.

    Raises:
        CheckpointError: if the file is damaged, of another format, or does not fit its own description.
    """
    laid_out: list[Any] = []
    try:
        tensors, metadata = read_tensors(path, lambda held, data: laid_out.append(_lay_out(path, held, data)))
    except TensorFileError as error:
        raise CheckpointError(
            f"{shown(path)} cannot be read as a safetensors file ({printable(error.reason, 200)}); fetch it again."
        ) from error
    (network,) = laid_out
    fit = {name.removeprefix("gaussian_fit."): tensors.pop(name).float() for name in _FIT if name in tensors}
    entries = {name: Entry(_Read(tensor)) for name, tensor in tensors.items()}
    # Compared again for the types, which the header's shapes do not include.
    wanted = shapes(network)
    compare(path, wanted, entries)
    fill(network, wanted, entries)
    if fit and not isinstance(network, Discriminator):
        if not all(bool(values.isfinite().all()) for values in fit.values()):
            raise CheckpointError(f"{shown(path)} holds a gaussian fit that is not finite; it is damaged.")
        network.gaussian_fit = fit
    network.name = printable(metadata.get("name", path.stem))
    return network


def _lay_out(path: Path, held: Shapes, metadata: dict[str, str]) -> Network:
    """The network that the metadata describe, without memory, after a comparison with the tensors of the file."""
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(
            f"{shown(path)} is a safetensors file of something else; give one that `stylegan.save` wrote."
        )
    if metadata.get("version") != "1":
        version = printable(metadata.get("version", "?"))
        raise CheckpointError(f"{shown(path)} is of version {version} of this format; a newer pulse may read it.")
    architecture = metadata.get("architecture", "")
    if architecture not in _CLASSES:
        raise CheckpointError(
            f"{shown(path)} holds a network of architecture {printable(architecture)!r}, which this version lacks."
        )
    network: Network = lay_out(path, _CLASSES[architecture], _config(path, metadata))
    fit = {name: held[name] for name in _FIT if name in held}
    if fit and not isinstance(network, Discriminator) and fit != dict.fromkeys(_FIT, (network.w_dim,)):
        raise CheckpointError(f"{shown(path)} holds a gaussian fit of another length than {network.w_dim}.")
    claims = {name: _Claim(shape) for name, shape in held.items() if name not in fit}
    compare(path, shapes(network), claims)
    return network


def _config(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    text = metadata.get("config", "")
    try:
        if len(text) > _MAX_CONFIG:
            raise ValueError(f"over {_MAX_CONFIG} characters")
        config = json.loads(text)
        if not isinstance(config, dict):
            raise ValueError("no JSON object")
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{shown(path)} describes its network in a way that cannot be built ({explain(error)}); it is damaged."
        ) from error
    return config
