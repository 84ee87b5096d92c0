"""`stylegan.load`: from a name, a path or a URL to a network, by content; nothing in a file is ever run."""

import errno
import os
from pathlib import Path
from typing import Any, Literal, overload

from stylegan.checkpoints import zoo
from stylegan.checkpoints.errors import CheckpointError
from stylegan.checkpoints.formats import (
    foreign,
    native,
    nvidia,
    pulse_files,
    rosinality,
    tensorflow,
    torch_archive,
)
from stylegan.checkpoints.formats.assemble import Network, Reading
from stylegan.checkpoints.formats.plain_pickle import read_pickle
from stylegan.checkpoints.formats.source import Source, open_file, printable, shown
from stylegan.networks import dcgan, stylegan1, stylegan2
from stylegan.networks.discriminator import Discriminator

Generator = stylegan1.Generator | stylegan2.Generator | dcgan.Generator
Which = Literal["G_ema", "G", "D"]

# What training keeps in its folder.
_NEWEST = "generator.safetensors"
SENSELESS = "is built in a way that makes no sense"
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
            are first asked for), an https URL, or a path: a safetensors file that `stylegan.save` wrote, NVIDIA's
            pickles (PyTorch, or StyleGAN2 in TensorFlow's form), rosinality's checkpoints, PULSE's files (the folder,
            or `synthesis.pt` alone), or the folder of a training run, whose newest generator is taken.
        which: "G_ema", the averaged generator; "G", the one in training; or "D", the discriminator. A file with one
            generator gives it for both of the first.

    Raises:
        CheckpointError: if there is no such name or file, or it cannot be used; nothing in a file is executed.
    """
    path = locate(source)
    network = read(path, which).network
    if not isinstance(network, Discriminator):
        network.source = path
        # What a search found is loaded again by this name.
        if zoo.find(str(source)) is not None and zoo.find(network.name) is None:
            network.name = str(source)
    return network


def locate(source: str | os.PathLike[str]) -> Path:
    """The file or folder of a name, URL or path; what is not here yet is fetched.

    Of a training run's folder, its newest generator's file.

    Raises:
        CheckpointError: if there is none, or it cannot be looked at.
    """
    path = zoo.path_of(source) if isinstance(source, str) else None
    path = Path(source) if path is None else path
    try:
        path.stat()
        if path.is_dir() and not pulse_files.recognises_folder(path) and (path / _NEWEST).is_file():
            return path / _NEWEST
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        # ValueError: a path may not contain zeros.
        raise _nowhere(path) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise _nowhere(path) from error
        raise _unreadable(path, error) from error
    return path


def _nowhere(path: Path) -> CheckpointError:
    return CheckpointError(
        f"There is no generator {shown(path)!r}: it is no file or folder, and the names are"
        f" {', '.join(zoo.list_models())}."
    )


def _unreadable(path: Path, error: OSError) -> CheckpointError:
    reason = printable(error.strerror or type(error).__name__)
    if isinstance(error, PermissionError):
        return CheckpointError(
            f"{shown(path)} may not be read by this user ({reason}); change its permissions or those of its folder, or"
            " ask its owner."
        )
    return CheckpointError(f"{shown(path)} cannot be read ({reason}); check the path.")


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
        raise _unreadable(path, error) from error
    except MemoryError as error:
        raise CheckpointError(
            f"{shown(path)} does not fit into memory; close other programs, or use a machine with more of it."
        ) from error
    except CheckpointError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        # No file is known to come here; the fuzzers count it as a fault. But a caller was promised a CheckpointError.
        raise CheckpointError(f"{shown(path)} {SENSELESS} ({type(error).__name__}); fetch it again.") from error
    is_discriminator = isinstance(reading.network, Discriminator)
    if is_discriminator != (which == "D"):
        held, asked = ("discriminator", "generator") if is_discriminator else ("generator", "discriminator")
        raise CheckpointError(f"{shown(path)} holds a {held}; give a file with a {asked}.")
    if not reading.network.name:
        reading.network.name = printable(path.stem)
    return reading


def _read(path: Path, which: Which) -> Reading:
    if path.is_dir():
        if pulse_files.recognises_folder(path):
            return pulse_files.load_folder(path)
        raise CheckpointError(
            f"{shown(path)} is a folder with neither PULSE's synthesis.pt nor a training run's {_NEWEST}; give"
            f" {_FORMATS}."
        )
    with open_file(path) as file:
        head = file.read(512)
        source = Source(path, file)
        wrong = foreign.told(head, source.size)
        if wrong is not None:
            raise CheckpointError(f"{source.name} {wrong}.")
        if native.recognises(head):
            return Reading(native.load(path), "safetensors of stylegan.save")
        return _read_pickled(source, which)


def _read_pickled(source: Source, which: Which) -> Reading:
    value = _value(source)
    if nvidia.recognises(value):
        return nvidia.load(source, value, which)
    if tensorflow.recognises(value):
        return tensorflow.load(source, value, which)
    if rosinality.recognises(value):
        return rosinality.load(source, value, which)
    if pulse_files.recognises(value):
        return pulse_files.load(source, value)
    part = pulse_files.part_alone(value)
    if part is not None:
        raise CheckpointError(
            f"{source.name} is PULSE's {part} alone, which draws nothing; put it into one folder with synthesis.pt, and"
            " give the folder."
        )
    raise CheckpointError(f"{source.name} holds no StyleGAN that is known here; give {_FORMATS}.")


def _value(source: Source) -> Any:
    if torch_archive.is_zip(source):
        return torch_archive.read_zip(source)
    source.file.seek(0)
    protocol = source.file.read(1)
    source.file.seek(0)
    try:
        value = read_pickle(source)
    except CheckpointError as error:
        if protocol == b"\x80" or "not a file of plain tensors" in str(error):
            raise
        raise CheckpointError(f"{source.name} is in no checkpoint format that can be read; give {_FORMATS}.") from error
    if torch_archive.is_legacy_mark(value):
        source.file.seek(0)
        return torch_archive.read_legacy(source, source.size)
    return value
