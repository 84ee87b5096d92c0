"""`stylegan.load`: from a name, a path or a URL to a network, by content; nothing in a file is ever run."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal, overload

from stylegan.checkpoints import zoo
from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats import fit, native, nvidia, pulse_files, rosinality, tensorflow, torch_archive
from stylegan.checkpoints.formats.assemble import Network, Reading
from stylegan.checkpoints.formats.plain_pickle import read_pickle
from stylegan.checkpoints.formats.source import Source
from stylegan.networks import stylegan1, stylegan2
from stylegan.networks.discriminator import Discriminator

Generator = stylegan1.Generator | stylegan2.Generator
Which = Literal["G_ema", "G", "D"]

_FORMATS = (
    "a safetensors file of `stylegan.save`, a StyleGAN2 pickle of NVIDIA's, a checkpoint of rosinality's"
    " stylegan2-pytorch, or PULSE's files"
)


@overload
def load(source: str | os.PathLike[str] = "default", which: Literal["G_ema", "G"] = "G_ema") -> Generator: ...
@overload
def load(source: str | os.PathLike[str], which: Literal["D"]) -> Discriminator: ...
def load(source: str | os.PathLike[str] = "default", which: Which = "G_ema") -> Network:
    """A network in evaluation mode, in float32 on the CPU.

    Args:
        source: a name of `stylegan.list_models()` ("default" is the generator in the box; others are fetched when they
            are are first asked for), an https URL, or a path: a safetensors file that `stylegan.save` wrote, NVIDIA's
            pickles (PyTorch, or StyleGAN2 in TensorFlow's form), rosinality's checkpoints, or PULSE's files (the
            folder, or `synthesis.pt` alone).
        which: "G_ema", the averaged generator; "G", the one in training; or "D", the discriminator. A file with one
            generator gives it for both of the first.

    Raises:
        CheckpointError: if there is no such name or file, or it cannot be used; nothing in a file is executed.
    """
    path = locate(source)
    network = read(path, which).network
    if not isinstance(network, Discriminator):
        network.source = path
        if network.gaussian_fit is None:
            network.gaussian_fit = fit.read(network.mapping, path)
    return network


def locate(source: str | os.PathLike[str]) -> Path:
    """The path of a name, URL or path; what is not here yet is fetched. CheckpointError if there is none."""
    path = zoo.path_of(source) if isinstance(source, str) else None
    path = Path(source) if path is None else path
    if not path.exists():
        raise CheckpointError(
            f"There is no generator {os.fspath(source)!r}: it is no file or folder, and the names are"
            f" {', '.join(zoo.list_models())}."
        )
    return path


def read(path: Path, which: Which = "G_ema") -> Reading:
    """A network of a file or folder, with the name of the format and what was passed over.

    Raises:
        CheckpointError: as for `load`.
    """
    if which not in ("G_ema", "G", "D"):
        raise CheckpointError(f"There is no network {which!r} in a checkpoint; ask for 'G_ema', 'G' or 'D'.")
    try:
        reading = _read(path, which)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error}); check the path.") from error
    is_discriminator = isinstance(reading.network, Discriminator)
    if is_discriminator != (which == "D"):
        held, asked = ("discriminator", "generator") if is_discriminator else ("generator", "discriminator")
        raise CheckpointError(f"{path} holds a {held}; give a file with a {asked}.")
    if not reading.network.name:
        reading.network.name = path.stem
    return reading


def _read(path: Path, which: Which) -> Reading:
    if pulse_files.recognises_folder(path):
        return pulse_files.load_folder(path)
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder without PULSE's synthesis.pt; give {_FORMATS}.")
    if not path.is_file():
        raise CheckpointError(f"{path} is no regular file; give {_FORMATS}.")
    if native.recognises(path):
        return Reading(native.load(path), "safetensors of stylegan.save")
    with path.open("rb") as file:
        return _read_pickled(path, file, which)


def _read_pickled(path: Path, file: BinaryIO, which: Which) -> Reading:
    source = Source(path, file)
    value = _value(source)
    if nvidia.recognises(value):
        return nvidia.load(source, value, which)
    if tensorflow.recognises(value):
        return tensorflow.load(source, value, which)
    if rosinality.recognises(value):
        return rosinality.load(source, value, which)
    if pulse_files.recognises(value):
        return pulse_files.load(source, value)
    raise CheckpointError(f"{path} holds no StyleGAN that is known here; give {_FORMATS}.")


def _value(source: Source) -> Any:
    if torch_archive.is_zip(source):
        return torch_archive.read_zip(source)
    source.file.seek(0)
    protocol = source.file.read(1)
    source.file.seek(0)
    reader: Callable[[Source], Any] = read_pickle
    try:
        value = reader(source)
    except CheckpointError as error:
        if protocol == b"\x80" or "not a file of plain tensors" in str(error):
            raise
        raise CheckpointError(f"{source.path} is in no checkpoint format that can be read; give {_FORMATS}.") from error
    if torch_archive.is_legacy_mark(value):
        source.file.seek(0)
        return torch_archive.read_legacy(source, source.size)
    return value
