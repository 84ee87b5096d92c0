"""The generators that have names."""

from importlib import resources
from pathlib import Path

# What is in the box, and the file of the package that holds it.
_EMBEDDED = {"default": "portraits128.safetensors", "portraits128": "portraits128.safetensors"}


def names() -> list[str]:
    """Names that `stylegan.load` knows."""
    return sorted(_EMBEDDED)


def path_of(name: str) -> Path | None:
    """The file of a named generator, or None if there is no such name."""
    file = _EMBEDDED.get(name)
    return None if file is None else Path(str(resources.files("stylegan") / "weights" / file))
