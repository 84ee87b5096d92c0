"""What one looks at during a run: picture grids."""

import os
import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylegan.networks.stylegan2 import Generator

_GRID = re.compile(r"fakes_(\d+)\.png")


def write_grid(path: Path, pictures: Tensor) -> None:
    """Write pictures (N, 3, R, R) of uint8 as one PNG, as square as can be, row by row; whole or not at all."""
    from PIL import Image

    n, c, h, w = pictures.shape
    columns = int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    padded = torch.zeros(rows * columns, c, h, w, dtype=torch.uint8)
    padded[:n] = pictures.cpu()
    sheet = padded.view(rows, columns, c, h, w).permute(0, 3, 1, 4, 2).reshape(rows * h, columns * w, c)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        Image.fromarray(sheet.numpy()).save(beside, format="PNG")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def grid_path(folder: Path, step: int) -> Path:
    """Where the grid of generated pictures after `step` steps stands."""
    return folder / f"fakes_{step:06d}.png"


def forget_grids(folder: Path, step: int) -> None:
    """Remove the grids of generated pictures of more than `step` steps."""
    for path in folder.glob("fakes_*.png"):
        match = _GRID.fullmatch(path.name)
        if match and int(match[1]) > step:
            path.unlink()


@torch.no_grad()
def draw(generator: Generator, z: Tensor, c: Tensor, batch: int = 32) -> Tensor:
    """Pictures (N, 3, R, R) of uint8, on the CPU, of latents (N, z_dim) and labels (N, c_dim), with fixed noise."""
    device = next(generator.parameters()).device
    parts = [
        generator(some.to(device), labels.to(device), noise_mode="const").add(1).mul(127.5).round().clamp(0, 255)
        for some, labels in zip(z.split(batch), c.split(batch), strict=True)
    ]
    return torch.cat([part.to(torch.uint8).cpu() for part in parts])
