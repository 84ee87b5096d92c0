"""`stylegan.load`: from a name or a path to a network, by content."""

import os
from pathlib import Path

from stylegan import stylegan1, stylegan2, zoo
from stylegan.errors import CheckpointError
from stylegan.formats import fit, native, pulse_files

Generator = stylegan1.Generator | stylegan2.Generator


def load(source: str | os.PathLike[str] = "default") -> Generator:
    """A generator in evaluation mode, in float32 on the CPU.

    Args:
        source: a name of `stylegan.zoo.names()` ("default" is the generator in the box), a safetensors file that
            `stylegan.save` wrote, or a folder with PULSE's `synthesis.pt`, `mapping.pt` and `gaussian_fit.pt`.

    Raises:
        CheckpointError: if there is no such name or file, or it cannot be used; nothing in a file is executed.
    """
    path = zoo.path_of(source) if isinstance(source, str) else None
    path = Path(source) if path is None else path
    if not path.exists():
        raise CheckpointError(
            f"There is no generator {os.fspath(source)!r}: it is no file or folder, and the names are"
            f" {', '.join(zoo.names())}."
        )
    if native.recognises(path):
        network = native.load(path)
    elif pulse_files.recognises(path):
        network = pulse_files.load(path)
    else:
        raise CheckpointError(
            f"{path} is in no checkpoint format that can be read; give a safetensors file of `stylegan.save`, or a"
            " folder with PULSE's synthesis.pt and mapping.pt."
        )
    if not isinstance(network, stylegan1.Generator | stylegan2.Generator):
        raise CheckpointError(f"{path} holds a discriminator; give a file with a generator.")
    network.source = path
    if network.gaussian_fit is None:
        network.gaussian_fit = fit.read(network.mapping, path)
    return network
