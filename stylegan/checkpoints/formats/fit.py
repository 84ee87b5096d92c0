"""PULSE's gaussian fit of a generator, kept beside the file or in the folder that holds the generator.

The fit takes a million passes through the mapping network; a checkpoint of another project has no place for it, so it
goes into `NAME.gaussian_fit.safetensors` beside NAME, with a fingerprint of the mapping network that it belongs to.
"""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from stylegan.common.files import write_tensors

_SUFFIX = "gaussian_fit.safetensors"


def read(mapping: nn.Module, source: Path) -> dict[str, Tensor] | None:
    """The fit {"mean", "std"}, each (w_dim,), kept for this mapping beside `source`; None where there is none."""
    path = _path(source)
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("mapping") != _fingerprint(mapping):
                return None
            return {name: file.get_tensor(name) for name in ("mean", "std")}
    except (SafetensorError, OSError):
        # A damaged cache costs a new fit, nothing more.
        return None


def write(mapping: nn.Module, source: Path, fit: dict[str, Tensor]) -> bool:
    """Keep a fit beside `source`, whole or not at all; False where that place cannot be written."""
    try:
        write_tensors(_path(source), fit, {"mapping": _fingerprint(mapping)})
    except OSError:
        return False
    return True


def _path(source: Path) -> Path:
    return source / _SUFFIX if source.is_dir() else source.with_name(f"{source.name}.{_SUFFIX}")


@torch.no_grad()
def _fingerprint(mapping: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(mapping.state_dict().items()):
        # The running average does not enter the fit.
        if name != "w_avg":
            digest.update(name.encode() + tensor.float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
