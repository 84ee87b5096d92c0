"""Portraits as files: a PNG each, and one table with the truth about them."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stylegan.common.processes import cores, in_processes
from stylegan.common.progress import progress
from stylegan.portraits.coordinates import COORDINATES, sample
from stylegan.portraits.render import render
from stylegan.portraits.truth import Truth, truth

_BATCH = 16
# Fewer portraits than this are drawn before another process has started.
_WORTH_A_PROCESS = 64


def draw(count: int, seed: int, resolution: int, folder: Path) -> None:
    """Draw `count` portraits into `folder` as PNGs beside portraits.json, which comes last; large counts are shared out
    to one process a core.

    Raises ValueError when the folder or a file in it cannot be written.
    """
    points = sample(count, torch.Generator().manual_seed(seed))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"The folder {folder} cannot be made ({error.strerror}); give another one.") from None
    jobs = [(i, points[i : i + _BATCH].numpy(), resolution, folder) for i in range(0, count, _BATCH)]
    table = []
    with progress("portraits", count) as advance:
        for rows in in_processes(_draw_some, jobs, min(cores(), -(-count // _WORTH_A_PROCESS))):
            table += rows
            advance(len(rows))
    facts_of_all = {"seed": seed, "resolution": resolution, "coordinates": COORDINATES, "portraits": table}
    _write_whole(folder / "portraits.json", json.dumps(facts_of_all).encode())


def _draw_some(job: tuple[int, NDArray[np.float32], int, Path]) -> list[dict[str, Any]]:
    """Draw the portraits from number `first` on; returns their rows of the table."""
    from PIL import Image

    first, points, resolution, folder = job
    part = torch.from_numpy(points)
    pictures = (render(part, resolution) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    rows = []
    for i, (picture, facts) in enumerate(zip(pictures, truth(part, resolution), strict=True)):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "png")
        name = f"portrait_{first + i:06d}.png"
        _write_whole(folder / name, buffer.getvalue())
        rows.append({"file": name, **_plain(facts), "point": points[i].tolist()})
    return rows


def _plain(facts: Truth) -> dict[str, Any]:
    rounded = [[round(x, 3), round(y, 3)] for x, y in facts.landmarks.tolist()]
    return {**vars(facts), "landmarks": rounded}


def _write_whole(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ValueError(
            f"{path} cannot be written ({error.strerror}); free the place or give another folder."
        ) from None
