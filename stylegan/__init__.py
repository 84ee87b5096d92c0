"""StyleGAN generators: networks, checkpoints, the generator in the box, the portraits it learnt from, training.

G = stylegan.load("default")                       # or a path, a URL, a name of stylegan.list_models()
images = stylegan.sample(G, seeds=range(16), truncation_psi=0.7)   # (16, 3, R, R) in [0, 1]
stylegan.save(G, "faces.safetensors")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stylegan.checkpoints.errors import CheckpointError
    from stylegan.checkpoints.formats.native import save
    from stylegan.checkpoints.loading import load
    from stylegan.checkpoints.zoo import list_models
    from stylegan.generator import Generator
    from stylegan.networks.discriminator import Discriminator
    from stylegan.sampling import sample

__all__ = ["CheckpointError", "Discriminator", "Generator", "list_models", "load", "sample", "save"]

# Imported when they are first asked for: the commands have to settle how threads wait and how they end before torch is
# imported, and this file runs before the commands do.
_MODULES = {
    "CheckpointError": "stylegan.checkpoints.errors",
    "Discriminator": "stylegan.networks.discriminator",
    "Generator": "stylegan.generator",
    "list_models": "stylegan.checkpoints.zoo",
    "load": "stylegan.checkpoints.loading",
    "sample": "stylegan.sampling",
    "save": "stylegan.checkpoints.formats.native",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'stylegan' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
