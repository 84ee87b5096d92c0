"""Grids of pictures in a run's folder: NAME_STEP.png along the way, and NAME.png at the end."""

import re
from pathlib import Path

from torch import Tensor

from stylegan.common.distribution import software
from stylegan.common.grid import grid
from stylegan.common.png import write_png

_AFTER_A_STEP = re.compile(r"[a-z]+_(\d{6,})\.png")


def write_grid(path: Path, pictures: Tensor) -> None:
    """Writes pictures (N, 3, R, R) of uint8 as one PNG, row by row and as square as possible."""
    write_png(path, grid(pictures.cpu()), {"Software": software(), "synthetic": "true"})


def grid_path(folder: Path, name: str, step: int) -> Path:
    """The path of the grid `name` that was drawn after `step` steps."""
    return folder / f"{name}_{step:06d}.png"


def remove_grids_after(folder: Path, step: int) -> None:
    """Removes the grids that were drawn after more than `step` steps."""
    for path in folder.glob("*_*.png"):
        match = _AFTER_A_STEP.fullmatch(path.name)
        if match and int(match[1]) > step:
            path.unlink()
