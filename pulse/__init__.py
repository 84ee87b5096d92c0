"""Large images whose small version is a given picture, found by walking a generator's latent sphere.

G = stylegan.load("default")
result = pulse.search(G, target)          # target (N, 3, h, w) in [0, 1]
result.to_pil(0).save("face.png")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pulse import losses, sphere
    from pulse.depixelizer import depixelize
    from pulse.engine import SearchState, search
    from pulse.operators import Downsampler, downsample
    from pulse.options import SearchOptions
    from pulse.result import Result

__all__ = [
    "Downsampler",
    "Result",
    "SearchOptions",
    "SearchState",
    "depixelize",
    "downsample",
    "losses",
    "search",
    "sphere",
]

# Imported when they are first asked for. The command `pulse` has to settle how threads wait and how it ends before
# torch is imported, and this file runs before the command does.
_MODULES = {
    "Downsampler": "pulse.operators",
    "Result": "pulse.result",
    "SearchOptions": "pulse.options",
    "SearchState": "pulse.engine",
    "depixelize": "pulse.depixelizer",
    "downsample": "pulse.operators",
    "losses": "pulse.losses",
    "search": "pulse.engine",
    "sphere": "pulse.sphere",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'pulse' has no attribute {name!r}")
    module = import_module(_MODULES[name])
    return module if module.__name__ == f"pulse.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
