"""The generator that a caller names, and where it lives."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from stylegan import Generator


def load_generator(generator: Generator | str | os.PathLike[str], device: torch.device | str | None = None) -> Any:
    """A generator to search: `generator` itself, or what `stylegan.load` makes of a name or path.

    Args:
        generator: a module as `stylegan.Generator` describes, or a name of `stylegan.list_models()`, a path, a URL.
        device: where it goes, in place as `torch.nn.Module.to` moves. By default a module stays where it is, and one
            that is loaded goes to the GPU if there is one.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(generator, (str, os.PathLike)):
        # Here, because `import pulse` does not load the generators.
        import stylegan

        G: Any = stylegan.load(generator)
        return G.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if not (hasattr(generator, "mapping") and hasattr(generator, "synthesis")):
        raise ValueError(
            f"The generator is a {type(generator).__name__}; give a network such as stylegan.load returns, or a name."
        )
    G = generator
    return G if device is None else G.to(device)


def device_of(G: Any) -> torch.device:
    """The device that the generator `G` is on."""
    return next(G.parameters()).device
