"""Large images whose small version is a given picture, found by walking a generator's latent sphere.

G = stylegan.load("default")
result = pulse.search(G, target)          # target (N, 3, h, w) in [0, 1]
result.to_pil(0).save("face.png")
"""

from __future__ import annotations

from typing import Any

from pulse import losses, sphere
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


def __getattr__(name: str) -> Any:
    # Reading pictures needs Pillow and more; that can wait until somebody does.
    if name == "depixelize":
        from pulse.depixelizer import depixelize

        return depixelize
    raise AttributeError(f"module 'pulse' has no attribute {name!r}")
